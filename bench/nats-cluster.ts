/**
 * A NATS server of the benchmark's own, and on it a coordinator and nodes, each a process as in production. On a free
 * port and in a temporary directory; all of it is gone when this process is.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../lib/base/clock.ts'
import { SluiceError } from '../lib/base/errors.ts'
import { findNatsServer } from '../lib/bus/find-nats-server.ts'
import { installCommand } from '../lib/bus/install-nats-server.ts'
import { startNatsServer } from '../lib/bus/start-nats-server.ts'
import { type Child, startSluice } from './child-process.ts'

export interface Server {
  readonly url: string
  readonly pid: number
  readonly directory: string
  stop(): Promise<void>
}

/** With the limits Sluice wants of a server. */
export async function startServer(hasJetStream = false): Promise<Server> {
  const { env, platform } = process
  const places = { env, cacheDir: join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'sluice'), platform }
  const binary = await findNatsServer(places)
  if (binary === undefined)
    throw new SluiceError(
      'NATS_SERVER_MISSING',
      `no nats-server was found; to install one run: ${installCommand(places)}`,
    )
  const directory = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  const storeDir = join(directory, 'nats')
  const server = await startNatsServer({
    binary: binary.path,
    storeDir,
    jetstream: hasJetStream,
    clock: systemClock,
  })
  return { url: server.url, pid: server.pid, directory, stop: () => server.stop() }
}

export interface Cluster {
  readonly nodes: readonly Child[]
  /** Runs a job to its end. */
  run(job: string, args: readonly string[]): Promise<void>
  stop(): Promise<void>
}

/** A coordinator and `nodeCount` nodes of one slot each: subtasks of different slots are in different processes. */
export async function startCluster({ url, directory }: Server, nodeCount: number): Promise<Cluster> {
  const options = [
    ...['--nats', url, '--json'],
    ...['-D', `storage.uri=file://${join(directory, 'storage')}`, '-D', `cache.dir=${directory}`],
    ...['-D', 'log.level=warn'],
  ]
  const coordinator = startSluice(['coordinator', ...options])
  await coordinator.lines('event')
  const nodes = Array.from({ length: nodeCount }, (_, i) =>
    startSluice(['node', '--slots', '1', '--id', `node-${i}`, ...options]),
  )
  await Promise.all(nodes.map((node) => node.lines('event')))
  return {
    nodes,
    run: (job, args) => startSluice(['run', job, ...options, '--', ...args]).finished,
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()))
      await coordinator.stop()
    },
  }
}
