/** The connection of one simulated process to the simulated network. */
import { SluiceError } from '../../lib/base/errors.ts'
import {
  type Bus,
  type BusMessage,
  type BusStatus,
  busClosed,
  checkPayloadSize,
  PAYLOAD_BYTES_MAX,
  REQUESTS_PENDING_MAX,
  ReceivedMessage,
  StatusListeners,
  type Subscription,
  zeroBusStats,
} from '../../lib/bus/bus.ts'
import { RequestInbox } from '../../lib/bus/request-inbox.ts'
import type { ProcessClock } from './process-clock.ts'
import type { SentMessage, SimulatedNetwork, SimulatedSubscription } from './simulated-network.ts'

export interface SimulatedBusOptions {
  /** Of the process, and unique. */
  readonly name: string
  readonly clock: ProcessClock
}

export class SimulatedBus implements Bus {
  readonly payloadBytesMax = PAYLOAD_BYTES_MAX
  readonly stats = zeroBusStats()
  readonly name: string
  /** Until then (of the shared clock) nothing leaves and nothing arrives; what was sent meanwhile comes afterwards. */
  stalledUntilMs = 0
  readonly #network: SimulatedNetwork
  readonly #inbox: RequestInbox
  readonly #inboxPrefix: string
  readonly #open = new Map<() => void, string>()
  readonly #listeners: StatusListeners
  #link: 'up' | 'cut' | 'disconnected' = 'up'
  #isClosed = false

  constructor(network: SimulatedNetwork, { name, clock }: SimulatedBusOptions) {
    this.#network = network
    this.name = name
    this.#inboxPrefix = `_INBOX.${name}`
    const listen = (replies: string) =>
      void this.subscribe(replies, (message) => this.#inbox.settle(message.subject, message))
    this.#inbox = new RequestInbox(clock, this.#inboxPrefix, REQUESTS_PENDING_MAX, listen)
    this.#listeners = new StatusListeners(network.options.log)
  }

  publish(subject: string, payload: Uint8Array, replyTo?: string): void {
    this.#publish(subject, payload, replyTo)
  }

  subscribe(subject: string, onMessage: (message: BusMessage) => void): Subscription {
    if (this.#isClosed) throw busClosed(`subscribe to ${subject}`)
    const subscription: SimulatedSubscription = { bus: this, onMessage, isOpen: true }
    const unsubscribe = () => {
      subscription.isOpen = false
      this.#open.delete(unsubscribe)
      this.#network.subscriptions.delete(subject, subscription)
    }
    this.#network.subscriptions.add(subject, subscription)
    this.#open.set(unsubscribe, subject)
    return { unsubscribe }
  }

  async request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<BusMessage> {
    if (this.#isClosed) throw busClosed(`request ${subject}`)
    checkPayloadSize(subject, payload, this.payloadBytesMax)
    if (this.#link === 'disconnected')
      throw new SluiceError('CANNOT_CONNECT', `cannot request ${subject}: the connection is down`)
    const { replyTo, answer } = this.#inbox.open(subject, timeoutMs)
    if (this.#publish(subject, payload, replyTo) === 0)
      this.#network.afterRoundTrip(() => {
        if (this.#link === 'up') this.#inbox.failNoResponders(replyTo)
      })
    return answer
  }

  flush(): Promise<void> {
    return this.#isClosed ? Promise.reject(busClosed('flush')) : Promise.resolve()
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve()
    this.sever()
    this.#inbox.failAll(busClosed('wait for an answer'))
    this.#listeners.emit('closed')
    return Promise.resolve()
  }

  onStatus(listener: (status: BusStatus) => void): () => void {
    return this.#listeners.add(listener)
  }

  /** Subjects that are subscribed to, without that for answers. */
  get subjects(): string[] {
    return [...this.#open.values()].filter((subject) => !subject.startsWith(this.#inboxPrefix))
  }

  get isReachable(): boolean {
    return this.#link === 'up' && !this.#isClosed
  }

  /** Everything sent and received is lost from now on; `isNoticed`: and the process is told. */
  cut(isNoticed: boolean): void {
    if (this.#link !== 'up') return
    this.#link = isNoticed ? 'disconnected' : 'cut'
    if (isNoticed) this.#listeners.emit('disconnected')
  }

  heal(): void {
    if (this.#link === 'disconnected') this.#listeners.emit('connected')
    this.#link = 'up'
  }

  /** The process has died; nobody in it is told. */
  sever(): void {
    this.#isClosed = true
    for (const unsubscribe of [...this.#open.keys()]) unsubscribe()
  }

  receive(to: SimulatedSubscription, { subject, payload, replyTo }: SentMessage): void {
    this.stats.delivered++
    this.stats.bytesIn += payload.length
    try {
      to.onMessage(new ReceivedMessage(this, subject, payload, replyTo))
    } catch (error) {
      this.#network.options.log.error('bus handler threw', { subject, error })
    }
  }

  #publish(subject: string, payload: Uint8Array, replyTo: string | undefined): number {
    checkPayloadSize(subject, payload, this.payloadBytesMax)
    if (!this.isReachable) {
      this.stats.dropped++
      return this.#isClosed ? 0 : 1
    }
    this.stats.published++
    this.stats.bytesOut += payload.length
    return this.#network.send(this, { subject, payload, replyTo })
  }
}
