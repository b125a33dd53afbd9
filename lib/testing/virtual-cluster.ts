/**
 * Whole jobs in virtual time: a cluster in the thread of the test, with the actors of a real one, on a clock that moves
 * on as soon as there is nothing to do. A job that waits a minute for a timer takes a fraction of a second (an hour
 * takes several: heartbeats go on meanwhile), and does the same every time.
 *
 *     const cluster = await VirtualCluster.start({ slots: 2 })
 *     const results = collectSink<string>()
 *     const job = await cluster.submit(job('reminders', (env) => { ...sinkTo(results) }), { parallelism: 2 })
 *     await job.waitForEnd()
 *     await cluster.close()
 *
 * What only real time shows does not show here: threads, the network, how fast something is. User functions that wait
 * for the system's own timers or for I/O make virtual time run on without them.
 */
import { MiniCluster } from '../../actors/mini-cluster.ts'
import { buildJob, graphSettings, type JobDefinition } from '../api/job.ts'
import { forgetJob, registerJob } from '../api/load-job.ts'
import { SluiceError } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { silentLogger } from '../base/logger.ts'
import { SeededRandom } from '../base/prng.ts'
import { type Duration, parseDuration } from '../base/units.ts'
import { type ClusterClient, failureOf } from '../client/cluster-client.ts'
import { checkpointSettings, taskSettings } from '../config/config-settings.ts'
import { defaultConfig } from '../config/resolve-config.ts'
import type { JobDescription } from '../protocol/job-submission.ts'
import { ManualClock } from './manual-clock.ts'

export interface VirtualClusterOptions {
  /** A job needs as many as its parallelism. Default 1. */
  readonly slots?: number
  /** Where the clock stands, ms since the epoch. Default: the beginning of 2026. */
  readonly now?: number
  /** Of all that is left to chance. Default 1. */
  readonly seed?: number
  /** For how long something may take, in virtual time, before the test fails. Default 10 min. */
  readonly patience?: Duration
}

export interface VirtualJobOptions {
  readonly parallelism?: number
  readonly maxParallelism?: number
  /** What the job sees as `env.args`. */
  readonly args?: readonly string[]
  /** Between checkpoints, which are kept in memory. Default: only savepoints are taken. */
  readonly checkpointInterval?: Duration
  /** How often the job is restarted when it fails. Default 0. */
  readonly restarts?: number
  /** The URI of a savepoint. */
  readonly from?: string
  /** Leave state behind that no operator takes up. Default false. */
  readonly allowNonRestoredState?: boolean
}

const START_MS = Date.UTC(2026, 0, 1)
const STORAGE = 'memory:'
const SLOT_REQUEST_TIMEOUT_MS = 30_000

export class VirtualCluster {
  readonly clock: ManualClock
  readonly #patienceMs: number
  readonly #random: SeededRandom
  readonly #keys: string[] = []
  #cluster: MiniCluster | null = null

  private constructor({ now = START_MS, seed = 1, patience = '10m' }: VirtualClusterOptions) {
    this.clock = new ManualClock(now)
    this.#random = new SeededRandom(seed)
    this.#patienceMs = parseDuration(patience)
  }

  static async start(options: VirtualClusterOptions = {}): Promise<VirtualCluster> {
    const virtual = new VirtualCluster(options)
    const { clock } = virtual
    const started = MiniCluster.start({
      clock,
      random: virtual.#random,
      log: silentLogger,
      slotCount: options.slots ?? 1,
      memory: new Map(),
      hasThreads: false,
    })
    virtual.#cluster = await virtual.run(started)
    return virtual
  }

  /** Hands a job in. */
  async submit(job: JobDefinition, options: VirtualJobOptions = {}): Promise<VirtualJob> {
    const { checkpointInterval = 0, restarts = 0, from, allowNonRestoredState = false } = options
    const graph = graphSettings(job, options, options.args)
    const config = { ...defaultConfig(), 'checkpoint.interval': parseDuration(checkpointInterval) }
    const key = registerJob(job)
    this.#keys.push(key)
    const submission = {
      jobId: newId(this.#random),
      module: { kind: 'registered', key } as const,
      graph: buildJob(job, graph).graph,
      settings: {
        graph,
        task: taskSettings(config),
        restart: { kind: 'fixed-delay', attempts: restarts, delayMs: 0 } as const,
        checkpoint: checkpointSettings(config, STORAGE),
        restore: from === undefined ? null : { uri: from, isPartialAllowed: allowNonRestoredState },
        slotRequestTimeoutMs: SLOT_REQUEST_TIMEOUT_MS,
      },
    }
    const { client } = this.#running()
    return new VirtualJob(await this.run(client.submit(submission)), client, this)
  }

  /** Lets time pass. */
  advance(duration: Duration): Promise<void> {
    return this.clock.advance(parseDuration(duration))
  }

  /** Moves time on until a promise has settled. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settled = () => {
      isSettled = true
    }
    promise.then(settled, settled)
    if (await this.clock.advanceUntil(() => isSettled, this.#patienceMs)) return promise
    throw new SluiceError('TIMEOUT', `nothing came of it within ${this.#patienceMs} ms of virtual time`)
  }

  async close(): Promise<void> {
    const cluster = this.#running()
    this.#cluster = null
    await this.run(cluster.close())
    for (const key of this.#keys) forgetJob(key)
  }

  #running(): MiniCluster {
    if (this.#cluster === null) throw new SluiceError('UNSUPPORTED', 'the cluster is closed')
    return this.#cluster
  }
}

export class VirtualJob {
  readonly id: string
  readonly #client: ClusterClient
  readonly #cluster: VirtualCluster

  constructor(id: string, client: ClusterClient, cluster: VirtualCluster) {
    this.id = id
    this.#client = client
    this.#cluster = cluster
  }

  /** Its state, its graph, and the metrics of every subtask as of the last report. */
  describe(): Promise<JobDescription> {
    return this.#cluster.run(this.#client.describe(this.id))
  }

  /** Resolves when the job has finished; rejects with its error if it did not. */
  async waitForEnd(): Promise<JobDescription> {
    const description = await this.#cluster.run(this.#client.waitForEnd(this.id))
    const failure = failureOf(description)
    if (failure !== undefined) throw failure
    return description
  }

  /** Takes a savepoint and lets the job run on; returns its URI, to begin another job from. */
  async savepoint(): Promise<string> {
    return (await this.#cluster.run(this.#client.savepoint(this.id))).uri
  }

  /** Takes a savepoint and stops; `drain` lets event time end before, so that all windows fire. Returns its URI. */
  async stop({ drain = false }: { readonly drain?: boolean } = {}): Promise<string> {
    const stop = drain ? 'drain' : 'suspend'
    const { uri } = await this.#cluster.run(this.#client.savepoint(this.id, { stop }))
    await this.#cluster.run(this.#client.waitForEnd(this.id))
    return uri
  }

  async cancel(): Promise<void> {
    await this.#cluster.run(this.#client.cancel(this.id))
    await this.#cluster.run(this.#client.waitForEnd(this.id))
  }
}
