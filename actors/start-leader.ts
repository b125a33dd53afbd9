/** A coordinator while it leads: dispatcher and resource manager, and the jobs that the leader before has left. */
import { ActorSystem } from '../lib/actor/actor-system.ts'
import type { Clock } from '../lib/base/clock.ts'
import type { Logger } from '../lib/base/logger.ts'
import type { Random } from '../lib/base/prng.ts'
import type { Bus } from '../lib/bus/bus.ts'
import type { Subjects } from '../lib/bus/subjects.ts'
import type { JobStore } from '../lib/ha/job-store.ts'
import { DISPATCHER, type LeaderView, RESOURCE_MANAGER } from '../lib/protocol/dispatcher.ts'
import { slotsHeldBy, TERMINAL_JOB_STATES } from '../lib/scheduler/job-state.ts'
import type { BlobStore } from '../lib/storage/blob-store.ts'
import { Dispatcher } from './dispatcher.ts'
import { resourceManager } from './resource-manager.ts'

export interface LeaderOptions {
  /** Not closed with the leader. */
  readonly bus: Bus
  readonly subjects: Subjects
  /** One that stands still while nobody can be heard. */
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly heartbeatTimeoutMs: number
  readonly leader: LeaderView
  /** Null: jobs go with the leader. */
  readonly store: JobStore | null
  openStorage(uri: string): Promise<BlobStore>
}

/** Rejects as the store does. */
export async function startLeader(options: LeaderOptions): Promise<{ close(): Promise<void> }> {
  const { bus, subjects, clock, random, log, heartbeatTimeoutMs, leader, store } = options
  const stored = (await store?.takeOver()) ?? []
  const system = new ActorSystem({ bus, clock, random, logger: log })
  const dispatcher = new Dispatcher({
    subjects,
    heartbeatTimeoutMs,
    leader,
    store,
    stored,
    openStorage: (uri) => options.openStorage(uri),
  })
  system.spawn(subjects.control(DISPATCHER), dispatcher.behavior())
  system.spawn(
    subjects.control(RESOURCE_MANAGER),
    resourceManager({
      subjects,
      nodeTimeoutMs: heartbeatTimeoutMs,
      epoch: leader.epoch,
      adopted: stored.map(({ record }) => ({ jobId: record.jobId, slots: slotsHeldBy(record.job) })),
      isKnownJob: (jobId) => dispatcher.isKnownJob(jobId),
      isLiveJob: (jobId) => dispatcher.isLiveJob(jobId),
    }),
  )
  const live = stored.filter(({ record }) => !TERMINAL_JOB_STATES.includes(record.job.state))
  if (live.length > 0) log.info('going on with jobs', { jobs: live.length })
  await bus.flush().catch(async (error) => {
    await system.close()
    throw error
  })
  return { close: () => system.close() }
}
