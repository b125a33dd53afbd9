/**
 * The control process. Where there is a store that outlives it, several of them can run: one leads, the others stand
 * by, and the next leader goes on with what the last one has left. Otherwise it leads at once, and alone.
 */
import { ActorSystem } from '../lib/actor/actor-system.ts'
import type { Clock } from '../lib/base/clock.ts'
import { SluiceError } from '../lib/base/errors.ts'
import { newId } from '../lib/base/ids.ts'
import type { Logger } from '../lib/base/logger.ts'
import type { Random } from '../lib/base/prng.ts'
import type { Bus } from '../lib/bus/bus.ts'
import { FencedBus } from '../lib/bus/fenced-bus.ts'
import type { Subjects } from '../lib/bus/subjects.ts'
import { JobStore } from '../lib/ha/job-store.ts'
import type { KeyValue } from '../lib/ha/key-value.ts'
import { COORDINATORS, type CoordinatorIdentity, coordinatorName } from '../lib/protocol/coordinator.ts'
import { DISPATCHER, type DispatcherProtocol } from '../lib/protocol/dispatcher.ts'
import type { BlobStore } from '../lib/storage/blob-store.ts'
import { connectedClock } from './connected-clock.ts'
import { coordinator, refuseTakenId } from './coordinator.ts'
import { LeaderElector } from './leader-elector.ts'
import { startLeader } from './start-leader.ts'

export interface HighAvailability {
  readonly keyValue: KeyValue
  /** How long a leader leads that does not renew its lease. */
  readonly leaseMs: number
  /** Where submissions are kept. */
  readonly storageUri: string
}

export interface CoordinatorOptions {
  readonly id: string
  readonly host: string
  readonly pid: number
  /** Not closed with the coordinator. */
  readonly bus: Bus
  readonly subjects: Subjects
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** A node or slot that has not been heard of for this long is lost. */
  readonly heartbeatTimeoutMs: number
  /** Null: it leads alone, and its jobs go with it. */
  readonly highAvailability: HighAvailability | null
  /** A blob store by its URI, for checkpoints; whoever asks closes it. */
  openStorage(uri: string): Promise<BlobStore>
  /** It leads, and answers. */
  onLeading?(epoch: number): void
  /** Somebody else leads, or, null, nobody does yet. */
  onStandby?(leader: CoordinatorIdentity | null): void
}

export interface RunningCoordinator {
  /** Whether it may act as leader at this moment. */
  isLeading(): boolean
  close(): Promise<void>
}

const PROBE_TIMEOUT_MS = 1000
const STANDBY_INTERVAL_MS = 1000

/** Throws ID_TAKEN if a process that lives has this id, or if there can be only one and another serves this cluster. */
export async function startCoordinator(options: CoordinatorOptions): Promise<RunningCoordinator> {
  const { bus, subjects, random, log, clock } = options
  const system = new ActorSystem({ bus, clock, random, logger: log })
  try {
    await refuseTakenId(system, subjects, options.id)
    if (options.highAvailability === null) await refuseSecond(system, subjects)
  } catch (error) {
    await system.close()
    throw error
  }
  const running = new Coordinator(options, system)
  await running.start()
  return running
}

class Coordinator implements RunningCoordinator {
  readonly #options: CoordinatorOptions
  readonly #system: ActorSystem
  readonly #self: CoordinatorIdentity
  /** For judging the silence of others. */
  readonly #silenceClock: Clock
  readonly #elector: LeaderElector | null
  #known: { leader: CoordinatorIdentity | null; epoch: number } = { leader: null, epoch: 0 }
  #leading: { close(): Promise<void> } | null = null
  /** One change of role after the other. */
  #change: Promise<void> = Promise.resolve()

  constructor(options: CoordinatorOptions, system: ActorSystem) {
    const { id, host, pid, random, clock, bus, heartbeatTimeoutMs, log, highAvailability } = options
    this.#options = options
    this.#system = system
    this.#self = { id, host, pid, incarnation: newId(random) }
    this.#silenceClock = connectedClock(clock, bus, heartbeatTimeoutMs)
    this.#elector =
      highAvailability === null
        ? null
        : new LeaderElector({
            ...highAvailability,
            self: this.#self,
            clock,
            log,
            onLead: (epoch) => this.#onLead(epoch),
            onFollow: (leader, epoch) => this.#onFollow(leader, epoch),
            onStepDown: () => this.#onStepDown(),
          })
  }

  async start(): Promise<void> {
    const { subjects, clock } = this.#options
    this.#system.spawn(
      subjects.control(coordinatorName(this.#self.id)),
      coordinator({
        subjects,
        self: this.#self,
        intervalMs: STANDBY_INTERVAL_MS,
        leader: () => this.#known,
      }),
      { aliases: [subjects.control(COORDINATORS)] },
    )
    if (this.#elector !== null) {
      this.#elector.start()
      return
    }
    this.#known = { leader: this.#self, epoch: Math.floor(clock.now() / 1000) }
    await this.#lead(this.#known.epoch, null)
  }

  isLeading(): boolean {
    return this.#elector === null || this.#elector.isLeading(this.#known.epoch)
  }

  async close(): Promise<void> {
    this.#onStepDown()
    await this.#change
    await this.#elector?.resign()
    // It may have come to lead while it was about to stop.
    await this.#change
    await this.#system.close()
  }

  #onLead(epoch: number): void {
    this.#known = { leader: this.#self, epoch }
    const elector = this.#elector!
    this.#change = this.#change
      .then(async () => {
        if (elector.isLeading(epoch)) await this.#lead(epoch, elector)
      })
      .catch((error) => {
        this.#options.log.error('this coordinator cannot lead', { error })
        elector.yield('it cannot lead')
      })
  }

  #onFollow(leader: CoordinatorIdentity | null, epoch: number): void {
    this.#known = { leader, epoch }
    this.#options.onStandby?.(leader)
  }

  #onStepDown(): void {
    if (this.#known.leader === this.#self) this.#known = { leader: null, epoch: this.#known.epoch }
    this.#change = this.#change.then(async () => {
      const leading = this.#leading
      this.#leading = null
      await leading?.close()
    })
  }

  async #lead(epoch: number, elector: LeaderElector | null): Promise<void> {
    const { bus, clock } = this.#options
    const { id, host, pid } = this.#self
    this.#leading = await startLeader({
      ...this.#options,
      bus: elector === null ? bus : new FencedBus(bus, () => elector.isLeading(epoch)),
      clock: this.#silenceClock,
      leader: { id, host, pid, epoch, sinceMs: clock.now() },
      store: this.#storeFor(epoch, elector),
      openStorage: (uri) => this.#options.openStorage(uri),
    })
    this.#options.onLeading?.(epoch)
  }

  #storeFor(epoch: number, elector: LeaderElector | null): JobStore | null {
    const { highAvailability, clock, log } = this.#options
    if (highAvailability === null || elector === null) return null
    const { keyValue, storageUri } = highAvailability
    const openBlobs = () => this.#options.openStorage(storageUri)
    return new JobStore({ keyValue, openBlobs, clock, log, epoch, isLeading: () => elector.isLeading(epoch) })
  }
}

/** Two dispatchers would both answer, and jobs would end up with either. */
async function refuseSecond(system: ActorSystem, subjects: Subjects): Promise<void> {
  const isServed = await system
    .ask(system.ref<DispatcherProtocol>(subjects.control(DISPATCHER)), { kind: 'list' }, PROBE_TIMEOUT_MS)
    .then(
      () => true,
      (error) => !(error instanceof SluiceError && error.code === 'NO_RESPONDERS'),
    )
  if (!isServed) return
  throw new SluiceError(
    'ID_TAKEN',
    'another coordinator serves this cluster, and without JetStream there can be only one: stop it, use another ' +
      'cluster name (--cluster), or start the NATS server with JetStream',
  )
}
