/**
 * Requests in flight on one bus: a reply subject per request under one prefix, so that a single subscription
 * (`prefix.*`) serves them all, and a bounded map from reply subject to whoever waits. Knows no bus: those that have
 * subjects subscribe when the first request is made and feed it from there, ThreadBus uses the reply subjects as
 * request numbers.
 */
import type { Clock, TimerHandle } from '../base/clock.ts'
import { SluiceError } from '../base/errors.ts'
import type { BusMessage } from './bus.ts'

interface Pending {
  readonly subject: string
  readonly timer: TimerHandle
  resolve(answer: BusMessage): void
  reject(error: SluiceError): void
}

export class RequestInbox {
  readonly #clock: Clock
  readonly #prefix: string
  readonly #pendingMax: number
  readonly #pending = new Map<string, Pending>()
  /** Null once it has been called. */
  #listen: ((subject: string) => void) | null
  #counter = 0

  /** `listen` is called once, with the subject that all replies come on, before the first request is made. */
  constructor(
    clock: Clock,
    prefix: string,
    pendingMax: number,
    listen: ((subject: string) => void) | null = null,
  ) {
    this.#clock = clock
    this.#prefix = prefix
    this.#pendingMax = pendingMax
    this.#listen = listen
  }

  /** Registers a request and starts its timer. Throws BUS_OVERLOADED at the bound: nothing waits unbounded. */
  open(subject: string, timeoutMs: number): { replyTo: string; answer: Promise<BusMessage> } {
    if (this.#pending.size >= this.#pendingMax) {
      throw new SluiceError(
        'BUS_OVERLOADED',
        `${this.#pendingMax} requests wait for answers, the limit; the one to ${subject} was not sent`,
      )
    }
    this.#listen?.(`${this.#prefix}.*`)
    this.#listen = null
    const replyTo = `${this.#prefix}.${++this.#counter}`
    const answer = new Promise<BusMessage>((resolve, reject) => {
      const timer = this.#clock.schedule(timeoutMs, () => {
        this.fail(replyTo, new SluiceError('TIMEOUT', `no answer on ${subject} within ${timeoutMs} ms`))
      })
      this.#pending.set(replyTo, { subject, timer, resolve, reject })
    })
    return { replyTo, answer }
  }

  /** Hands an answer to its request; one that came too late, or twice, is ignored. */
  settle(replyTo: string, answer: BusMessage): void {
    this.#take(replyTo)?.resolve(answer)
  }

  fail(replyTo: string, error: SluiceError): void {
    this.#take(replyTo)?.reject(error)
  }

  failNoResponders(replyTo: string): void {
    const subject = this.#pending.get(replyTo)?.subject
    if (subject !== undefined) this.fail(replyTo, noResponders(subject))
  }

  failAll(error: SluiceError): void {
    for (const replyTo of [...this.#pending.keys()]) this.fail(replyTo, error)
  }

  #take(replyTo: string): Pending | undefined {
    const pending = this.#pending.get(replyTo)
    if (pending === undefined) return undefined
    this.#pending.delete(replyTo)
    pending.timer.cancel()
    return pending
  }
}

function noResponders(subject: string): SluiceError {
  return new SluiceError(
    'NO_RESPONDERS',
    `nobody listens on ${subject}; is the process that owns it running?`,
  )
}
