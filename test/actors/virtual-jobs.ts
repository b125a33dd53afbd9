/** Whole jobs on a cluster in this thread, in virtual time. */
import { MiniCluster } from '../../actors/mini-cluster.ts'
import { buildJob, graphSettings, job } from '../../lib/api/job.ts'
import { forgetJob, registerJob } from '../../lib/api/load-job.ts'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { createLogger, type LogEntry } from '../../lib/base/logger.ts'
import { SeededRandom } from '../../lib/base/prng.ts'
import type { CheckpointSettings } from '../../lib/checkpoint/checkpoint-settings.ts'
import { taskSettings } from '../../lib/config/config-settings.ts'
import { defaultConfig } from '../../lib/config/resolve-config.ts'
import type { Sink } from '../../lib/function/sink.ts'
import type { JobDescription, JobRunSettings, JobSubmission } from '../../lib/protocol/job-submission.ts'
import { slotCountOf } from '../../lib/scheduler/assign-slots.ts'
import type { BlobStore } from '../../lib/storage/blob-store.ts'
import { ChecksummedBlobStore } from '../../lib/storage/checksummed-blob-store.ts'
import { MemoryBlobStore, type MemoryBlobs } from '../../lib/storage/memory-blob-store.ts'
import { ManualClock } from '../../lib/testing/manual-clock.ts'
import { MemoryKeyValueStore } from '../../lib/testing/memory-key-value-store.ts'
import { type StoredCheckpoints, storedCheckpoints } from '../support/stored-checkpoints.ts'
import { runVirtually } from '../support/virtual-time.ts'

/** Checkpoints every 200 ms, in memory; none may fail. */
export const virtualCheckpoint: CheckpointSettings = {
  storageUri: 'memory:',
  intervalMs: 200,
  mode: 'exactly-once',
  timeoutMs: 10_000,
  pauseMinMs: 0,
  concurrentMax: 1,
  tolerableFailures: 0,
  retained: 2,
  retainOnCancel: false,
  retainOnFinish: false,
  historyMax: 20,
  alignmentTimeoutMs: null,
  isIncremental: true,
  deltasMax: 5,
  localBytesMax: null,
}

export interface VirtualJobOptions {
  readonly name?: string
  readonly parallelism?: number
  readonly exchange?: 'auto' | 'nats'
  readonly checkpoint?: JobRunSettings['checkpoint']
  readonly restore?: JobRunSettings['restore']
  readonly restart?: JobRunSettings['restart']
  readonly slotCount?: number
  readonly task?: Partial<JobRunSettings['task']>
}

export class VirtualCluster {
  readonly clock = new ManualClock(1_700_000_000_000)
  readonly log: LogEntry[] = []
  /** Local copies of checkpoints, one store for each time that a slot wanted one. */
  readonly copies: MemoryBlobs[] = []
  readonly #memory = new Map<string, MemoryBlobs>()
  readonly #keys: string[] = []
  #cluster!: MiniCluster
  #jobCount = 0

  static async start(slotCount: number): Promise<VirtualCluster> {
    const virtual = new VirtualCluster()
    virtual.#cluster = await virtual.run(
      MiniCluster.start({
        clock: virtual.clock,
        random: new SeededRandom(1),
        log: createLogger(virtual.clock, 'debug', (entry) => virtual.log.push(entry)),
        slotCount,
        memory: virtual.#memory,
        hasThreads: false,
        openState: async () => new MemoryKeyValueStore('soon'),
        openCopies: () => {
          const blobs: MemoryBlobs = new Map()
          virtual.copies.push(blobs)
          return new ChecksummedBlobStore(new MemoryBlobStore(virtual.clock, blobs))
        },
      }),
    )
    return virtual
  }

  run<T>(promise: Promise<T>): Promise<T> {
    return runVirtually(this.clock, promise)
  }

  get client(): MiniCluster['client'] {
    return this.#cluster.client
  }

  /** Hands a job in; returns its id. */
  submit(define: (env: StreamEnvironment) => void, options: VirtualJobOptions = {}): Promise<string> {
    return this.run(this.client.submit(this.prepare(define, options)))
  }

  /** What `submit` hands in. */
  prepare(define: (env: StreamEnvironment) => void, options: VirtualJobOptions = {}): JobSubmission {
    const definition = job(options.name ?? 'virtual', define)
    const graph = graphSettings(definition, { parallelism: options.parallelism })
    const settings: JobRunSettings = {
      graph,
      task: { ...taskSettings(defaultConfig()), exchange: options.exchange ?? 'auto', ...options.task },
      restart: options.restart ?? { kind: 'none' },
      checkpoint: options.checkpoint ?? null,
      restore: options.restore ?? null,
      slotRequestTimeoutMs: 30_000,
    }
    const key = registerJob(definition)
    this.#keys.push(key)
    return {
      jobId: `job-${this.#jobCount++}`,
      module: { kind: 'registered', key } as const,
      graph: buildJob(definition, graph).graph,
      settings,
    }
  }

  /** `memory:` storage, as the jobs see it. */
  async openStorage(uri: string): Promise<BlobStore> {
    return new MemoryBlobStore(this.clock, this.#memory.get(uri) ?? new Map())
  }

  /** What somebody does who moves a directory. */
  moveStorage(from: string, to: string): void {
    this.#memory.set(to, this.#memory.get(from) ?? new Map())
    this.#memory.delete(from)
  }

  /** What is in `memory:` storage. */
  get storedPaths(): string[] {
    return [...this.#memory.values()].flatMap((blobs) => [...blobs.keys()])
  }

  /** What is in `memory:` storage; changes to it are changes of what is stored. */
  get memory(): MemoryBlobs {
    return this.#memory.get('memory:') ?? new Map()
  }

  /** Of `memory:` storage. */
  checkpoints(): Promise<StoredCheckpoints> {
    return storedCheckpoints(new MemoryBlobStore(this.clock, this.memory))
  }

  waitForEnd(jobId: string): Promise<JobDescription> {
    return this.run(this.client.waitForEnd(jobId))
  }

  async close(): Promise<void> {
    await this.run(this.#cluster.close())
    for (const key of this.#keys) forgetJob(key)
  }
}

/** Runs one job to its end on a cluster of its own. */
export async function runJob(
  define: (env: StreamEnvironment) => void,
  options: VirtualJobOptions = {},
): Promise<JobDescription> {
  const { graph } = buildJob(
    job('size', define),
    graphSettings(job('size', define), { parallelism: options.parallelism }),
  )
  const cluster = await VirtualCluster.start(options.slotCount ?? slotCountOf(graph))
  try {
    return await cluster.waitForEnd(await cluster.submit(define, options))
  } finally {
    await cluster.close()
  }
}

/** Puts what it gets into a list, as text. */
export function listSink(list: string[], name = 'list'): Sink<unknown> {
  return {
    name,
    createWriter: () => ({
      write: (value) => list.push(typeof value === 'string' ? value : JSON.stringify(value)),
      flush() {},
      close() {},
    }),
  }
}
