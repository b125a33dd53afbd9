import t from 'tap'
import { resourceManager } from '../../actors/resource-manager.ts'
import { type SlotHost, taskManager } from '../../actors/task-manager.ts'
import { ActorSystem } from '../../lib/actor/actor-system.ts'
import { handling } from '../../lib/actor/behavior.ts'
import type { SluiceError } from '../../lib/base/errors.ts'
import { silentLogger } from '../../lib/base/logger.ts'
import { SeededRandom } from '../../lib/base/prng.ts'
import { LocalBroker } from '../../lib/bus/local-bus.ts'
import { subjects as subjectsOf } from '../../lib/bus/subjects.ts'
import { jobMasterName, RESOURCE_MANAGER, slotName } from '../../lib/protocol/dispatcher.ts'
import type { JobMasterProtocol } from '../../lib/protocol/job-master.ts'
import type { ResourceManagerProtocol } from '../../lib/protocol/resource-manager.ts'
import type { SlotProtocol } from '../../lib/protocol/slot.ts'
import { ManualClock } from '../../lib/testing/manual-clock.ts'
import { runVirtually } from '../support/virtual-time.ts'

const NODE_TIMEOUT_MS = 10_000
const subjects = subjectsOf('c')

/** A resource manager, and nodes of processes that can end without a word. */
class Cluster {
  readonly clock = new ManualClock()
  readonly knownJobs = new Set<string>()
  readonly #broker = new LocalBroker({ clock: this.clock, logger: silentLogger })
  readonly #systems: ActorSystem[] = []
  readonly system = this.newSystem()

  startResourceManager(): void {
    const behavior = resourceManager({
      epoch: 1,
      adopted: [],
      subjects,
      nodeTimeoutMs: NODE_TIMEOUT_MS,
      isKnownJob: (jobId) => this.knownJobs.has(jobId),
      isLiveJob: (jobId) => this.knownJobs.has(jobId),
    })
    this.system.spawn(subjects.control(RESOURCE_MANAGER), behavior)
  }

  newSystem(): ActorSystem {
    const system = new ActorSystem({
      bus: this.#broker.connect(),
      clock: this.clock,
      random: new SeededRandom(1),
      logger: silentLogger,
    })
    this.#systems.push(system)
    return system
  }

  startNode(
    nodeId: string,
    incarnation: string,
    slots: { incarnation: string; jobId: string | null }[],
    patienceMs = 0,
  ) {
    const system = this.newSystem()
    const host: SlotHost = { slots, close: async () => {} }
    const happened: string[] = []
    const behavior = taskManager({
      subjects,
      nodeId,
      incarnation,
      host: 'h',
      pid: 1,
      version: '1',
      slots: host,
      heartbeatIntervalMs: 1000,
      refusalPatienceMs: patienceMs,
      onRefused: (error: SluiceError) => happened.push(error.code),
      onRegistered: () => happened.push('registered'),
    })
    system.spawn(subjects.control(`node-${nodeId}-${incarnation}`), behavior)
    return { system, happened }
  }

  ask<K extends 'nodes' | 'requestSlots' | 'leave'>(message: { kind: K } & Record<string, unknown>) {
    const ref = this.system.ref<ResourceManagerProtocol>(subjects.control(RESOURCE_MANAGER))
    return runVirtually(this.clock, this.system.ask(ref, message as never, 1000) as Promise<never>)
  }

  async nodeIds(): Promise<string[]> {
    const { nodes } = (await this.ask({ kind: 'nodes' })) as { nodes: { nodeId: string }[] }
    return nodes.map(({ nodeId }) => nodeId)
  }

  async close(): Promise<void> {
    for (const system of this.#systems) await runVirtually(this.clock, system.close())
  }
}

const idle = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ incarnation: `t${i}`, jobId: null as string | null }))

t.test('task manager - registers as soon as somebody answers, and stays known while it beats', async (t) => {
  const cluster = new Cluster()
  const { system, happened } = cluster.startNode('n', '1', idle(2))
  await cluster.clock.advance(5000)
  t.same(happened, [])
  cluster.startResourceManager()
  await cluster.clock.advance(1000)
  t.same(happened, ['registered'])
  await cluster.clock.advance(60_000)
  t.same(await cluster.nodeIds(), ['n'])
  await runVirtually(cluster.clock, system.close())
  await cluster.clock.advance(NODE_TIMEOUT_MS + 2000)
  t.same(await cluster.nodeIds(), [])
  await cluster.close()
})

t.test(
  'task manager - an id that another process has is refused, at once or after some patience',
  async (t) => {
    const cluster = new Cluster()
    cluster.startResourceManager()
    const first = cluster.startNode('n', '1', idle(1))
    await cluster.clock.advance(1000)
    const second = cluster.startNode('n', '2', idle(1))
    await cluster.clock.advance(3000)
    t.same(second.happened, ['ID_TAKEN'].concat(second.happened.slice(1)))
    t.same(first.happened, ['registered'])
    await runVirtually(cluster.clock, second.system.close())
    // A process that was killed is started again: it waits until its predecessor is forgotten.
    const third = cluster.startNode('n', '3', idle(1), 20_000)
    await cluster.clock.advance(3000)
    t.same(third.happened, [])
    await runVirtually(cluster.clock, first.system.close())
    await cluster.clock.advance(10_000)
    t.same(third.happened, ['registered'])
    await cluster.close()
  },
)

t.test('task manager - abandons jobs that nobody knows', async (t) => {
  const cluster = new Cluster()
  cluster.startResourceManager()
  cluster.knownJobs.add('known')
  const slots = idle(3)
  slots[0]!.jobId = 'known'
  slots[2]!.jobId = 'forgotten'
  const abandoned: string[] = []
  for (const index of [0, 1, 2]) {
    const behavior = handling<Pick<SlotProtocol, 'abandon'>>({
      abandon: ({ jobId }, sender) => {
        abandoned.push(`${index}: ${jobId}`)
        slots[index]!.jobId = null
        sender.reply({})
      },
    })
    cluster.system.spawn(subjects.control(slotName('n', index)), behavior)
  }
  cluster.startNode('n', '1', slots)
  await cluster.clock.advance(5000)
  t.same(abandoned, ['2: forgotten'])
  await cluster.close()
})

t.test('resource manager - tells job masters of slots they get and lose', async (t) => {
  const cluster = new Cluster()
  cluster.startResourceManager()
  const told: string[] = []
  const behavior = handling<Pick<JobMasterProtocol, 'slotsGranted' | 'slotsLost'>>({
    slotsGranted: ({ slots }) =>
      void told.push(`granted ${slots.map(({ node, slot }) => `${node}/${slot}`).join(' ')}`),
    slotsLost: ({ reason }) => void told.push(`lost: ${reason}`),
  })
  cluster.system.spawn(subjects.control(jobMasterName('j')), behavior)
  cluster.startNode('n', '1', idle(2))
  await cluster.clock.advance(1000)
  const { free } = (await cluster.ask({ kind: 'requestSlots', epoch: 1, jobId: 'j', count: 2 })) as {
    free: number
  }
  t.equal(free, 2)
  await cluster.clock.advance(100)
  await cluster.ask({ kind: 'leave', nodeId: 'n' })
  await cluster.clock.advance(100)
  t.same(told, ['granted n/0 n/1', 'lost: node n: it left'])
  await cluster.close()
})
