/**
 * The bus across threads. The hub sits where the real bus is (the main thread of a process) and lends it to
 * other threads over one MessagePort each; a thread's bus is a thin mirror of it. Requests are made by the hub,
 * so that "no responders" means the same everywhere. When a thread ends its port closes, and the hub drops its
 * subscriptions.
 *
 * For control traffic: payloads are copied once and then transferred. Data frames get ports of their own.
 *
 * T1. A port has no back-pressure, so each side counts the messages the other has not acknowledged; beyond
 *     UNACKNOWLEDGED_MAX further ones are dropped and counted. Requests have their own bound.
 */
import type { MessagePort } from 'node:worker_threads'
import type { Clock } from '../base/clock.ts'
import { type ErrorRecord, fromErrorRecord, toErrorRecord } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import {
  type Bus,
  type BusMessage,
  type BusStatus,
  busClosed,
  checkPayloadSize,
  REQUESTS_PENDING_MAX,
  ReceivedMessage,
  StatusListeners,
  type Subscription,
  zeroBusStats,
} from './bus.ts'
import { RequestInbox } from './request-inbox.ts'

/** Messages one side may have sent ahead of the other's acknowledgements. */
const UNACKNOWLEDGED_MAX = 65_536
const ACKNOWLEDGE_EVERY = 1024
/** A hub that has not answered by then will not: its thread is stuck. */
const FLUSH_TIMEOUT_MS = 30_000

type FromThread =
  | { op: 'publish'; subject: string; payload: Uint8Array; replyTo: string | undefined }
  | { op: 'subscribe'; id: number; subject: string }
  | { op: 'unsubscribe'; id: number }
  | { op: 'request'; id: string; subject: string; payload: Uint8Array; timeoutMs: number }
  | { op: 'flush'; id: string }
  | { op: 'acknowledge'; count: number }

type ToThread =
  | { op: 'hello'; payloadBytesMax: number }
  | { op: 'message'; id: number; subject: string; payload: Uint8Array; replyTo: string | undefined }
  | { op: 'answer'; id: string; subject: string; payload: Uint8Array }
  | { op: 'refusal'; id: string; error: ErrorRecord }
  | { op: 'status'; status: BusStatus }
  | { op: 'acknowledge'; count: number }

/** One end of a port: the window of rule T1, and payloads copied out of whatever larger buffer they are in. */
class PortLink<Out extends { op: string }> {
  readonly #port: MessagePort
  #unacknowledged = 0
  #received = 0

  constructor(port: MessagePort) {
    this.#port = port
  }

  post(message: Out): void {
    this.#port.postMessage(message)
  }

  /** As `post`, for messages with a payload, which the caller keeps. */
  postPayload(message: Out & { payload: Uint8Array }): void {
    const payload = new Uint8Array(message.payload)
    this.#port.postMessage({ ...message, payload }, [payload.buffer])
  }

  /** As `postPayload`, within the window; false when the message was dropped. */
  tryPostPayload(message: Out & { payload: Uint8Array }): boolean {
    if (this.#unacknowledged >= UNACKNOWLEDGED_MAX) return false
    this.#unacknowledged++
    this.postPayload(message)
    return true
  }

  /** Counts a windowed message that was received; returns how many to acknowledge now, mostly none. */
  received(): number {
    if (++this.#received < ACKNOWLEDGE_EVERY) return 0
    this.#received = 0
    return ACKNOWLEDGE_EVERY
  }

  acknowledged(count: number): void {
    this.#unacknowledged -= count
  }
}

/** Lends a bus to other threads. Closing the hub leaves the bus itself open. */
export class ThreadBusHub {
  readonly #bus: Bus
  readonly #logger: Logger
  readonly #lines = new Map<MessagePort, HubLine>()

  constructor(bus: Bus, options: { readonly logger: Logger }) {
    this.#bus = bus
    this.#logger = options.logger
  }

  /** Serves the thread at the other end until it closes the port, ends, or {@link detach} is called. */
  attach(port: MessagePort): void {
    const line = new HubLine(this.#bus, port, this.#logger)
    this.#lines.set(port, line)
    port.on('message', (message: FromThread) => line.receive(message))
    port.on('close', () => {
      line.end()
      this.#lines.delete(port)
    })
  }

  /** Ends the service of one thread; its bus closes. */
  detach(port: MessagePort): void {
    this.#lines.get(port)?.end()
    this.#lines.delete(port)
    port.close()
  }

  close(): void {
    for (const port of [...this.#lines.keys()]) this.detach(port)
  }

  /** Messages the hub dropped because a thread did not keep up. */
  get dropped(): number {
    let sum = 0
    for (const line of this.#lines.values()) sum += line.dropped
    return sum
  }
}

/** The hub's side of one port. */
class HubLine {
  dropped = 0
  readonly #bus: Bus
  readonly #logger: Logger
  readonly #link: PortLink<ToThread>
  readonly #subscriptions = new Map<number, Subscription>()
  readonly #stopListening: () => void
  #isEnded = false

  constructor(bus: Bus, port: MessagePort, logger: Logger) {
    this.#bus = bus
    this.#logger = logger
    this.#link = new PortLink(port)
    this.#stopListening = bus.onStatus((status) => this.#link.post({ op: 'status', status }))
    this.#link.post({ op: 'hello', payloadBytesMax: bus.payloadBytesMax })
  }

  receive(message: FromThread): void {
    if (this.#isEnded) return
    try {
      this.#serve(message)
    } catch (error) {
      this.#logger.error('thread bus operation failed', { op: message.op, error })
    }
  }

  end(): void {
    this.#isEnded = true
    this.#stopListening()
    for (const subscription of this.#subscriptions.values()) subscription.unsubscribe()
    this.#subscriptions.clear()
  }

  #serve(message: FromThread): void {
    switch (message.op) {
      case 'publish': {
        const count = this.#link.received()
        if (count > 0) this.#link.post({ op: 'acknowledge', count })
        this.#bus.publish(message.subject, message.payload, message.replyTo)
        return
      }
      case 'subscribe': {
        const { id } = message
        this.#subscriptions.set(
          id,
          this.#bus.subscribe(message.subject, ({ subject, payload, replyTo }) => {
            if (!this.#link.tryPostPayload({ op: 'message', id, subject, payload, replyTo })) this.dropped++
          }),
        )
        return
      }
      case 'unsubscribe':
        this.#subscriptions.get(message.id)?.unsubscribe()
        this.#subscriptions.delete(message.id)
        return
      case 'request':
        this.#answer(message.id, this.#bus.request(message.subject, message.payload, message.timeoutMs))
        return
      case 'flush':
        this.#answer(
          message.id,
          this.#bus.flush().then(() => undefined),
        )
        return
      case 'acknowledge':
        this.#link.acknowledged(message.count)
    }
  }

  #answer(id: string, work: Promise<BusMessage | undefined>): void {
    work.then(
      (answer) => {
        const { subject, payload } = answer ?? { subject: '', payload: new Uint8Array(0) }
        if (!this.#isEnded) this.#link.postPayload({ op: 'answer', id, subject, payload })
      },
      (error) => {
        if (!this.#isEnded) this.#link.post({ op: 'refusal', id, error: toErrorRecord(error) })
      },
    )
  }
}

export interface ThreadBusOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly requestsPendingMax?: number
}

/** The bus at this end of a port whose other end is attached to a hub. Rejects with BUS_CLOSED if it closes first. */
export function connectThreadBus(port: MessagePort, options: ThreadBusOptions): Promise<Bus> {
  return new Promise((resolve, reject) => {
    const onClose = () => reject(busClosed('connect to the hub'))
    port.once('close', onClose)
    port.once('message', (hello: ToThread) => {
      port.off('close', onClose)
      resolve(new ThreadBus(port, hello.op === 'hello' ? hello.payloadBytesMax : 0, options))
    })
  })
}

interface ThreadSubscription {
  readonly onMessage: (message: BusMessage) => void
}

class ThreadBus implements Bus {
  readonly payloadBytesMax: number
  readonly stats = zeroBusStats()
  readonly #port: MessagePort
  readonly #logger: Logger
  readonly #link: PortLink<FromThread>
  readonly #inbox: RequestInbox
  readonly #listeners: StatusListeners
  readonly #subscriptions = new Map<number, ThreadSubscription>()
  #idCounter = 0
  #isClosed = false

  constructor(port: MessagePort, payloadBytesMax: number, options: ThreadBusOptions) {
    this.#port = port
    this.payloadBytesMax = payloadBytesMax
    this.#logger = options.logger
    this.#listeners = new StatusListeners(options.logger)
    this.#link = new PortLink(port)
    this.#inbox = new RequestInbox(
      options.clock,
      'request',
      options.requestsPendingMax ?? REQUESTS_PENDING_MAX,
    )
    port.on('message', (message: ToThread) => this.#receive(message))
    port.on('close', () => this.#closed())
  }

  publish(subject: string, payload: Uint8Array, replyTo?: string): void {
    checkPayloadSize(subject, payload, this.payloadBytesMax)
    if (this.#isClosed || !this.#link.tryPostPayload({ op: 'publish', subject, payload, replyTo })) {
      this.stats.dropped++
      return
    }
    this.stats.published++
    this.stats.bytesOut += payload.length
  }

  subscribe(subject: string, onMessage: (message: BusMessage) => void): Subscription {
    if (this.#isClosed) throw busClosed(`subscribe to ${subject}`)
    const id = ++this.#idCounter
    this.#subscriptions.set(id, { onMessage })
    this.#link.post({ op: 'subscribe', id, subject })
    return {
      unsubscribe: () => {
        if (this.#subscriptions.delete(id)) this.#link.post({ op: 'unsubscribe', id })
      },
    }
  }

  async request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<BusMessage> {
    if (this.#isClosed) throw busClosed(`request ${subject}`)
    checkPayloadSize(subject, payload, this.payloadBytesMax)
    const { replyTo: id, answer } = this.#inbox.open(subject, timeoutMs)
    this.stats.published++
    this.stats.bytesOut += payload.length
    this.#link.postPayload({ op: 'request', id, subject, payload, timeoutMs })
    const message = await answer
    this.#count(message.payload)
    return message
  }

  async flush(): Promise<void> {
    if (this.#isClosed) throw busClosed('flush')
    const { replyTo: id, answer } = this.#inbox.open('flush', FLUSH_TIMEOUT_MS)
    this.#link.post({ op: 'flush', id })
    await answer
  }

  close(): Promise<void> {
    this.#closed()
    this.#port.close()
    return Promise.resolve()
  }

  onStatus(listener: (status: BusStatus) => void): () => void {
    return this.#listeners.add(listener)
  }

  #receive(message: ToThread): void {
    if (this.#isClosed) return
    switch (message.op) {
      case 'message':
        this.#deliver(message)
        return
      case 'answer':
        this.#inbox.settle(message.id, new ReceivedMessage(this, message.subject, message.payload, undefined))
        return
      case 'refusal':
        this.#inbox.fail(message.id, fromErrorRecord(message.error))
        return
      case 'status':
        if (message.status === 'closed') void this.close()
        else this.#listeners.emit(message.status)
        return
      case 'acknowledge':
        this.#link.acknowledged(message.count)
    }
  }

  #deliver(message: ToThread & { op: 'message' }): void {
    const count = this.#link.received()
    if (count > 0) this.#link.post({ op: 'acknowledge', count })
    const subscription = this.#subscriptions.get(message.id)
    if (subscription === undefined) return
    this.#count(message.payload)
    try {
      subscription.onMessage(new ReceivedMessage(this, message.subject, message.payload, message.replyTo))
    } catch (error) {
      this.#logger.error('bus handler threw', { subject: message.subject, error })
    }
  }

  #count(payload: Uint8Array): void {
    this.stats.delivered++
    this.stats.bytesIn += payload.length
  }

  #closed(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#subscriptions.clear()
    this.#inbox.failAll(busClosed('wait for an answer'))
    this.#listeners.emit('closed')
  }
}
