/**
 * What waits for one actor: two lanes, signals before messages, each in order of arrival. The message lane is
 * bounded for what comes from outside; what the actor sends itself (timers, piped promises, its stash) has
 * bounds of its own and is never refused, since nobody would send it again. The signal lane holds at most one
 * signal per watched actor or child.
 */
import type { AnyProtocol, Message } from './actor-ref.ts'
import type { Sender, Signal } from './behavior.ts'

export type AnyMessage = Message<AnyProtocol>

export interface Envelope {
  readonly message: AnyMessage
  readonly sender: Sender
  /** For messages that may be revoked while they wait: false means skip it. Called once, on taking it out. */
  readonly claim?: () => boolean
}

/** The system's own orders travel in the signal lane, unseen by behaviours. */
export type SystemMail =
  | Signal
  | { readonly kind: 'Stop' }
  | { readonly kind: 'Fail'; readonly error: unknown }

export class Mailbox {
  readonly #messagesMax: number
  #signals: SystemMail[] = []
  #messages: Envelope[] = []
  #head = 0

  constructor(messagesMax: number) {
    this.#messagesMax = messagesMax
  }

  /** False, and nothing is kept, when the lane is full. */
  offer(envelope: Envelope): boolean {
    if (this.isFull) return false
    this.#messages.push(envelope)
    return true
  }

  /** For what the actor sends itself. */
  offerOwn(envelope: Envelope): void {
    this.#messages.push(envelope)
  }

  offerSignal(mail: SystemMail): void {
    this.#signals.push(mail)
  }

  /** Puts these before everything that waits. */
  prepend(envelopes: readonly Envelope[]): void {
    this.#messages = [...envelopes, ...this.#messages.slice(this.#head)]
    this.#head = 0
  }

  takeSignal(): SystemMail | undefined {
    return this.#signals.shift()
  }

  take(): Envelope | undefined {
    const envelope = this.#messages[this.#head]
    if (envelope === undefined) return undefined
    this.#head++
    if (this.#head === this.#messages.length || this.#head >= 1024) {
      this.#messages = this.#messages.slice(this.#head)
      this.#head = 0
    }
    return envelope
  }

  /** Messages that wait. */
  get size(): number {
    return this.#messages.length - this.#head
  }

  get isFull(): boolean {
    return this.size >= this.#messagesMax
  }

  get isEmpty(): boolean {
    return this.size === 0 && this.#signals.length === 0
  }

  /** Takes out all messages; signals are forgotten. */
  drain(): Envelope[] {
    const rest = this.#messages.slice(this.#head)
    this.#messages = []
    this.#head = 0
    this.#signals = []
    return rest
  }
}
