/** The control process: the dispatcher and the resource manager on one actor system. */
import { ActorSystem } from '../lib/actor/actor-system.ts'
import type { Clock } from '../lib/base/clock.ts'
import { SluiceError } from '../lib/base/errors.ts'
import type { Logger } from '../lib/base/logger.ts'
import type { Random } from '../lib/base/prng.ts'
import type { Bus } from '../lib/bus/bus.ts'
import type { Subjects } from '../lib/bus/subjects.ts'
import { DISPATCHER, type DispatcherProtocol, RESOURCE_MANAGER } from '../lib/protocol/dispatcher.ts'
import type { BlobStore } from '../lib/storage/blob-store.ts'
import { connectedClock } from './connected-clock.ts'
import { Dispatcher } from './dispatcher.ts'
import { resourceManager } from './resource-manager.ts'

export interface CoordinatorOptions {
  /** Not closed with the coordinator. */
  readonly bus: Bus
  readonly subjects: Subjects
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** A node or slot that has not been heard of for this long is lost. */
  readonly heartbeatTimeoutMs: number
  /** A blob store by its URI, for checkpoints; whoever asks closes it. */
  openStorage(uri: string): Promise<BlobStore>
}

export interface RunningCoordinator {
  readonly system: ActorSystem
  close(): Promise<void>
}

const PROBE_TIMEOUT_MS = 1000

/** Throws ID_TAKEN if another coordinator serves this cluster. */
export async function startCoordinator(options: CoordinatorOptions): Promise<RunningCoordinator> {
  const { bus, subjects, random, log, heartbeatTimeoutMs } = options
  const clock = connectedClock(options.clock, bus, heartbeatTimeoutMs)
  const system = new ActorSystem({ bus, clock, random, logger: log })
  await refuseSecond(system, subjects)
  const dispatcher = new Dispatcher({
    subjects,
    slotTimeoutMs: heartbeatTimeoutMs,
    openStorage: (uri) => options.openStorage(uri),
  })
  system.spawn(subjects.control(DISPATCHER), dispatcher.behavior())
  system.spawn(
    subjects.control(RESOURCE_MANAGER),
    resourceManager({
      subjects,
      nodeTimeoutMs: heartbeatTimeoutMs,
      isKnownJob: (jobId) => dispatcher.isKnownJob(jobId),
      isLiveJob: (jobId) => dispatcher.isLiveJob(jobId),
    }),
  )
  await bus.flush()
  return { system, close: () => system.close() }
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
  await system.close()
  throw new SluiceError(
    'ID_TAKEN',
    'another coordinator serves this cluster: stop it, or use another cluster name (--cluster)',
  )
}
