/**
 * A bus for as long as somebody may use it: once he may not, nothing leaves and nothing arrives any more, also what
 * was under way. It asks at each message, for a process may have been stopped between any two of them.
 */
import { SluiceError } from '../base/errors.ts'
import type { Bus, BusMessage, BusStats, BusStatus, Subscription } from './bus.ts'

export class FencedBus implements Bus {
  readonly #bus: Bus
  readonly #isOpen: () => boolean

  /** The bus stays the caller's: `close` leaves it open. */
  constructor(bus: Bus, isOpen: () => boolean) {
    this.#bus = bus
    this.#isOpen = isOpen
  }

  get payloadBytesMax(): number {
    return this.#bus.payloadBytesMax
  }

  get stats(): Readonly<BusStats> {
    return this.#bus.stats
  }

  publish(subject: string, payload: Uint8Array, replyTo?: string): void {
    if (this.#isOpen()) this.#bus.publish(subject, payload, replyTo)
  }

  subscribe(subject: string, onMessage: (message: BusMessage) => void): Subscription {
    return this.#bus.subscribe(subject, (message) => {
      if (this.#isOpen()) onMessage(new FencedMessage(message, this.#isOpen))
    })
  }

  async request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<BusMessage> {
    this.#check(subject)
    const answer = await this.#bus.request(subject, payload, timeoutMs)
    this.#check(subject)
    return answer
  }

  flush(): Promise<void> {
    return this.#bus.flush()
  }

  async close(): Promise<void> {}

  onStatus(listener: (status: BusStatus) => void): () => void {
    return this.#bus.onStatus(listener)
  }

  #check(subject: string): void {
    if (this.#isOpen()) return
    throw new SluiceError('NOT_LEADER', `cannot ask ${subject}: this coordinator leads no more`)
  }
}

/** Answers are messages too. */
class FencedMessage implements BusMessage {
  readonly #message: BusMessage
  readonly #isOpen: () => boolean

  constructor(message: BusMessage, isOpen: () => boolean) {
    this.#message = message
    this.#isOpen = isOpen
  }

  get subject(): string {
    return this.#message.subject
  }

  get payload(): Uint8Array {
    return this.#message.payload
  }

  get replyTo(): string | undefined {
    return this.#message.replyTo
  }

  respond(payload: Uint8Array): boolean {
    return this.#isOpen() && this.#message.respond(payload)
  }
}
