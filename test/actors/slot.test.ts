import t from 'tap'
import { Slot } from '../../actors/slot.ts'
import { ActorSystem } from '../../lib/actor/actor-system.ts'
import { handling } from '../../lib/actor/behavior.ts'
import { buildJob, type JobDefinition, job } from '../../lib/api/job.ts'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { silentLogger } from '../../lib/base/logger.ts'
import { SeededRandom } from '../../lib/base/prng.ts'
import { LocalBroker } from '../../lib/bus/local-bus.ts'
import { subjects as subjectsOf } from '../../lib/bus/subjects.ts'
import { taskSettings } from '../../lib/config/config-settings.ts'
import { defaultConfig } from '../../lib/config/resolve-config.ts'
import { generator } from '../../lib/connectors/generator.ts'
import { BusFramePort } from '../../lib/network/bus-frame-port.ts'
import { jobMasterName, slotName } from '../../lib/protocol/dispatcher.ts'
import type { JobMasterProtocol } from '../../lib/protocol/job-master.ts'
import type { Deployment, SlotProtocol } from '../../lib/protocol/slot.ts'
import { MemoryBlobStore } from '../../lib/storage/memory-blob-store.ts'
import type { SubtaskReport } from '../../lib/task/subtask-report.ts'
import { ManualClock } from '../../lib/testing/manual-clock.ts'
import { MemoryKeyValueStore } from '../../lib/testing/memory-key-value-store.ts'
import { SETTINGS } from '../support/build-graph.ts'
import { runVirtually } from '../support/virtual-time.ts'

const HERE = { node: 'n', slot: 0 }
const endless = (env: StreamEnvironment) => {
  env
    .source(generator({ generate: (i) => i, ratePerSecond: 100 }))
    .map((n) => n)
    .print()
}
const quiet = (env: StreamEnvironment) => {
  env.source(generator({ generate: (i) => i, ratePerSecond: 100 })).filter(() => false)
}

interface Report {
  readonly region: number
  readonly attempt: number
  readonly subtasks: readonly SubtaskReport[]
}

/** A slot, and job masters that note what it reports. */
class SlotWorld {
  readonly clock = new ManualClock(1e12)
  readonly reports: Record<string, Report[]> = {}
  readonly occupied: (string | null)[] = []
  /** What job masters answer. */
  readonly isCurrent: Record<string, boolean> = {}
  loadJob: (key: string) => Promise<JobDefinition> = async () => job('quiet', quiet)
  readonly #subjects = subjectsOf('c')
  readonly #system: ActorSystem
  readonly #definition: JobDefinition

  constructor(definition: JobDefinition = job('quiet', quiet)) {
    this.#definition = definition
    const bus = new LocalBroker({ clock: this.clock, logger: silentLogger }).connect()
    const shared = { clock: this.clock, random: new SeededRandom(1) }
    this.#system = new ActorSystem({ bus, logger: silentLogger, ...shared })
    const slot = new Slot({
      ...shared,
      location: HERE,
      system: this.#system,
      subjects: this.#subjects,
      log: silentLogger,
      connections: {},
      busPort: new BusFramePort(bus, this.#subjects),
      threadPort: () => {
        throw new Error('one slot has no neighbours')
      },
      openStorage: async () => new MemoryBlobStore(this.clock),
      openState: async () => new MemoryKeyValueStore('soon'),
      openCopies: () => new MemoryBlobStore(this.clock),
      loadJob: (module) => this.loadJob(module.kind === 'registered' ? module.key : ''),
      heartbeatIntervalMs: 500,
      onOccupied: (jobId) => this.occupied.push(jobId),
    })
    this.#system.spawn(this.#subjects.control(slotName(HERE.node, HERE.slot)), slot.behavior())
  }

  addJobMaster(jobId: string): void {
    const reports: Report[] = []
    this.reports[jobId] = reports
    this.isCurrent[jobId] = true
    const behavior = handling<Pick<JobMasterProtocol, 'report'>>({
      report: ({ region, attempt, subtasks }, sender) => {
        reports.push({ region, attempt, subtasks })
        sender.reply({ epoch: 1, isCurrent: this.isCurrent[jobId]! })
      },
    })
    this.#system.spawn(this.#subjects.control(jobMasterName(jobId)), behavior)
  }

  deploy(jobId: string, attempt: number, more: Partial<Deployment> = {}): Promise<unknown> {
    const { graph } = buildJob(this.#definition, SETTINGS)
    const deployment: Deployment = {
      ...{ jobId, region: 0, attempt, leadingAttempt: attempt, restoredId: 0 },
      module: { kind: 'registered', key: jobId },
      graph,
      placement: Object.fromEntries(graph.vertices.map(({ id }) => [id, [HERE]])),
      settings: {
        graph: SETTINGS,
        task: taskSettings(defaultConfig()),
        restart: { kind: 'none' },
        checkpoint: null,
        restore: null,
        slotRequestTimeoutMs: 1000,
      },
      restore: null,
      ...more,
    }
    return this.tell({ kind: 'deploy', deployment })
  }

  tell(message: Parameters<typeof this.ask>[0]): Promise<unknown> {
    return runVirtually(this.clock, this.ask(message))
  }

  ask(
    message:
      | { kind: 'deploy'; deployment: Deployment }
      | { kind: 'start' | 'cancel'; jobId: string; region?: number; attempt: number; epoch?: number }
      | { kind: 'abandon'; jobId: string },
  ): Promise<unknown> {
    const ref = this.#system.ref<SlotProtocol>(this.#subjects.control(slotName(HERE.node, HERE.slot)))
    return this.#system.ask(ref, { epoch: 1, region: 0, ...message } as never, 1000)
  }

  /** The states last reported, of the attempt last reported. */
  last(jobId: string): string {
    const report = this.reports[jobId]!.at(-1)
    if (report === undefined) return 'nothing'
    return `#${report.attempt} ${report.subtasks.map(({ state }) => state).join(' ')}`
  }

  async close(): Promise<void> {
    await runVirtually(this.clock, this.#system.close())
  }
}

t.test('slot - builds, opens, starts and cancels what it is told, and reports every change', async (t) => {
  const world = new SlotWorld()
  world.addJobMaster('j')
  await world.deploy('j', 0)
  await world.clock.settle()
  t.equal(world.last('j'), '#0 ready')
  await world.tell({ kind: 'start', jobId: 'j', attempt: 1 })
  t.equal(world.last('j'), '#0 ready', 'another attempt is meant')
  await world.tell({ kind: 'start', jobId: 'j', attempt: 0 })
  await world.clock.settle()
  t.equal(world.last('j'), '#0 running')
  t.same(world.occupied, ['j'])
  await world.tell({ kind: 'cancel', jobId: 'j', attempt: 0 })
  await world.clock.settle()
  t.equal(world.last('j'), '#0 cancelled')
  t.same(world.occupied, ['j'])
  world.isCurrent.j = false
  await world.clock.advance(500)
  t.same(world.occupied, ['j', null], 'and is free again when the job master needs it no more')
  await world.close()
})

t.test('slot - repeats its report with every heartbeat, so that none has to arrive', async (t) => {
  const world = new SlotWorld()
  await world.deploy('j', 0)
  await world.clock.advance(3000)
  world.addJobMaster('j')
  await world.clock.advance(3000)
  t.equal(world.last('j'), '#0 ready')
  const count = world.reports.j!.length
  t.ok(count >= 2)
  await world.clock.advance(5000)
  t.equal(world.reports.j!.length, count + 10)
  await world.close()
})

t.test(
  'slot - one attempt at a time: a newer one replaces it when its tasks have ended, an older one does not',
  async (t) => {
    const world = new SlotWorld()
    world.addJobMaster('j')
    await world.deploy('j', 3)
    await world.tell({ kind: 'start', jobId: 'j', attempt: 3 })
    await world.deploy('j', 2)
    await world.deploy('j', 3)
    await world.clock.settle()
    t.equal(world.last('j'), '#3 running')
    await world.deploy('j', 4)
    await world.clock.settle()
    t.equal(world.last('j'), '#4 ready')
    await world.close()
  },
)

t.test('slot - another job replaces the one it has: whoever keeps the slots knows best', async (t) => {
  const world = new SlotWorld()
  for (const jobId of ['a', 'b', 'c']) world.addJobMaster(jobId)
  await world.deploy('a', 0)
  await world.deploy('b', 0)
  await world.deploy('c', 0)
  await world.clock.settle()
  t.equal(world.last('c'), '#0 ready')
  t.equal(world.occupied.at(-1), 'c')
  await world.close()
})

t.test('slot - gives up what the job master calls out of date', async (t) => {
  const world = new SlotWorld()
  world.addJobMaster('j')
  await world.deploy('j', 0)
  await world.tell({ kind: 'start', jobId: 'j', attempt: 0 })
  world.isCurrent.j = false
  await world.clock.advance(1000)
  t.equal(world.occupied.at(-1), null)
  const count = world.reports.j!.length
  await world.clock.advance(5000)
  t.equal(world.reports.j!.length, count, 'and says no more of it')
  await world.close()
})

t.test('slot - abandons a job that nobody knows any more', async (t) => {
  const world = new SlotWorld()
  await world.deploy('j', 0)
  await world.clock.settle()
  await world.tell({ kind: 'abandon', jobId: 'other' })
  t.same(world.occupied, ['j'])
  await world.tell({ kind: 'abandon', jobId: 'j' })
  await world.clock.settle()
  t.same(world.occupied, ['j', null])
  await world.close()
})

t.test('slot - reports why the job could not be built', async (t) => {
  const world = new SlotWorld()
  world.addJobMaster('j')
  world.loadJob = () => Promise.reject(new Error('no such module'))
  await world.deploy('j', 0)
  await world.clock.settle()
  t.equal(world.last('j'), '#0 failed')
  t.match(world.reports.j!.at(-1)!.subtasks[0]!.error, { message: 'no such module' })
  await world.close()
})

t.test('slot - refuses code that builds another graph than was submitted', async (t) => {
  const world = new SlotWorld()
  world.addJobMaster('j')
  world.loadJob = async () => job('quiet', endless)
  await world.deploy('j', 0)
  await world.clock.settle()
  t.match(world.reports.j!.at(-1)!.subtasks[0]!.error, {
    code: 'GRAPH_MISMATCH',
    message: /must not depend on the time/,
  })
  await world.close()
})

t.test('slot - cancelled while the code is loaded, it says so at once and builds nothing', async (t) => {
  const world = new SlotWorld()
  world.addJobMaster('j')
  let loaded: () => void = () => {}
  world.loadJob = () =>
    new Promise((resolve) => {
      loaded = () => resolve(job('quiet', quiet))
    })
  await world.deploy('j', 0)
  await world.clock.settle()
  t.equal(world.reports.j!.length, 0)
  await world.tell({ kind: 'cancel', jobId: 'j', attempt: 0 })
  await world.clock.settle()
  t.equal(world.last('j'), '#0 cancelled')
  loaded()
  await world.clock.advance(1000)
  t.equal(world.last('j'), '#0 cancelled')
  await world.close()
})

t.test('slot - once it has heard from a leader, those before it are refused', async (t) => {
  const world = new SlotWorld()
  world.addJobMaster('j')
  await world.deploy('j', 0)
  const order = { kind: 'start', jobId: 'j', attempt: 0 } as const
  await world.tell({ ...order, epoch: 3 })
  await t.rejects(world.tell({ ...order, kind: 'cancel', epoch: 2 }), {
    code: 'NOT_LEADER',
    message: 'this comes from the leader of epoch 2, and that of epoch 3 has taken over',
  })
  await world.clock.advance(2000)
  t.match(world.last('j'), /^#0 running/, 'an answer to a report from before does not end it either')
  world.isCurrent.j = false
  await world.clock.advance(2000)
  t.match(world.last('j'), /^#0 running/)
})

const twice = (env: StreamEnvironment) => {
  quiet(env)
  quiet(env)
}

t.test(
  'slot - regions of one job beside each other: each begins anew by itself, and all are gone with the job',
  async (t) => {
    const definition = job('twice', twice)
    const world = new SlotWorld(definition)
    t.teardown(() => world.close())
    world.loadJob = async (key) => (key === 'j' ? definition : job('quiet', quiet))
    world.addJobMaster('j')
    const last = (region: number) => {
      const report = world.reports.j!.findLast((each) => each.region === region)
      return `#${report?.attempt} ${report?.subtasks.map(({ state }) => state).join(' ')}`
    }
    await world.deploy('j', 0)
    await world.deploy('j', 0, { region: 1 })
    await world.clock.settle()
    t.same([last(0), last(1)], ['#0 ready', '#0 ready'])
    await world.tell({ kind: 'start', jobId: 'j', region: 1, attempt: 0 })
    await world.clock.advance(500)
    t.same([last(0), last(1)], ['#0 ready', '#0 running'])
    await world.tell({ kind: 'start', jobId: 'j', attempt: 0 })
    await world.tell({ kind: 'cancel', jobId: 'j', region: 1, attempt: 0 })
    await world.clock.advance(500)
    t.same([last(0), last(1)], ['#0 running', '#0 cancelled'])
    await world.deploy('j', 1, { region: 1 })
    await world.clock.advance(500)
    t.same([last(0), last(1)], ['#0 running', '#1 ready'])
    t.same(world.occupied.at(-1), 'j')
    t.notOk(world.occupied.includes(null), 'it was never free')
    await world.tell({ kind: 'abandon', jobId: 'j' })
    await world.clock.advance(500)
    t.equal(world.occupied.at(-1), null, 'all of it is gone')
  },
)
