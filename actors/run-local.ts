/**
 * Runs a job to its end in this process, on a cluster of its own that goes with it. Needs nothing installed. With one
 * slot everything happens in this thread; with more, each slot is a thread, which needs the job as a module that the
 * threads can import.
 */
import { buildJob, graphSettings, type JobDefinition } from '../lib/api/job.ts'
import { forgetJob, importJob, registerJob } from '../lib/api/load-job.ts'
import { type Clock, systemClock } from '../lib/base/clock.ts'
import { SluiceError } from '../lib/base/errors.ts'
import { newId } from '../lib/base/ids.ts'
import { type Logger, type LogLevel, silentLogger } from '../lib/base/logger.ts'
import { systemRandom } from '../lib/base/prng.ts'
import type { CheckpointSettings } from '../lib/checkpoint/checkpoint-settings.ts'
import { failureOf } from '../lib/client/cluster-client.ts'
import { taskSettings } from '../lib/config/config-settings.ts'
import { defaultConfig } from '../lib/config/resolve-config.ts'
import type { Connections } from '../lib/function/connections.ts'
import type {
  JobDescription,
  JobModule,
  JobRunSettings,
  RestoreSettings,
} from '../lib/protocol/job-submission.ts'
import { slotCountOf } from '../lib/scheduler/assign-slots.ts'
import type { RestartSettings } from '../lib/scheduler/restart-strategy.ts'
import type { TaskSettings } from '../lib/task/task-settings.ts'
import { MiniCluster } from './mini-cluster.ts'

export interface RunLocalOptions {
  /** Overrides the job's own. */
  readonly parallelism?: number
  readonly maxParallelism?: number
  /** What the job sees as `env.args`. */
  readonly args?: readonly string[]
  /**
   * `auto`: slots are threads if there is more than one and the job is given by URL. `always`: even a single one, so that
   * this thread stays responsive whatever the job does. `never`: all in this thread.
   */
  readonly threads?: 'auto' | 'always' | 'never'
  readonly task?: Partial<TaskSettings>
  /** Where state is kept that memory cannot hold; default: that of `state.directory`. */
  readonly stateDirectory?: string
  readonly restart?: RestartSettings
  /** Default: none are taken. Storage in memory is shared by the slots only if all run in this thread. */
  readonly checkpoint?: CheckpointSettings
  /** A savepoint to begin from; needs `checkpoint`. */
  readonly restore?: RestoreSettings
  /** For connectors that do not say themselves where their server is. */
  readonly connections?: Connections
  readonly log?: Logger
  /** Of slot threads, which write their own logs to stderr; default: silent. */
  readonly logLevel?: LogLevel
  readonly logFormat?: 'json' | 'text'
  /** Called a few times a second, and more often at first. */
  readonly onProgress?: (description: JobDescription) => void
  /** Cancels the job; the run then rejects with JOB_CANCELLED. */
  readonly signal?: AbortSignal
  readonly clock?: Clock
}

/** A slot thread takes about 27 MB and shares the cores with all others; at the bound the job is refused. */
const THREADS_MAX = 128
/** The slots are there from the beginning. */
const SLOT_REQUEST_TIMEOUT_MS = 30_000

/** Resolves with the last description of a job that finished; rejects with the error of one that did not. */
export async function runLocal(
  job: JobDefinition | URL,
  options: RunLocalOptions = {},
): Promise<JobDescription> {
  const { clock = systemClock, log = silentLogger } = options
  const definition = job instanceof URL ? await importJob(job.href) : job
  const settings = runSettings(definition, options)
  const { graph } = buildJob(definition, settings.graph)
  const key = registerJob(definition)
  const slotCount = slotCountOf(graph)
  const { threads = 'auto' } = options
  const hasThreads = job instanceof URL && threads !== 'never' && (slotCount > 1 || threads === 'always')
  if (hasThreads && slotCount > THREADS_MAX) throw tooManyThreads(definition, slotCount)
  const cluster = await MiniCluster.start({
    ...options,
    clock,
    random: systemRandom(),
    log,
    slotCount,
    hasThreads,
  })
  let onAbort: () => void = () => {}
  try {
    const module: JobModule = hasThreads ? { kind: 'file', url: job.href } : { kind: 'registered', key }
    const jobId = await cluster.client.submit({ jobId: newId(), module, graph, settings })
    onAbort = () => void cluster.client.cancel(jobId)
    options.signal?.addEventListener('abort', onAbort)
    if (options.signal?.aborted === true) onAbort()
    const description = await cluster.client.waitForEnd(jobId, options.onProgress)
    const failure = failureOf(description)
    if (failure !== undefined) throw failure
    return description
  } finally {
    options.signal?.removeEventListener('abort', onAbort)
    await cluster.close()
    forgetJob(key)
  }
}

function tooManyThreads({ name }: JobDefinition, slotCount: number): SluiceError {
  return new SluiceError(
    'SLOTS_UNAVAILABLE',
    `job "${name}" needs ${slotCount} slots, and local mode runs each in a thread of its own, at most ${THREADS_MAX}: ` +
      'lower the parallelism, or run it on a cluster (sluice coordinator, sluice node --slots N)',
  )
}

function runSettings(definition: JobDefinition, options: RunLocalOptions): JobRunSettings {
  return {
    graph: graphSettings(definition, options, options.args),
    task: { ...taskSettings(defaultConfig()), ...options.task },
    restart: options.restart ?? { kind: 'none' },
    checkpoint: options.checkpoint ?? null,
    restore: options.restore ?? null,
    slotRequestTimeoutMs: SLOT_REQUEST_TIMEOUT_MS,
  }
}
