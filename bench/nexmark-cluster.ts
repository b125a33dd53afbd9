/**
 * What the queries run on: this process, or a cluster of processes of its own, which is gone when this process is. One
 * cluster serves all queries of a run.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { runLocal } from '../actors/run-local.ts'
import { whenAborted } from '../bin/interrupts.ts'
import { systemClock } from '../lib/base/clock.ts'
import { SluiceError } from '../lib/base/errors.ts'
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
import type { BlobStore } from '../lib/storage/blob-store.ts'
import { openBlobStore } from '../lib/storage/open-blob-store.ts'
import { type Child, startSluice } from './child-process.ts'
import { startServer } from './nats-cluster.ts'

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

/** When `signal` aborts, the job is cancelled. Checkpoints, if there are any, go into `directory`. */
export async function localRunner(
  checkpointInterval: string | null,
  directory: string,
  signal: AbortSignal,
): Promise<JobRunner> {
  const flags = checkpointFlags(checkpointInterval)
  const { config } = await loadConfig({ flags, directory: tmpdir(), env: {} })
  const checkpoint = checkpointSettings(config, pathToFileURL(directory).href)
  return {
    run: ({ file, parallelism, args }) => runLocal(file, { parallelism, args, signal, checkpoint }),
    close: async () => {},
  }
}

function checkpointFlags(interval: string | null): FlagValue[] {
  const [key, name] = ['checkpoint.interval', '--checkpoint-interval']
  return interval === null ? [] : [{ key, value: interval, name }]
}

export interface ClusterSize {
  readonly nodes: number
  readonly slotsPerNode: number
  readonly checkpointInterval: string | null
}

/**
 * When `signal` aborts, or a process ends, this and `run` reject: they do not wait for what nobody will say any more.
 */
export async function clusterRunner(size: ClusterSize, signal: AbortSignal): Promise<JobRunner> {
  const opened: (() => Promise<void>)[] = []
  const close = async () => {
    for (const each of opened.splice(0).reverse()) await each()
  }
  try {
    const server = await startServer()
    opened.push(() => server.stop())
    const settings = {
      'nats.url': server.url,
      'storage.uri': `file://${join(server.directory, 'storage')}`,
      'cache.dir': join(server.directory, 'cache'),
    }
    const children = startProcesses(size, settings)
    opened.push(async () => void (await Promise.all(children.map((child) => child.stop()))))
    const broken = Promise.race([whenCancelled(signal), whenOneEnds(children)])
    broken.catch(() => {})
    await Promise.race([Promise.all(children.map((child) => child.lines('event'))), broken])
    const flags = Object.entries(settings).map(([key, value]) => ({ key, value, name: key }))
    flags.push(...checkpointFlags(size.checkpointInterval))
    const { config } = await loadConfig({ flags, directory: server.directory, env: {} })
    const client = await connectClient(config)
    opened.push(client.close)
    return { run: (order) => Promise.race([runOn(client, order), broken]), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Nodes wait for the coordinator, so all start at once. */
function startProcesses(
  { nodes, slotsPerNode }: ClusterSize,
  settings: Readonly<Record<string, string>>,
): readonly Child[] {
  const common = ['--json', ...Object.entries(settings).flatMap(([key, value]) => ['-D', `${key}=${value}`])]
  const ids = Array.from({ length: nodes }, (_, i) => `node-${i}`)
  return [
    startSluice(['coordinator', ...common]),
    ...ids.map((id) => startSluice(['node', '--slots', `${slotsPerNode}`, '--id', id, ...common])),
  ]
}

async function whenCancelled(signal: AbortSignal): Promise<never> {
  await whenAborted(signal)
  throw new SluiceError('JOB_CANCELLED', 'interrupted')
}

async function whenOneEnds(children: readonly Child[]): Promise<never> {
  await Promise.race(children.map((child) => child.finished))
  throw new Error('a process of the cluster has ended')
}

interface Client {
  readonly client: ClusterClient
  readonly blobs: BlobStore
  readonly config: Config
  close(): Promise<void>
}

async function connectClient(config: Config): Promise<Client> {
  const [clock, random, log] = [systemClock, systemRandom(), silentLogger]
  const nats = natsSettings(config, 'nexmark')
  const { client, bus, close } = await connectCluster({ nats, cluster: config.cluster, clock, random, log })
  const blobs = await openBlobStore(config['storage.uri'], { bus, clock, logger: log })
  return {
    client,
    blobs,
    config,
    async close() {
      await blobs.close()
      await close()
    },
  }
}

/** As `sluice run` does it. */
async function runOn(
  { client, blobs, config }: Client,
  { file, parallelism, args }: JobOrder,
): Promise<JobDescription> {
  const { jobId } = await submitJob(fileURLToPath(file), {
    client,
    blobs,
    parallelism,
    args,
    task: taskSettings(config),
    restart: restartSettings(config),
    checkpoint: checkpointSettings(config),
    restore: null,
    slotRequestTimeoutMs: config['slot.requestTimeout'],
  })
  const description = await client.waitForEnd(jobId)
  const failure = failureOf(description)
  if (failure !== undefined) throw failure
  return description
}
