/**
 * One candidate for the leadership of a cluster: carries out what its brain (leader-lease.ts, where the reasons
 * are) orders, over a key-value store and a clock.
 *
 * Whoever leads asks `leadership()` before anything that only a leader may do, and lets what it writes elsewhere
 * carry the epoch: between the question and the effect a process may freeze for longer than its lease.
 */
import { assert, unreachable } from '../base/assert.ts'
import type { Clock, TimerHandle } from '../base/clock.ts'
import { SluiceError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { KeyValueStore, KeyValueSubscription } from './key-value-store.ts'
import { LeaderLease, type LeaderRecord, type LeaseEvent, type LeaseOrder } from './leader-lease.ts'

export interface LeaderElectionOptions {
  readonly store: KeyValueStore
  readonly clock: Clock
  readonly logger: Logger
  /** Of the record. */
  readonly key: string
  /** Unique to this run of this process. */
  readonly leaderId: string
  /** How long the cluster may be without a leader that died. Default 10 s; a request to the store fits in a sixth. */
  readonly leaseMs?: number
  /** We lead from now on, in this epoch. */
  onElected(epoch: number): void
  /** We lead no more; always after `onElected`, never twice. */
  onDeposed(epoch: number, reason: string): void
}

const LEASE_MS = 10_000

export class LeaderElection {
  readonly #options: LeaderElectionOptions
  readonly #lease: LeaderLease
  #timer: TimerHandle | undefined
  #watch: KeyValueSubscription | undefined
  /** Events that arise while orders are carried out, such as a resignation from within `onElected`. */
  readonly #events: LeaseEvent[] = []
  #isDispatching = false
  #isStoreDown = false
  #resigning: Promise<void> | undefined
  #onResigned = () => {}

  constructor(options: LeaderElectionOptions) {
    const { leaderId, leaseMs = LEASE_MS } = options
    this.#options = options
    this.#lease = new LeaderLease({ leaderId, leaseMs })
  }

  /** Takes part from now on. */
  start(): void {
    assert(this.#watch === undefined && this.#resigning === undefined, 'an election that is started once')
    const { store, key } = this.#options
    this.#watch = store.watch(key, (changed) => {
      if (changed === key) this.#dispatch({ kind: 'Changed' })
    })
    this.#dispatch({ kind: 'Tick' })
  }

  /** Whether we lead at this very moment. */
  leadership(): { readonly epoch: number } | undefined {
    return this.#lease.leadership(this.#options.clock.monotonic())
  }

  /**
   * Takes part no more. A leader steps down at once; the promise resolves when the others know, so that they need
   * not wait for the lease to end, or when that could not be brought about within half a lease.
   */
  resign(): Promise<void> {
    this.#resigning ??= new Promise((resolve) => {
      this.#onResigned = resolve
      this.#dispatch({ kind: 'Resign' })
    })
    return this.#resigning
  }

  #dispatch(event: LeaseEvent): void {
    this.#events.push(event)
    if (this.#isDispatching) return
    this.#isDispatching = true
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        for (const order of this.#lease.on(next, this.#options.clock.monotonic())) this.#carryOut(order)
      }
    } finally {
      this.#isDispatching = false
    }
  }

  #carryOut(order: LeaseOrder): void {
    switch (order.kind) {
      case 'ReadRecord':
        this.#read(order.requestId)
        return
      case 'WriteRecord':
        this.#write(order.requestId, order.record, order.revision)
        return
      case 'WakeUp':
        this.#wakeUpAt(order.atMs)
        return
      case 'BecomeLeader':
        this.#options.logger.info('elected leader', { epoch: order.epoch })
        this.#tell(() => this.#options.onElected(order.epoch))
        return
      case 'StepDown':
        this.#options.logger.warn('leader no more', { epoch: order.epoch, reason: order.reason })
        this.#tell(() => this.#options.onDeposed(order.epoch, order.reason))
        return
      case 'Resigned':
        this.#timer?.cancel()
        this.#watch?.unsubscribe()
        this.#onResigned()
        return
      default:
        unreachable(order)
    }
  }

  #read(requestId: number): void {
    const { store, key } = this.#options
    const reading = store.get(key).then((found) => ({
      kind: 'RecordRead' as const,
      requestId,
      entry: found && { record: decodeRecord(key, found.value), revision: found.revision },
    }))
    this.#dispatchLater(requestId, reading)
  }

  #write(requestId: number, record: LeaderRecord, expected: number | undefined): void {
    const { store, key } = this.#options
    const value = encodeRecord(record)
    const writing = expected === undefined ? store.create(key, value) : store.update(key, value, expected)
    this.#dispatchLater(
      requestId,
      writing.then((revision) => ({ kind: 'RecordWritten', requestId, revision })),
    )
  }

  #dispatchLater(requestId: number, answer: Promise<LeaseEvent>): void {
    answer
      .then(
        (event) => {
          this.#isStoreDown = false
          return event
        },
        (error): LeaseEvent => {
          this.#reportStore(error)
          return { kind: 'RequestFailed', requestId }
        },
      )
      .then((event) => this.#dispatch(event))
  }

  /** Once until it works again: a store that is away fails many times per lease. */
  #reportStore(error: unknown): void {
    const { logger, key } = this.#options
    if (!this.#isStoreDown) logger.warn('leader election cannot use its store', { key, error })
    this.#isStoreDown = true
  }

  #wakeUpAt(atMs: number): void {
    const { clock } = this.#options
    this.#timer?.cancel()
    this.#timer = clock.schedule(atMs - clock.monotonic(), () => this.#dispatch({ kind: 'Tick' }))
  }

  #tell(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.#options.logger.error('listener of an election threw', { error })
    }
  }
}

function encodeRecord({ leaderId, epoch }: LeaderRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ leaderId, epoch }))
}

function decodeRecord(key: string, value: Uint8Array): LeaderRecord {
  const text = new TextDecoder().decode(value)
  const { leaderId, epoch } = parseObject(text)
  if (typeof leaderId === 'string' && Number.isSafeInteger(epoch)) return { leaderId, epoch: epoch as number }
  throw new SluiceError(
    'DECODE_FAILED',
    `expected {"leaderId": text, "epoch": integer} under the key "${key}", found ${JSON.stringify(text.slice(0, 200))}`,
  )
}

function parseObject(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text))
  } catch {
    return {}
  }
}
