/**
 * Publishes to streams with many messages under way at once, and knows which of them have arrived: each is kept until
 * the server acknowledges it, and sent again, with the same id, if it does not in time. The server drops what it has
 * already, within the stream's duplicate window (2 minutes, unless the stream says otherwise).
 *
 * All acknowledgements come in by one subscription; the client library's own `publish` makes a promise, a timer and a
 * subject of each message, and takes several times as long.
 */
import { type Msg, type MsgHdrs, headers as newHeaders, type Subscription } from '@nats-io/transport-node'
import type { Clock } from '../../base/clock.ts'
import { SluiceError } from '../../base/errors.ts'
import { formatBytes, formatDuration } from '../../base/units.ts'
import { describeStreams, type JetStreamLink } from './jetstream-link.ts'
import type { Message } from './message-format.ts'

export interface PublisherOptions {
  readonly link: JetStreamLink
  readonly clock: Clock
  /** Messages sent and not acknowledged, and their bytes; what is published beyond waits here. */
  readonly inFlightMax: number
  readonly inFlightBytesMax: number
  /** So long a message is tried, from when it was first sent. */
  readonly retryMs: number
  onError(error: SluiceError): void
}

export interface OutgoingMessage extends Message {
  /** Two messages with the same id are one. */
  readonly id: string
}

interface InFlight {
  readonly message: OutgoingMessage
  readonly headers: MsgHdrs
  readonly replyTo: string
  readonly firstSentMs: number
  sentMs: number
  /** Nobody takes messages of the subject, said the server. */
  isUnclaimed: boolean
  /** Why it was not taken when it was last tried. */
  reason: string | null
}

/** The half that a full window has to be emptied to before more is taken: fewer, longer pauses. */
const READY_SHARE = 0.5
/** An acknowledgement that has not come within this time is taken for lost. */
const ACK_TIMEOUT_MS = 2000
const TICK_MS = 250
/** No stream for a subject: either it is on its way to another server, or there is none. */
const UNCLAIMED_MS_MAX = 5000
const NO_RESPONDERS = 503
const HEADER_OVERHEAD_BYTES = 512
/** How every acknowledgement begins that is not an error. */
const ACK_PREFIX = Buffer.from('{"stream":')

export class Publisher {
  readonly #options: PublisherOptions
  readonly #inbox: string
  readonly #subscription: Subscription
  readonly #unlisten: () => void
  /** By token, the last part of the subject for the acknowledgement; oldest first. */
  readonly #inFlight = new Map<number, InFlight>()
  #waiting: OutgoingMessage[] = []
  /** Of the first that waits. */
  #first = 0
  #bytes = 0
  #token = 0
  #isConnected = true
  #error: SluiceError | null = null
  #timer: { cancel(): void } | null = null
  readonly #waiters = new Set<{ readonly isDone: () => boolean; readonly resolve: () => void }>()

  constructor(options: PublisherOptions) {
    this.#options = options
    const { bus } = options.link
    this.#inbox = options.link.newInbox()
    this.#subscription = bus.connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#onAck(message)
        else this.#fail(this.#refused('the subject for acknowledgements', error.message))
      },
    })
    this.#unlisten = bus.onStatus((status) => {
      this.#isConnected = status === 'connected'
      // What was on its way when the connection broke may have got lost.
      if (this.#isConnected) for (const each of this.#inFlight.values()) this.#send(each)
    })
    this.#schedule()
  }

  /** Messages that have not been acknowledged, those that wait included. */
  get pendingCount(): number {
    return this.#inFlight.size + this.#waiting.length - this.#first
  }

  /** Takes a message, and sends it as soon as there is room. Throws RECORD_TOO_LARGE. */
  publish(message: OutgoingMessage): void {
    this.checkSize(message)
    this.#waiting.push(message)
    this.#sendWaiting()
  }

  /** Throws RECORD_TOO_LARGE. */
  checkSize({ subject, data }: Message): void {
    const { payloadBytesMax } = this.#options.link.bus
    if (data.length + HEADER_OVERHEAD_BYTES <= payloadBytesMax) return
    throw new SluiceError(
      'RECORD_TOO_LARGE',
      `a message of ${formatBytes(data.length)} for ${subject} is larger than the server takes (max_payload, ${formatBytes(payloadBytesMax)})`,
    )
  }

  /** Undefined while there is room; else resolves when half the window is free, and rejects if it will not be. */
  whenReady(): Promise<void> | undefined {
    return this.#isBelow(1) ? undefined : this.#until(() => this.#isBelow(READY_SHARE))
  }

  /** Resolves when every message has been acknowledged; rejects when one will not be. */
  flush(): Promise<void> {
    return this.#until(() => this.pendingCount === 0)
  }

  close(): void {
    this.#timer?.cancel()
    this.#unlisten()
    this.#subscription.unsubscribe()
    this.#error ??= new SluiceError('CONNECTOR_FAILED', 'the publisher was closed with messages under way')
    this.#wake()
  }

  #isBelow(share: number): boolean {
    const { inFlightMax, inFlightBytesMax } = this.#options
    return this.pendingCount < share * inFlightMax && this.#bytes < share * inFlightBytesMax
  }

  #sendWaiting(): void {
    const { inFlightMax, inFlightBytesMax, clock } = this.#options
    while (this.#first < this.#waiting.length) {
      if (this.#inFlight.size >= inFlightMax || this.#bytes >= inFlightBytesMax) return
      const message = this.#waiting[this.#first++]!
      const token = this.#token++
      const each: InFlight = {
        message,
        headers: toHeaders(message),
        replyTo: `${this.#inbox}.${token}`,
        firstSentMs: clock.monotonic(),
        sentMs: 0,
        isUnclaimed: false,
        reason: null,
      }
      this.#inFlight.set(token, each)
      this.#bytes += message.data.length
      this.#send(each)
    }
    this.#waiting = []
    this.#first = 0
  }

  #send(each: InFlight): void {
    const { message, headers, replyTo } = each
    const { connection } = this.#options.link.bus
    each.sentMs = this.#options.clock.monotonic()
    // While disconnected, the client would forget it without a word; it is sent when the connection is back.
    if (!this.#isConnected || connection.isClosed()) return
    connection.publish(message.subject, message.data, { headers, reply: replyTo })
  }

  #onAck(ack: Msg): void {
    const token = Number(ack.subject.slice(this.#inbox.length + 1))
    const each = this.#inFlight.get(token)
    // Of a message that was sent twice, the second.
    if (each === undefined) return
    if (ack.data.length === 0 && ack.headers?.code === NO_RESPONDERS) {
      each.isUnclaimed = true
      return
    }
    const refusal = isPlainAck(ack.data) ? null : refusalOf(ack)
    if (refusal !== null) {
      each.reason = refusal.reason
      if (!refusal.isTransient) this.#fail(this.#refused(each.message.subject, refusal.reason))
      return
    }
    this.#inFlight.delete(token)
    this.#bytes -= each.message.data.length
    this.#sendWaiting()
    if (this.#waiters.size > 0) this.#wake()
  }

  #onTick(): void {
    const { clock, retryMs } = this.#options
    const nowMs = clock.monotonic()
    for (const each of this.#inFlight.values()) {
      const { message, firstSentMs, sentMs, isUnclaimed, reason } = each
      if (isUnclaimed && nowMs - firstSentMs > Math.min(retryMs, UNCLAIMED_MS_MAX)) {
        void this.#failUnclaimed(message.subject)
        return
      }
      if (nowMs - firstSentMs > retryMs) {
        const why = reason ?? `no acknowledgement came within ${formatDuration(retryMs)}`
        this.#fail(this.#refused(message.subject, why))
        return
      }
      if (isUnclaimed || nowMs - sentMs > ACK_TIMEOUT_MS) this.#send(each)
    }
  }

  async #failUnclaimed(subject: string): Promise<void> {
    const streams = await describeStreams(this.#options.link)
    this.#fail(this.#refused(subject, `no stream takes messages of this subject${streams}`))
  }

  #refused(subject: string, reason: string): SluiceError {
    const { servers } = this.#options.link
    return new SluiceError('CONNECTOR_FAILED', `cannot publish to ${subject} at ${servers}: ${reason}`, {
      details: { subject },
    })
  }

  #fail(error: SluiceError): void {
    if (this.#error !== null) return
    this.#error = error
    this.#timer?.cancel()
    this.#options.onError(error)
    this.#wake()
  }

  #schedule(): void {
    this.#timer = this.#options.clock.schedule(TICK_MS, () => {
      this.#schedule()
      if (this.#inFlight.size > 0 && this.#isConnected) this.#onTick()
    })
  }

  async #until(isDone: () => boolean): Promise<void> {
    if (this.#error === null && !isDone()) {
      await new Promise<void>((resolve) => this.#waiters.add({ isDone, resolve }))
    }
    if (this.#error !== null) throw this.#error
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      if (this.#error === null && !waiter.isDone()) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
  }
}

function toHeaders({ id, headers }: OutgoingMessage): MsgHdrs {
  const all = newHeaders()
  if (headers !== null) for (const [name, value] of headers) all.set(name, value)
  all.set('Nats-Msg-Id', id)
  return all
}

/** Without taking the JSON apart: it says nothing that we need. */
function isPlainAck(data: Uint8Array): boolean {
  for (let i = 0; i < ACK_PREFIX.length; i++) if (data[i] !== ACK_PREFIX[i]) return false
  return true
}

/** What the server has against a message; null if it took it. Transient: the server is busy, or the stream full. */
function refusalOf(ack: Msg): { readonly reason: string; readonly isTransient: boolean } | null {
  try {
    const { error } = JSON.parse(ack.string()) as { error?: { code?: number; description?: string } }
    if (error === undefined) return null
    return { reason: error.description ?? 'no reason given', isTransient: (error.code ?? 0) >= 500 }
  } catch {
    return {
      reason: `an answer that is no acknowledgement: ${ack.string().slice(0, 100)}`,
      isTransient: false,
    }
  }
}
