/**
 * The bus: subjects, wildcards, request and reply. Everything that crosses a thread or a host goes through it,
 * and everything above it is written against this weak contract, stated once:
 *
 * B1. Per publisher and subject, what arrives arrives in the order of publishing.
 * B2. Anything may be dropped: on a lost connection, at a bound, for lack of a subscriber. Drops this side
 *     knows of are counted; publishing never throws because of the network.
 * B3. A message may be delivered twice after a reconnect.
 * B4. A payload belongs to everybody once published: neither side writes to it again. It may be a window of a
 *     larger buffer, so whoever keeps a few bytes for long copies them.
 * B5. A handler is never called from within `publish`, `subscribe` or `request`. One that throws is logged and
 *     costs nobody else a message.
 * B6. A message published before `subscribe` on the same bus is not seen by that subscription; after
 *     `unsubscribe` the handler is not called again.
 *
 * Implementations: LocalBroker, ThreadBusHub, NatsBus, and the simulator's, which uses all that freedom.
 */
import { SluiceError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { formatBytes } from '../base/units.ts'

export interface Bus {
  /** Sends to whoever subscribes. Throws only for what a caller got wrong: PAYLOAD_TOO_LARGE. */
  publish(subject: string, payload: Uint8Array, replyTo?: string): void
  /** Calls back synchronously for every message; nothing is queued. `*` is one token, a final `>` one or more. */
  subscribe(subject: string, onMessage: (message: BusMessage) => void): Subscription
  /**
   * The first answer. Rejects with NO_RESPONDERS at once when nobody subscribes, TIMEOUT, BUS_OVERLOADED when
   * too many requests wait, CANNOT_CONNECT while disconnected, BUS_CLOSED.
   */
  request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<BusMessage>
  /** Resolves when all subscriptions and publishes so far have reached the server. */
  flush(): Promise<void>
  /** Idempotent. Pending requests fail with BUS_CLOSED; later publishes are counted as dropped. */
  close(): Promise<void>
  /** Calls back on every change; returns what removes the listener. */
  onStatus(listener: (status: BusStatus) => void): () => void
  readonly payloadBytesMax: number
  readonly stats: Readonly<BusStats>
}

export interface BusMessage {
  readonly subject: string
  readonly payload: Uint8Array
  /** Where an answer is expected, if one is. */
  readonly replyTo: string | undefined
  /** Publishes to `replyTo`; false when nobody asked. */
  respond(payload: Uint8Array): boolean
}

export interface Subscription {
  /** Idempotent. */
  unsubscribe(): void
}

export type BusStatus = 'connected' | 'disconnected' | 'closed'

/** Plain counters since the bus was opened. Requests and answers count as publishes and deliveries. */
export interface BusStats {
  published: number
  delivered: number
  dropped: number
  bytesOut: number
  bytesIn: number
}

/** The most a bus of our own carries in one message, and what managed NATS servers are configured to. */
export const PAYLOAD_BYTES_MAX = 8 * 1024 * 1024
/** Requests that may wait for an answer on one bus; the next one fails with BUS_OVERLOADED. */
export const REQUESTS_PENDING_MAX = 16_384

export function zeroBusStats(): BusStats {
  return { published: 0, delivered: 0, dropped: 0, bytesOut: 0, bytesIn: 0 }
}

/** The message every implementation hands out. */
export class ReceivedMessage implements BusMessage {
  readonly subject: string
  readonly payload: Uint8Array
  readonly replyTo: string | undefined
  readonly #bus: Pick<Bus, 'publish'>

  constructor(bus: Pick<Bus, 'publish'>, subject: string, payload: Uint8Array, replyTo: string | undefined) {
    this.#bus = bus
    this.subject = subject
    this.payload = payload
    this.replyTo = replyTo
  }

  respond(payload: Uint8Array): boolean {
    if (this.replyTo === undefined) return false
    this.#bus.publish(this.replyTo, payload)
    return true
  }
}

/** Listeners of `onStatus`, told in the order in which they came. One that throws is logged. */
export class StatusListeners {
  readonly #logger: Logger
  readonly #listeners = new Set<(status: BusStatus) => void>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  add(listener: (status: BusStatus) => void): () => void {
    const entry = (status: BusStatus) => listener(status)
    this.#listeners.add(entry)
    return () => this.#listeners.delete(entry)
  }

  emit(status: BusStatus): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(status)
      } catch (error) {
        this.#logger.error('bus status listener threw', { status, error })
      }
    }
  }
}

export function checkPayloadSize(subject: string, payload: Uint8Array, payloadBytesMax: number): void {
  if (payload.length <= payloadBytesMax) return
  throw new SluiceError(
    'PAYLOAD_TOO_LARGE',
    `expected at most ${formatBytes(payloadBytesMax)} on ${subject}, found ${formatBytes(payload.length)} ` +
      `(${payload.length} bytes); send it in pieces or raise the server's max_payload`,
  )
}

export function busClosed(what: string): SluiceError {
  return new SluiceError('BUS_CLOSED', `cannot ${what}: the bus is closed`)
}
