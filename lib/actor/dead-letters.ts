/** Messages nobody received: counted by reason, the last few kept for whoever looks, all of them published if asked. */

/**
 * `no-such-actor`: it waited for an actor that stopped. `malformed`: bytes that are no message. `mailbox-full`.
 * `unhandled`: the actor does not know that kind. (What is sent to an address without any subscriber, the bus
 * drops; an ask learns that from NO_RESPONDERS, a tell never.)
 */
const DEAD_LETTER_REASONS = ['no-such-actor', 'malformed', 'mailbox-full', 'unhandled'] as const
export type DeadLetterReason = (typeof DEAD_LETTER_REASONS)[number]

export interface DeadLetter {
  readonly reason: DeadLetterReason
  /** Where it was sent, kind included. */
  readonly subject: string
  readonly atMs: number
  readonly detail: string
}

/** How many are kept; older ones make room. */
const SAMPLE_MAX = 64

export class DeadLetters {
  readonly counts: Record<DeadLetterReason, number> = {
    'no-such-actor': 0,
    malformed: 0,
    'mailbox-full': 0,
    unhandled: 0,
  }
  readonly #sample: DeadLetter[] = []
  readonly #onDeadLetter: (letter: DeadLetter) => void

  constructor(onDeadLetter: (letter: DeadLetter) => void) {
    this.#onDeadLetter = onDeadLetter
  }

  add(letter: DeadLetter): void {
    this.counts[letter.reason]++
    if (this.#sample.length === SAMPLE_MAX) this.#sample.shift()
    this.#sample.push(letter)
    this.#onDeadLetter(letter)
  }

  /** The most recent ones, oldest first. */
  get sample(): readonly DeadLetter[] {
    return this.#sample
  }

  get total(): number {
    return DEAD_LETTER_REASONS.reduce((sum, reason) => sum + this.counts[reason], 0)
  }
}
