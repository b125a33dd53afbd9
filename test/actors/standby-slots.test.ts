/** Nodes with a slot each, one of which stands by: what it has done before it is needed, and what becomes of it. */
import t, { type Test } from 'tap'
import { startInlineSlots } from '../../actors/inline-slot-host.ts'
import { startCoordinator } from '../../actors/start-coordinator.ts'
import { taskManager } from '../../actors/task-manager.ts'
import { ActorSystem } from '../../lib/actor/actor-system.ts'
import { buildJob, type JobDefinition, job } from '../../lib/api/job.ts'
import { createLogger, type LogEntry } from '../../lib/base/logger.ts'
import { SeededRandom } from '../../lib/base/prng.ts'
import { LocalBroker } from '../../lib/bus/local-bus.ts'
import { subjects as subjectsOf } from '../../lib/bus/subjects.ts'
import { ClusterClient } from '../../lib/client/cluster-client.ts'
import { taskSettings } from '../../lib/config/config-settings.ts'
import { defaultConfig } from '../../lib/config/resolve-config.ts'
import { generator } from '../../lib/connectors/generator.ts'
import { BusFramePort } from '../../lib/network/bus-frame-port.ts'
import { nodeName } from '../../lib/protocol/node.ts'
import { MemoryBlobStore, type MemoryBlobs } from '../../lib/storage/memory-blob-store.ts'
import { ManualClock } from '../../lib/testing/manual-clock.ts'
import { MemoryKeyValueStore } from '../../lib/testing/memory-key-value-store.ts'
import { SETTINGS } from '../support/build-graph.ts'
import { runVirtually } from '../support/virtual-time.ts'
import { listSink, virtualCheckpoint } from './virtual-jobs.ts'

const SUBJECTS = subjectsOf('standby')
const HEARTBEAT_TIMEOUT_MS = 2000
const ROUND_MS = 5000

/** Ends when it is cancelled. */
const endless: JobDefinition = job('endless', (env) => {
  env
    .source(generator({ generate: (n) => n, ratePerSecond: 100 }), { uid: 'numbers' })
    .rebalance()
    .sinkTo(listSink([]), { uid: 'out' })
})

const broken: JobDefinition = job('broken', () => {
  throw new Error('not here')
})

/** A coordinator and nodes `n0`, `n1`, ... with a slot each, on one clock. */
class Cluster {
  readonly clock = new ManualClock(1e12)
  /** What each node has loaded, oldest first. */
  readonly loaded: Record<string, string[]> = {}
  /** Where loading does not work. */
  readonly defective = new Set<string>()
  readonly log: LogEntry[] = []
  readonly client: ClusterClient
  readonly #random = new SeededRandom(1)
  readonly #blobs: MemoryBlobs = new Map()
  readonly #broker: LocalBroker
  readonly #closers = new Map<string, () => Promise<unknown>>()
  readonly #logger = createLogger(this.clock, 'info', (entry) => this.log.push(entry))

  private constructor() {
    this.#broker = new LocalBroker({ clock: this.clock, logger: this.#logger })
    this.client = new ClusterClient({
      system: this.#newSystem(),
      subjects: SUBJECTS,
      clock: this.clock,
    })
  }

  static async start(t: Test, nodeCount: number): Promise<Cluster> {
    const cluster = new Cluster()
    const bus = cluster.#broker.connect()
    const coordinator = await cluster.run(
      startCoordinator({
        ...{ id: 'c', host: 'host', pid: 1, highAvailability: null, bus, subjects: SUBJECTS },
        ...{ clock: cluster.clock, random: cluster.#random, log: cluster.#logger },
        heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS,
        openStorage: () => cluster.#openStorage(),
      }),
    )
    cluster.#closers.set('c', () => coordinator.close())
    for (let i = 0; i < nodeCount; i++) cluster.startNode(`n${i}`)
    await cluster.clock.advance(1000)
    t.teardown(() => cluster.run(Promise.all([...cluster.#closers.values()].map((close) => close()))))
    return cluster
  }

  run<T>(promise: Promise<T>): Promise<T> {
    return runVirtually(this.clock, promise)
  }

  startNode(nodeId: string): void {
    const bus = this.#broker.connect()
    const shared = { bus, clock: this.clock, random: this.#random, subjects: SUBJECTS, log: this.#logger }
    const slots = startInlineSlots({
      ...shared,
      ...{ connections: {}, nodeId, slotCount: 1, incarnation: nodeId, heartbeatIntervalMs: 200 },
      busPort: new BusFramePort(bus, SUBJECTS),
      openStorage: () => this.#openStorage(),
      openState: async () => new MemoryKeyValueStore('soon'),
      openCopies: () => new MemoryBlobStore(this.clock),
      loadJob: async (module) => {
        const key = module.kind === 'registered' ? module.key : ''
        this.loaded[nodeId] = [...(this.loaded[nodeId] ?? []), key]
        return this.defective.has(nodeId) ? broken : endless
      },
    })
    const system = this.#newSystem(bus)
    const node = taskManager({
      ...{ subjects: SUBJECTS, nodeId, incarnation: nodeId, host: 'h', pid: 1, version: '1', slots },
      ...{ heartbeatIntervalMs: 200, refusalPatienceMs: 0, onRefused() {}, onRegistered() {} },
    })
    system.spawn(SUBJECTS.control(nodeName(nodeId)), node)
    this.#closers.set(nodeId, () => Promise.all([slots.close(), system.close(), bus.close()]))
  }

  /** Without a word: what it had to say does not get out any more. */
  async kill(nodeId: string): Promise<void> {
    const close = this.#closers.get(nodeId)!
    this.#closers.delete(nodeId)
    await this.run(close())
  }

  async submit(jobId: string, parallelism: number, standbySlots: number): Promise<void> {
    const graph = { ...SETTINGS, parallelism }
    const submission = {
      ...{
        jobId,
        module: { kind: 'registered', key: jobId } as const,
        graph: buildJob(endless, graph).graph,
      },
      settings: {
        ...{ graph, task: taskSettings(defaultConfig()), checkpoint: virtualCheckpoint, restore: null },
        ...{ restart: { kind: 'fixed-delay', attempts: 9, delayMs: 50 } as const },
        ...{ slotRequestTimeoutMs: 60_000, standbySlots },
      },
    }
    await this.run(this.client.submit(submission))
    await this.clock.advance(500)
  }

  /** The nodes that run it, in order of its subtasks; null while it does not run. */
  async nodesOf(jobId: string): Promise<string[] | null> {
    const { state, vertices } = await this.run(this.client.describe(jobId))
    return state === 'running' ? vertices[0]!.subtasks.map(({ slot }) => slot.node) : null
  }

  async #openStorage(): Promise<MemoryBlobStore> {
    return new MemoryBlobStore(this.clock, this.#blobs)
  }

  #newSystem(bus = this.#broker.connect()): ActorSystem {
    return new ActorSystem({ bus, clock: this.clock, random: this.#random, logger: this.#logger })
  }
}

t.test('standby slots - one takes the place of a slot that is lost, and another its own', async (t) => {
  const cluster = await Cluster.start(t, 4)
  await cluster.submit('a', 2, 1)
  t.same(await cluster.nodesOf('a'), ['n0', 'n1'])
  await cluster.clock.advance(ROUND_MS)
  t.same(cluster.loaded, { n0: ['a'], n1: ['a'], n2: ['a'] }, 'one has loaded it that does not run it')
  await cluster.clock.advance(3 * ROUND_MS)
  t.same(cluster.loaded.n2, ['a'], 'and only once')
  await cluster.kill('n1')
  await cluster.clock.advance(HEARTBEAT_TIMEOUT_MS + 1500)
  const nodes = await cluster.nodesOf('a')
  t.same([...nodes!].sort(), ['n0', 'n2'], 'not the other free one')
  t.same(cluster.loaded.n3, ['a'], 'which stands by now')
  await cluster.kill('n0')
  await cluster.clock.advance(HEARTBEAT_TIMEOUT_MS + 1500)
  t.same([...(await cluster.nodesOf('a'))!].sort(), ['n2', 'n3'], 'and is used then')
  cluster.startNode('n4')
  await cluster.clock.advance(2 * ROUND_MS)
  t.same(cluster.loaded.n4, ['a'], 'whoever comes can stand by')
})

t.test('standby slots - nobody waits because of them', async (t) => {
  const cluster = await Cluster.start(t, 4)
  await cluster.submit('a', 1, 9)
  await cluster.clock.advance(ROUND_MS)
  t.same(Object.keys(cluster.loaded).sort(), ['n0', 'n1', 'n2', 'n3'])
  const { state, slotsHeld } = await cluster.run(cluster.client.describe('a'))
  t.same({ state, slotsHeld }, { state: 'running', slotsHeld: 1 })
  await cluster.submit('b', 3, 0)
  t.same(await cluster.nodesOf('b'), ['n1', 'n2', 'n3'])
  await cluster.kill('n0')
  await cluster.clock.advance(HEARTBEAT_TIMEOUT_MS + 1500)
  t.equal(await cluster.nodesOf('a'), null, 'it waits, as it would otherwise')
  await cluster.run(cluster.client.cancel('b'))
  await cluster.clock.advance(1000)
  t.same(await cluster.nodesOf('a'), ['n1'])
})

t.test('standby slots - of two that are free the one is taken that does not stand by', async (t) => {
  const cluster = await Cluster.start(t, 3)
  await cluster.submit('a', 1, 1)
  await cluster.clock.advance(ROUND_MS)
  t.same(cluster.loaded, { n0: ['a'], n1: ['a'] })
  await cluster.submit('b', 1, 0)
  t.same(await cluster.nodesOf('b'), ['n2'])
})

t.test('standby slots - one that cannot load the job is of no harm, and is tried again', async (t) => {
  const cluster = await Cluster.start(t, 2)
  cluster.defective.add('n1')
  await cluster.submit('a', 1, 1)
  await cluster.clock.advance(3 * ROUND_MS)
  const count = cluster.loaded.n1!.length
  t.ok(count >= 3 && count <= 5, `${count} rounds`)
  t.same(await cluster.nodesOf('a'), ['n0'])
  t.match(
    cluster.log.find(({ event }) => event === 'a slot cannot stand by'),
    { level: 'warn', fields: { job: 'a', node: 'n1', error: /not here/ } },
  )
  cluster.defective.clear()
  await cluster.clock.advance(ROUND_MS)
  t.ok(cluster.log.some(({ event }) => event === 'a slot stands by'))
  await cluster.clock.advance(ROUND_MS)
  t.equal(cluster.loaded.n1!.length, count + 1)
})

t.test('standby slots - none unless they are asked for', async (t) => {
  const cluster = await Cluster.start(t, 2)
  await cluster.submit('a', 1, 0)
  await cluster.clock.advance(2 * ROUND_MS)
  t.same(cluster.loaded, { n0: ['a'] })
})
