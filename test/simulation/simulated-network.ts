/**
 * A NATS server and the connections to it, as bad as the contract of the bus allows (lib/bus/bus.ts): messages are
 * late, lost and doubled; connections stall, lose what is sent over them, or break and come back. What is never broken
 * is the order of the messages that one process sends to another: of all of them as on one TCP connection, or only
 * of those with the same subject, which is all that B1 promises.
 */
import type { Logger } from '../../lib/base/logger.ts'
import type { Random } from '../../lib/base/prng.ts'
import type { BusMessage } from '../../lib/bus/bus.ts'
import { SubjectTrie } from '../../lib/bus/subject-trie.ts'
import type { ManualClock } from '../../lib/testing/manual-clock.ts'
import type { ProcessClock } from './process-clock.ts'
import { SimulatedBus } from './simulated-bus.ts'

export interface NetworkFaults {
  /** Chance that a message is lost. */
  readonly lossRate: number
  readonly duplicateRate: number
  /** Chance that a message is late by up to `delayMsMax`. */
  readonly delayRate: number
  readonly delayMsMax: number
  readonly order: 'connection' | 'subject'
}

export interface NetworkOptions {
  readonly clock: ManualClock
  readonly random: Random
  readonly log: Logger
  readonly faults: NetworkFaults
  /** Whether messages are lost, doubled and late just now. */
  isFaulty(): boolean
  /** Told of every message that arrives. */
  onDelivery(from: string, to: string, subject: string, byteLength: number): void
}

export interface SimulatedSubscription {
  readonly bus: SimulatedBus
  readonly onMessage: (message: BusMessage) => void
  isOpen: boolean
}

export interface SentMessage {
  readonly subject: string
  readonly payload: Uint8Array
  readonly replyTo: string | undefined
}

interface Delivery {
  readonly message: SentMessage
  readonly to: SimulatedSubscription
  readonly dueMs: number
}

/** What is on its way from one process to another, in order. */
interface Lane {
  readonly from: SimulatedBus
  readonly queue: Delivery[]
}

/** Every message takes up to this long. */
const LATENCY_MS = 1.5
/** A second copy comes up to this much later, after messages that were sent after the first. */
const REPEAT_MS_MAX = 4000

export class SimulatedNetwork {
  readonly subscriptions = new SubjectTrie<SimulatedSubscription>()
  readonly options: NetworkOptions
  readonly #lanes = new Map<string, Lane>()
  readonly counts = { lost: 0, doubled: 0, late: 0 }
  #busCount = 0

  constructor(options: NetworkOptions) {
    this.options = options
  }

  connect(process: string, clock: ProcessClock): SimulatedBus {
    return new SimulatedBus(this, { name: `${process}-${++this.#busCount}`, clock })
  }

  /** Sends to everyone who subscribes now; returns how many those are. */
  send(from: SimulatedBus, message: SentMessage): number {
    let matched = 0
    this.subscriptions.match(message.subject, (to) => {
      matched++
      this.#send(from, to, message)
    })
    return matched
  }

  /** Calls back after as long as a message takes to the server and back. */
  afterRoundTrip(callback: () => void): void {
    this.options.clock.schedule(this.#latencyMs() + this.#latencyMs(), callback)
  }

  #send(from: SimulatedBus, to: SimulatedSubscription, message: SentMessage): void {
    const { clock, faults, random } = this.options
    let delayMs = this.#latencyMs()
    if (this.options.isFaulty()) {
      if (this.#happens(faults.lossRate, 'lost')) return
      if (this.#happens(faults.delayRate, 'late')) delayMs += random.nextFloat() * faults.delayMsMax
      if (this.#happens(faults.duplicateRate, 'doubled')) {
        const repeatMs = random.nextFloat() < 0.5 ? 0 : random.nextFloat() * REPEAT_MS_MAX
        clock.schedule(repeatMs, () => this.#enqueue(from, to, message, delayMs))
      }
    }
    this.#enqueue(from, to, message, delayMs)
  }

  #enqueue(from: SimulatedBus, to: SimulatedSubscription, message: SentMessage, delayMs: number): void {
    const { clock, faults } = this.options
    const key = `${from.name}>${to.bus.name}${faults.order === 'subject' ? message.subject : ''}`
    let lane = this.#lanes.get(key)
    if (lane === undefined) {
      lane = { from, queue: [] }
      this.#lanes.set(key, lane)
    }
    const dueMs = Math.max(clock.monotonic() + delayMs, lane.queue.at(-1)?.dueMs ?? 0)
    lane.queue.push({ message, to, dueMs })
    if (lane.queue.length === 1) this.#pump(key, lane)
  }

  #pump(key: string, lane: Lane): void {
    const { clock } = this.options
    const head = lane.queue[0]
    if (head === undefined) {
      this.#lanes.delete(key)
      return
    }
    const nowMs = clock.monotonic()
    const stalledMs = Math.max(lane.from.stalledUntilMs, head.to.bus.stalledUntilMs)
    const atMs = Math.max(head.dueMs, stalledMs)
    if (atMs > nowMs) {
      clock.schedule(atMs - nowMs, () => this.#pump(key, lane))
      return
    }
    lane.queue.shift()
    this.#deliver(lane.from, head)
    clock.defer(() => this.#pump(key, lane))
  }

  #deliver(from: SimulatedBus, { to, message }: Delivery): void {
    if (!to.isOpen || !to.bus.isReachable) return
    this.options.onDelivery(from.name, to.bus.name, message.subject, message.payload.length)
    to.bus.receive(to, message)
  }

  #latencyMs(): number {
    return 0.05 + this.options.random.nextFloat() * LATENCY_MS
  }

  #happens(rate: number, what: keyof SimulatedNetwork['counts']): boolean {
    if (rate === 0 || this.options.random.nextFloat() >= rate) return false
    this.counts[what]++
    return true
  }
}
