/** Shell of the leader election, which decides: it keeps the time, and reads and writes the lease. */
import type { Clock, TimerHandle } from '../lib/base/clock.ts'
import { toErrorRecord } from '../lib/base/errors.ts'
import type { Logger } from '../lib/base/logger.ts'
import type { KeyValue } from '../lib/ha/key-value.ts'
import {
  type ElectionEvent,
  type ElectionOrder,
  LeaderElection,
  type Lease,
} from '../lib/ha/leader-election.ts'
import type { CoordinatorIdentity } from '../lib/protocol/coordinator.ts'

export interface LeaderElectorOptions {
  readonly self: CoordinatorIdentity
  /** Its requests reject within a fraction of the lease. */
  readonly keyValue: KeyValue
  readonly leaseMs: number
  readonly clock: Clock
  readonly log: Logger
  onLead(epoch: number): void
  /** Null: nobody leads. */
  onFollow(leader: CoordinatorIdentity | null, epoch: number): void
  onStepDown(reason: string): void
}

const KEY = 'leader'

export class LeaderElector {
  readonly #options: LeaderElectorOptions
  readonly #brain: LeaderElection
  #timer: TimerHandle | null = null
  #request: Promise<void> = Promise.resolve()
  #isSilent = false
  #isStopped = false

  constructor(options: LeaderElectorOptions) {
    this.#options = options
    const firstEpoch = Math.floor(options.clock.now() / 1000)
    this.#brain = new LeaderElection({ self: options.self, leaseMs: options.leaseMs, firstEpoch })
  }

  start(): void {
    this.#decide({ kind: 'tick' })
    this.#timer = this.#options.clock.schedule(this.#brain.tickMs, () => {
      if (!this.#isStopped) this.start()
    })
  }

  /** Whether it leads at this moment, in this epoch. To be asked before each act. */
  isLeading(epoch: number): boolean {
    return this.#brain.epoch === epoch && this.#brain.isLeading(this.#options.clock.monotonic())
  }

  /** It leads, but cannot. */
  yield(reason: string): void {
    this.#decide({ kind: 'yielded', reason })
  }

  /** Lays the lease down, if it has it, and stops. */
  async resign(): Promise<void> {
    this.#isStopped = true
    this.#timer?.cancel()
    await this.#request
    this.#decide({ kind: 'resigned' })
    await this.#request
  }

  #decide(event: ElectionEvent): void {
    for (const order of this.#brain.on(event, this.#options.clock.monotonic())) this.#carryOut(order)
  }

  #carryOut(order: ElectionOrder): void {
    const { log, onLead, onFollow, onStepDown } = this.#options
    switch (order.kind) {
      case 'read':
        this.#request = this.#answer(this.#read())
        break
      case 'write':
        this.#request = this.#answer(this.#write(order.lease, order.revision))
        break
      case 'lead':
        log.info('leading', { epoch: order.epoch })
        onLead(order.epoch)
        break
      case 'follow':
        onFollow(order.leader, order.epoch)
        break
      case 'stepDown':
        log.warn('leading no more', { reason: order.reason })
        onStepDown(order.reason)
    }
  }

  async #answer(request: Promise<ElectionEvent>): Promise<void> {
    const event = await request.catch((error) => this.#failed(error))
    if (event.kind !== 'failed') this.#isSilent = false
    this.#decide(event)
  }

  #failed(error: unknown): ElectionEvent {
    const { message } = toErrorRecord(error)
    if (!this.#isSilent) this.#options.log.warn('the lease cannot be read or written', { reason: message })
    this.#isSilent = true
    return { kind: 'failed', reason: message }
  }

  async #read(): Promise<ElectionEvent> {
    const entry = await this.#options.keyValue.get(KEY)
    if (entry === null) return { kind: 'read', entry: null }
    const lease = JSON.parse(new TextDecoder().decode(entry.value)) as Lease
    return { kind: 'read', entry: { lease, revision: entry.revision } }
  }

  async #write(lease: Lease, revision: number | null): Promise<ElectionEvent> {
    const { keyValue } = this.#options
    const value = new TextEncoder().encode(JSON.stringify(lease))
    const written = revision === null ? keyValue.create(KEY, value) : keyValue.update(KEY, value, revision)
    return { kind: 'written', revision: await written }
  }
}
