/**
 * What the queries run on: this process, threads of it, or a cluster of processes of its own, which is gone when this
 * process is. Threads and clusters serve all queries of a run.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { MiniCluster } from '../actors/mini-cluster.ts'
import { runLocal } from '../actors/run-local.ts'
import { whenAborted } from '../bin/interrupts.ts'
import { buildJob, graphSettings } from '../lib/api/job.ts'
import { importJob } from '../lib/api/load-job.ts'
import { sleep, systemClock } from '../lib/base/clock.ts'
import { SluiceError } from '../lib/base/errors.ts'
import { newId } from '../lib/base/ids.ts'
import { silentLogger } from '../lib/base/logger.ts'
import { systemRandom } from '../lib/base/prng.ts'
import { type ClusterClient, failureOf } from '../lib/client/cluster-client.ts'
import { connectCluster } from '../lib/client/connect-cluster.ts'
import { submitJob } from '../lib/client/submit-job.ts'
import {
  checkpointSettings,
  natsSettings,
  restartSettings,
  taskSettings,
} from '../lib/config/config-settings.ts'
import { loadConfig } from '../lib/config/load-config.ts'
import type { Config } from '../lib/config/options.ts'
import type { FlagValue } from '../lib/config/resolve-config.ts'
import type { JobDescription } from '../lib/protocol/job-submission.ts'
import { TERMINAL_JOB_STATES } from '../lib/scheduler/job-state.ts'
import { openBlobStore } from '../lib/storage/open-blob-store.ts'
import { type Child, startSluice } from './child-process.ts'
import { startServer } from './nats-cluster.ts'
import type { Backend } from './nexmark-arguments.ts'
import { ResultsStream } from './results-stream.ts'

const POLL_MS = 50

export interface JobOrder {
  readonly file: URL
  readonly parallelism: number
  readonly args: readonly string[]
}

export interface JobRunner {
  /** Resolves when the job has finished; rejects with its error if it has not. */
  run(order: JobOrder): Promise<JobDescription>
  close(): Promise<void>
}

/** What happens to a job on its way is done to it here; it needs checkpoints and has to last long enough. */
export interface ClusterRunner extends JobRunner {
  /** Of the nodes there are. */
  readonly nodePids: readonly number[]
  /**
   * As `run`, several at once, but one of the nodes is killed when each has had a checkpoint completed; another takes
   * its place. A job that does not notice is one that fails.
   */
  runKilled(orders: readonly JobOrder[]): Promise<JobDescription>[]
  /**
   * Runs `before` until its first checkpoint is complete, stops it with a savepoint, and runs `after` from there to its
   * end.
   */
  runRescaled(before: JobOrder, after: JobOrder): Promise<JobDescription>
  /** A new stream for the results of a query; needs `hasJetStream`. */
  openStream(query: string): Promise<ResultsStream>
}

/** When `signal` aborts, the job is cancelled. Checkpoints, if there are any, go into `directory`. */
export async function localRunner(
  settings: Settings,
  directory: string,
  signal: AbortSignal,
): Promise<JobRunner> {
  const { config } = await loadConfig({ flags: flagsOf(settings), directory: tmpdir(), env: {} })
  const checkpoint = checkpointSettings(config, pathToFileURL(directory).href)
  return {
    run: ({ file, parallelism, args }) =>
      runLocal(file, { parallelism, args, signal, checkpoint, task: taskSettings(config) }),
    close: async () => {},
  }
}

/**
 * Slots in threads of this process, as local mode has them, but kept for all jobs, as a node keeps its own: to start
 * one takes longer than most of the jobs do. Checkpoints, if there are any, go into `directory`.
 */
export async function threadsRunner(
  slotCount: number,
  settings: Settings,
  directory: string,
  signal: AbortSignal,
): Promise<JobRunner> {
  const { config } = await loadConfig({ flags: flagsOf(settings), directory: tmpdir(), env: {} })
  const checkpoint = checkpointSettings(config, pathToFileURL(directory).href)
  const [clock, random, log] = [systemClock, systemRandom(), silentLogger]
  const cluster = await MiniCluster.start({ clock, random, log, slotCount, hasThreads: true })
  const cancelled = whenCancelled(signal)
  cancelled.catch(() => {})
  const { client } = cluster
  const run = async ({ file, parallelism, args }: JobOrder) => {
    const definition = await importJob(file.href)
    const graph = graphSettings(definition, { parallelism }, args)
    const jobId = await client.submit({
      jobId: newId(),
      module: { kind: 'file', url: file.href },
      graph: buildJob(definition, graph).graph,
      settings: {
        graph,
        task: taskSettings(config),
        restart: { kind: 'none' },
        checkpoint,
        restore: null,
        slotRequestTimeoutMs: config['slot.requestTimeout'],
      },
    })
    return await finished(client, jobId)
  }
  return { run: (order) => Promise.race([run(order), cancelled]), close: () => cluster.close() }
}

/** Configuration by option. */
export type Settings = Readonly<Record<string, string>>

/** Heap is the default, and needs no setting. */
export function backendSettings(backend: Backend): Settings {
  return backend === 'heap' ? {} : { 'state.backend': backend }
}

function flagsOf(settings: Settings): FlagValue[] {
  return Object.entries(settings).map(([key, value]) => ({ key, value, name: key }))
}

export interface ClusterSize {
  readonly nodes: number
  readonly slotsPerNode: number
  /** Without it (default) there is one coordinator, and no streams. */
  readonly hasJetStream?: boolean
}

/**
 * When `signal` aborts, or a process ends that was not killed here, this and `run` reject: they do not wait for what
 * nobody will say any more.
 */
export async function clusterRunner(
  size: ClusterSize,
  wanted: Settings,
  signal: AbortSignal,
): Promise<ClusterRunner> {
  const opened: (() => Promise<void>)[] = []
  const close = async () => {
    for (const each of opened.splice(0).reverse()) await each()
  }
  try {
    const server = await startServer(size.hasJetStream)
    opened.push(() => server.stop())
    const settings = {
      ...wanted,
      'nats.url': server.url,
      'storage.uri': `file://${join(server.directory, 'storage')}`,
      'cache.dir': join(server.directory, 'cache'),
    }
    const processes = new Processes(size, settings)
    opened.push(() => processes.stop())
    const broken = Promise.race([whenCancelled(signal), processes.broken])
    broken.catch(() => {})
    await Promise.race([processes.started(), broken])
    const { config } = await loadConfig({ flags: flagsOf(settings), directory: server.directory, env: {} })
    const jobs = await connectJobs(config)
    opened.push(jobs.close)
    return {
      get nodePids() {
        return processes.nodePids
      },
      run: (order) => Promise.race([jobs.finished(jobs.submit(order)), broken]),
      runKilled: (orders) =>
        runKilled(jobs, processes, orders).map((description) => Promise.race([description, broken])),
      runRescaled: (before, after) => Promise.race([runRescaled(jobs, before, after), broken]),
      openStream: (query) => Promise.race([jobs.openStream(query), broken]),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function runKilled(jobs: Jobs, processes: Processes, orders: readonly JobOrder[]): Promise<JobDescription>[] {
  // A job that has both slots on the node that stays would notice nothing.
  const idle = jobs.idle(processes.nodePids.length)
  const submitted = orders.map((order) => idle.then(() => jobs.submit(order)))
  const killed = Promise.allSettled(submitted.map((job) => jobs.firstCheckpoint(job))).then(() =>
    processes.replaceNode(),
  )
  return submitted.map(async (job) => {
    await killed
    const description = await jobs.finished(job)
    if (description.restarts > 0) return description
    throw new SluiceError(
      'JOB_FAILED',
      'the job noticed nothing of the node that was killed: it was too short',
    )
  })
}

async function runRescaled(jobs: Jobs, before: JobOrder, after: JobOrder): Promise<JobDescription> {
  const job = jobs.submit(before)
  await jobs.firstCheckpoint(job)
  const uri = await jobs.stop(job)
  return await jobs.finished(jobs.submit(after, uri))
}

/** A coordinator and nodes. Nodes wait for the coordinator, so all start at once. */
class Processes {
  /** Rejects when a process ends by itself. */
  readonly broken: Promise<never>
  readonly #common: readonly string[]
  readonly #slotsPerNode: number
  readonly #coordinator: Child
  readonly #nodes: Child[]
  #nodeCount = 0
  #onEnd: (error: Error) => void = () => {}

  constructor({ nodes, slotsPerNode }: ClusterSize, settings: Settings) {
    this.broken = new Promise((_resolve, reject) => {
      this.#onEnd = reject
    })
    this.broken.catch(() => {})
    this.#common = [
      '--json',
      ...Object.entries(settings).flatMap(([key, value]) => ['-D', `${key}=${value}`]),
    ]
    this.#slotsPerNode = slotsPerNode
    this.#coordinator = startSluice(['coordinator', ...this.#common])
    this.#watch(this.#coordinator)
    this.#nodes = Array.from({ length: nodes }, () => this.#startNode())
  }

  get nodePids(): readonly number[] {
    return this.#nodes.map(({ pid }) => pid)
  }

  async started(): Promise<void> {
    await Promise.all([this.#coordinator, ...this.#nodes].map((child) => child.lines('event')))
  }

  /** Kills the node that has been there longest, and starts another. */
  async replaceNode(): Promise<void> {
    const node = this.#nodes.shift()!
    process.kill(node.pid, 'SIGKILL')
    await node.finished.catch(() => {})
    this.#nodes.push(this.#startNode())
    await this.started()
  }

  async stop(): Promise<void> {
    await Promise.all([this.#coordinator, ...this.#nodes].map((child) => child.stop()))
  }

  #startNode(): Child {
    const id = `node-${this.#nodeCount++}`
    const node = startSluice(['node', '--slots', `${this.#slotsPerNode}`, '--id', id, ...this.#common])
    this.#watch(node)
    return node
  }

  #watch(child: Child): void {
    const onEnd = () => {
      if (child !== this.#coordinator && !this.#nodes.includes(child)) return
      this.#onEnd(new Error('a process of the cluster has ended'))
    }
    child.finished.then(onEnd, onEnd)
  }
}

async function whenCancelled(signal: AbortSignal): Promise<never> {
  await whenAborted(signal)
  throw new SluiceError('JOB_CANCELLED', 'interrupted')
}

/** The jobs on a cluster, named by their ids. */
interface Jobs {
  /** As `sluice run` does it; `restoreUri`: a savepoint to begin from. */
  submit(order: JobOrder, restoreUri?: string): Promise<string>
  finished(job: Promise<string>): Promise<JobDescription>
  firstCheckpoint(job: Promise<string>): Promise<void>
  /** Stops the job; resolves with the URI of the savepoint. */
  stop(job: Promise<string>): Promise<string>
  openStream(query: string): Promise<ResultsStream>
  /** Resolves when so many nodes are there and no job has a slot: the next jobs then have some on each of them. */
  idle(nodes: number): Promise<void>
  close(): Promise<void>
}

async function connectJobs(config: Config): Promise<Jobs> {
  const [clock, random, log] = [systemClock, systemRandom(), silentLogger]
  const nats = natsSettings(config, 'nexmark')
  const { client, bus, close } = await connectCluster({ nats, cluster: config.cluster, clock, random, log })
  const blobs = await openBlobStore(config['storage.uri'], { bus, clock, logger: log })
  const settings = {
    client,
    blobs,
    task: taskSettings(config),
    restart: restartSettings(config),
    checkpoint: checkpointSettings(config),
    slotRequestTimeoutMs: config['slot.requestTimeout'],
  }
  return {
    async submit({ file, parallelism, args }, restoreUri) {
      const restore = restoreUri === undefined ? null : { uri: restoreUri, isPartialAllowed: false }
      const order = { ...settings, parallelism, args, restore }
      return (await submitJob(fileURLToPath(file), order)).jobId
    },
    finished: async (job) => finished(client, await job),
    firstCheckpoint: async (job) => firstCheckpoint(client, await job),
    async stop(job) {
      const { jobId, uri } = await client.savepoint(await job, { stop: 'suspend' })
      await client.waitForEnd(jobId)
      return uri
    },
    openStream: (query) => ResultsStream.open(bus.connection, query),
    async idle(nodeCount) {
      const endMs = clock.monotonic() + settings.slotRequestTimeoutMs
      for (;;) {
        const nodes = await client.nodes()
        const isFree = nodes.every(({ slots }) => slots.every(({ jobId }) => jobId === null))
        if (nodes.length === nodeCount && isFree) return
        if (clock.monotonic() > endMs)
          throw new SluiceError('SLOTS_UNAVAILABLE', 'jobs that have ended keep their slots')
        await sleep(clock, POLL_MS)
      }
    },
    async close() {
      await blobs.close()
      await close()
    },
  }
}

async function finished(client: ClusterClient, jobId: string): Promise<JobDescription> {
  const description = await client.waitForEnd(jobId)
  const failure = failureOf(description)
  if (failure !== undefined) throw failure
  return description
}

/** Rejects if the job ends before. */
async function firstCheckpoint(client: ClusterClient, jobId: string): Promise<void> {
  for (;;) {
    const description = await client.describe(jobId)
    if (TERMINAL_JOB_STATES.includes(description.state)) {
      throw (
        failureOf(description) ??
        new SluiceError('JOB_FAILED', 'the job ended before a checkpoint was complete')
      )
    }
    if ((await client.checkpoints(jobId)).records.some(({ status }) => status === 'completed')) return
    await sleep(systemClock, POLL_MS)
  }
}
