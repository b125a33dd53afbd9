/**
 * The bus within one thread. A publish is matched against the subscriptions at once, as a server would, and the
 * deliveries go into one queue that `clock.defer` drains in order of publishing. Deferring instead of calling
 * microtasks keeps two promises: actors that answer each other for ever still let I/O and timers have their
 * turn, and under a manual clock nothing moves unless the test says so.
 */
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
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
} from './bus.ts'
import { RequestInbox } from './request-inbox.ts'
import { SubjectTrie } from './subject-trie.ts'

export interface LocalBrokerOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly payloadBytesMax?: number
  /** Deliveries that may wait in the broker; beyond it they are dropped and counted at their publisher. */
  readonly queuedMax?: number
}

interface Delivery {
  readonly to: LocalSubscription
  readonly subject: string
  readonly payload: Uint8Array
  readonly replyTo: string | undefined
}

interface LocalSubscription {
  readonly bus: LocalBus
  readonly onMessage: (message: BusMessage) => void
  isOpen: boolean
}

/** Deliveries per turn of the event loop: enough to be cheap, few enough to leave turns short. */
const DELIVERIES_PER_TURN = 256

/** What the buses of one thread are connected to. */
export class LocalBroker {
  readonly clock: Clock
  readonly logger: Logger
  readonly payloadBytesMax: number
  readonly subscriptions = new SubjectTrie<LocalSubscription>()
  readonly #queuedMax: number
  #queue: Delivery[] = []
  #head = 0
  #isDraining = false
  #busCount = 0

  constructor(options: LocalBrokerOptions) {
    this.clock = options.clock
    this.logger = options.logger
    this.payloadBytesMax = options.payloadBytesMax ?? PAYLOAD_BYTES_MAX
    this.#queuedMax = options.queuedMax ?? 1_048_576
  }

  /** One more bus: its own counters, subscriptions and requests. */
  connect(options: { readonly requestsPendingMax?: number } = {}): Bus {
    return new LocalBus(this, ++this.#busCount, options.requestsPendingMax ?? REQUESTS_PENDING_MAX)
  }

  /** Queues a message for everyone who subscribes now. Returns how many those are and how many were dropped. */
  route(
    subject: string,
    payload: Uint8Array,
    replyTo: string | undefined,
  ): { matched: number; dropped: number } {
    let matched = 0
    let dropped = 0
    this.subscriptions.match(subject, (to) => {
      matched++
      if (this.#queue.length - this.#head >= this.#queuedMax) dropped++
      else this.#queue.push({ to, subject, payload, replyTo })
    })
    if (matched > dropped && !this.#isDraining) {
      this.#isDraining = true
      this.clock.defer(() => this.#drain())
    }
    return { matched, dropped }
  }

  #drain(): void {
    const end = Math.min(this.#queue.length, this.#head + DELIVERIES_PER_TURN)
    while (this.#head < end) this.#deliver(this.#queue[this.#head++]!)
    if (this.#head === this.#queue.length) {
      this.#queue = []
      this.#head = 0
      this.#isDraining = false
      return
    }
    if (this.#head > this.#queue.length / 2) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
    this.clock.defer(() => this.#drain())
  }

  #deliver({ to, subject, payload, replyTo }: Delivery): void {
    if (!to.isOpen) return
    to.bus.stats.delivered++
    to.bus.stats.bytesIn += payload.length
    try {
      to.onMessage(new ReceivedMessage(to.bus, subject, payload, replyTo))
    } catch (error) {
      this.logger.error('bus handler threw', { subject, error })
    }
  }
}

class LocalBus implements Bus {
  readonly payloadBytesMax: number
  readonly stats = zeroBusStats()
  readonly #broker: LocalBroker
  readonly #inbox: RequestInbox
  readonly #open = new Set<() => void>()
  readonly #listeners: StatusListeners
  #isClosed = false

  constructor(broker: LocalBroker, number: number, requestsPendingMax: number) {
    this.#broker = broker
    const listen = (replies: string) =>
      void this.subscribe(replies, (message) => this.#inbox.settle(message.subject, message))
    this.#inbox = new RequestInbox(broker.clock, `_INBOX.local-${number}`, requestsPendingMax, listen)
    this.#listeners = new StatusListeners(broker.logger)
    this.payloadBytesMax = broker.payloadBytesMax
  }

  publish(subject: string, payload: Uint8Array, replyTo?: string): void {
    this.#publish(subject, payload, replyTo)
  }

  subscribe(subject: string, onMessage: (message: BusMessage) => void): Subscription {
    if (this.#isClosed) throw busClosed(`subscribe to ${subject}`)
    const subscription: LocalSubscription = { bus: this, onMessage, isOpen: true }
    const unsubscribe = () => {
      subscription.isOpen = false
      this.#open.delete(unsubscribe)
      this.#broker.subscriptions.delete(subject, subscription)
    }
    this.#broker.subscriptions.add(subject, subscription)
    this.#open.add(unsubscribe)
    return { unsubscribe }
  }

  async request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<BusMessage> {
    if (this.#isClosed) throw busClosed(`request ${subject}`)
    checkPayloadSize(subject, payload, this.payloadBytesMax)
    const { replyTo, answer } = this.#inbox.open(subject, timeoutMs)
    if (this.#publish(subject, payload, replyTo) === 0) this.#inbox.failNoResponders(replyTo)
    return answer
  }

  flush(): Promise<void> {
    return this.#isClosed ? Promise.reject(busClosed('flush')) : Promise.resolve()
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve()
    this.#isClosed = true
    for (const unsubscribe of [...this.#open]) unsubscribe()
    this.#inbox.failAll(busClosed('wait for an answer'))
    this.#listeners.emit('closed')
    return Promise.resolve()
  }

  onStatus(listener: (status: BusStatus) => void): () => void {
    return this.#listeners.add(listener)
  }

  #publish(subject: string, payload: Uint8Array, replyTo: string | undefined): number {
    checkPayloadSize(subject, payload, this.payloadBytesMax)
    if (this.#isClosed) {
      this.stats.dropped++
      return 0
    }
    this.stats.published++
    this.stats.bytesOut += payload.length
    const { matched, dropped } = this.#broker.route(subject, payload, replyTo)
    this.stats.dropped += dropped
    return matched
  }
}
