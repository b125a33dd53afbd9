/**
 * A cluster to be shot at: a nats-server on a store of its own, coordinators and nodes, each a process that can be
 * killed, stopped for a while, and started again as what it was. All of it is gone when this process is.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Child, startSluice } from '../../bench/child-process.ts'
import { systemClock } from '../../lib/base/clock.ts'
import { type NatsServerProcess, startNatsServer } from '../../lib/bus/start-nats-server.ts'
import { natsServerBinary } from '../support/nats-server.ts'

export interface ChaosClusterOptions {
  readonly coordinators: number
  readonly nodes: number
  readonly slotsPerNode: number
  /** What every process is started with besides. */
  readonly flags: readonly string[]
}

/** One process, under one name through all its lives. */
export interface Target {
  readonly name: string
  /** Ends it at once, with everything in its memory. */
  kill(): void
  /** It is there but does nothing, as on a host that swaps; until `resume`. */
  pause(): void
  resume(): void
  /** After `kill`: the same again. */
  restart(): Promise<void>
}

export class ChaosCluster {
  readonly directory: string
  readonly url: string
  readonly nats: Target
  readonly coordinators: readonly Target[]
  readonly nodes: readonly Target[]
  readonly #stop: () => Promise<void>

  private constructor(
    directory: string,
    server: NatsServer,
    coordinators: readonly SluiceProcess[],
    nodes: readonly SluiceProcess[],
  ) {
    this.directory = directory
    this.url = server.url
    this.nats = server
    this.coordinators = coordinators
    this.nodes = nodes
    this.#stop = async () => {
      await Promise.all([...nodes, ...coordinators].map((each) => each.stop()))
      await server.stop()
    }
  }

  /** Resolves when everybody is ready. */
  static async start(options: ChaosClusterOptions): Promise<ChaosCluster> {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-chaos-'))
    process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
    const server = await NatsServer.start(join(directory, 'nats'))
    const common = [
      ...['--nats', server.url, '--json'],
      ...[
        '-D',
        `storage.uri=file://${join(directory, 'storage')}`,
        '-D',
        `cache.dir=${join(directory, 'cache')}`,
      ],
      ...options.flags,
    ]
    const launch = (name: string, args: readonly string[]) => new SluiceProcess(name, [...args, ...common])
    const coordinators = numbers(options.coordinators).map((i) =>
      launch(`coordinator-${i}`, ['coordinator', '--id', `coordinator-${i}`]),
    )
    const nodes = numbers(options.nodes).map((i) =>
      launch(`node-${i}`, ['node', '--id', `node-${i}`, '--slots', `${options.slotsPerNode}`]),
    )
    const cluster = new ChaosCluster(directory, server, coordinators, nodes)
    await Promise.all([...coordinators, ...nodes].map((each) => each.ready))
    return cluster
  }

  /** Every process ends in good order. */
  stop(): Promise<void> {
    return this.#stop()
  }
}

class SluiceProcess implements Target {
  readonly name: string
  readonly #args: readonly string[]
  #child: Child

  constructor(name: string, args: readonly string[]) {
    this.name = name
    this.#args = args
    this.#child = startSluice(args)
  }

  get ready(): Promise<unknown> {
    return this.#child.lines('event')
  }

  kill(): void {
    process.kill(this.#child.pid, 'SIGKILL')
  }

  pause(): void {
    process.kill(this.#child.pid, 'SIGSTOP')
  }

  resume(): void {
    process.kill(this.#child.pid, 'SIGCONT')
  }

  async restart(): Promise<void> {
    this.#child = startSluice(this.#args)
    await this.ready
  }

  stop(): Promise<void> {
    return this.#child.stop()
  }
}

class NatsServer implements Target {
  readonly name = 'nats-server'
  readonly #storeDir: string
  #server: NatsServerProcess

  private constructor(storeDir: string, server: NatsServerProcess) {
    this.#storeDir = storeDir
    this.#server = server
  }

  static async start(storeDir: string): Promise<NatsServer> {
    return new NatsServer(storeDir, await launchNats(storeDir, 0))
  }

  get url(): string {
    return this.#server.url
  }

  kill(): void {
    process.kill(this.#server.pid, 'SIGKILL')
  }

  pause(): void {
    process.kill(this.#server.pid, 'SIGSTOP')
  }

  resume(): void {
    process.kill(this.#server.pid, 'SIGCONT')
  }

  /** On its store, and where clients look for it. */
  async restart(): Promise<void> {
    const { port } = new URL(this.#server.url)
    await this.#server.exited
    this.#server = await launchNats(this.#storeDir, Number(port))
  }

  stop(): Promise<void> {
    return this.#server.stop()
  }
}

async function launchNats(storeDir: string, port: number): Promise<NatsServerProcess> {
  return await startNatsServer({ binary: await natsServerBinary(), storeDir, port, clock: systemClock })
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
