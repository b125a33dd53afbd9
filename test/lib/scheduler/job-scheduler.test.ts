/** Scenarios as text, and random histories, which never break what the header of the source promises. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import {
  isFinal,
  isSameSlot,
  type SlotLocation,
  type SubtaskState,
} from '../../../lib/graph/execution-graph.ts'
import type { JobEvent, JobOrder } from '../../../lib/scheduler/job-events.ts'
import { slotsHeldBy } from '../../../lib/scheduler/job-state.ts'
import { playScenarios } from '../../support/scenario.ts'
import { JobPlay, SLOT_REQUEST_TIMEOUT_MS, SLOT_TIMEOUT_MS } from './job-play.ts'

type Choice =
  | { readonly kind: 'report'; readonly slot: number; readonly steps: readonly number[] }
  | { readonly kind: 'all report'; readonly steps: readonly number[] }
  | { readonly kind: 'old report' | 'lost' | 'deploy failed' | 'grant again'; readonly slot: number }
  | { readonly kind: 'grant'; readonly extra: number }
  | { readonly kind: 'cancel' | 'take over' }
  | { readonly kind: 'wait'; readonly ms: number }

const slot = fc.nat(5)
const steps = fc.array(fc.nat(9), { minLength: 4, maxLength: 4 })
const choice: fc.Arbitrary<Choice> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('report' as const), slot, steps }) },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('all report' as const), steps }) },
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant('grant' as const), extra: fc.constantFrom(0, 0, 0, 1) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('old report' as const, 'lost', 'grant again'), slot }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deploy failed' as const), slot }) },
  { weight: 2, arbitrary: fc.constant<Choice>({ kind: 'take over' }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 400, 700, 3000) }),
  },
)
/** Most histories are neither cancelled nor left alone for long. */
const history = fc
  .tuple(
    fc.array(choice, { minLength: 60, maxLength: 200 }),
    fc.option(fc.constantFrom<Choice>({ kind: 'cancel' }, { kind: 'wait', ms: 12_000 })),
    fc.nat(200),
  )
  .map(([choices, rare, at]) => (rare === null ? choices : choices.toSpliced(at, 0, rare)))

/** What a subtask may report next, by chance. */
const NEXT: Partial<Record<SubtaskState, readonly SubtaskState[]>> = {
  created: ['opening', 'ready', 'ready', 'ready', 'ready', 'ready', 'ready', 'ready', 'ready', 'failed'],
  opening: ['ready'],
  ready: ['ready'],
  running: ['running', 'running', 'finishing', 'finished', 'failed'],
  finishing: ['draining', 'finished', 'failed'],
  draining: ['finished'],
}

/** The world around a job: slots that follow orders, or do not hear of them. */
class World {
  readonly job = new JobPlay()
  readonly owned: SlotLocation[] = []
  /** True states of the subtasks of the present attempts, and whether they heard what they were told. */
  readonly #states = new Map<string, SubtaskState>()
  #requested = 0
  #nextSlot = 0
  /** By region: the attempt that was ordered last, and how often it was to start. */
  readonly #deployed = new Map<number, number>()
  readonly #startOrders = new Map<number, number>()

  constructor(job: string, restarts: number) {
    this.job.play(job)
    this.job.play(`restart fixed ${restarts} 700`)
    this.tell({ kind: 'submitted' })
  }

  get #regions(): readonly number[] {
    return [...this.job.scheduler.regions.keys()]
  }

  #attemptOf(region: number): number {
    return this.job.scheduler.attemptOf(region)
  }

  do(choice: Choice): void {
    const { scheduler } = this.job
    const before = this.#picture()
    const location = 'slot' in choice ? this.owned[choice.slot % this.owned.length] : undefined
    switch (choice.kind) {
      case 'report':
        if (location !== undefined) this.#report(location, choice.steps)
        break
      case 'all report':
        for (const each of [...this.owned]) this.#report(each, choice.steps)
        break
      case 'old report':
        for (const region of this.#regions) {
          if (location === undefined || this.#attemptOf(region) <= 0) continue
          const subtasks = this.job.statusesOf(location, () => 'failed', region)
          const attempt = this.#attemptOf(region) - 1
          this.tell({ kind: 'reported', slot: location, region, attempt, subtasks })
          assert.deepEqual(this.#picture(), before, 'J1')
        }
        break
      case 'lost':
        if (location !== undefined) this.#lose(location)
        break
      case 'deploy failed': {
        const region = choice.slot % this.#regions.length
        const others = this.#others(region)
        this.tell({
          kind: 'deployFailed',
          region,
          attempt: this.#attemptOf(region),
          error: { code: 'TIMEOUT', message: '' },
        })
        if (!['failing', 'failed'].includes(scheduler.state)) assert.deepEqual(this.#others(region), others)
        break
      }
      case 'grant':
        this.#grant(choice.extra)
        break
      case 'grant again':
        this.tell({ kind: 'slotsGranted', slots: [...this.owned] })
        break
      case 'cancel':
        this.tell({ kind: 'cancelRequested' })
        break
      case 'take over':
        this.#takeOver()
        break
      case 'wait':
        this.job.nowMs += choice.ms
        this.tell({ kind: 'tick' })
    }
  }

  #picture(): unknown {
    return JSON.parse(JSON.stringify(this.job.scheduler.saved))
  }

  /** What is not to be concerned by what happens in a region: not what it leads. */
  #others(region: number): unknown {
    return this.job.scheduler.regions.filter(
      (_, number) => number !== region && this.#leaderOf(number) !== region,
    )
  }

  #leaderOf(region: number): number {
    return this.job.regions.leaderOf(region)
  }

  /** J8. */
  #checkLed(): void {
    const { regions } = this.job.scheduler
    regions.forEach(({ state }, number) => {
      const leader = regions[this.#leaderOf(number)]!
      if (state === 'deploying' || state === 'running')
        assert(['deploying', 'running'].includes(leader.state), `J8: ${state} without ${leader.state}`)
      assert.equal(state === 'finished', leader.state === 'finished', 'J8')
    })
  }

  /** Another leader: slots of a job that had nothing in them it does not know of. */
  #takeOver(): void {
    const { scheduler } = this.job
    const { state, saved } = scheduler
    if (scheduler.isTerminal()) return
    this.owned.splice(0, this.owned.length, ...slotsHeldBy(saved))
    this.tell(this.job.takeOver())
    const { regions } = this.job.scheduler
    if (state === 'running') assert.equal(this.job.scheduler.state, state, 'J5')
    saved.regions.forEach((before, region) => {
      if (before.state !== 'running') return
      assert.equal(regions[region]!.attempt, before.attempt, 'J5')
      assert.equal(regions[region]!.state, 'running', 'J5')
    })
  }

  /** From now on everything goes well: within a few rounds the job must come to an end. */
  end(): void {
    for (let round = 0; round < 60 && !this.job.scheduler.isTerminal(); round++) {
      this.do({ kind: 'grant', extra: 0 })
      this.do({ kind: 'all report', steps: [3, 3, 3, 3] })
      this.do({ kind: 'wait', ms: 700 })
    }
    assert(this.job.scheduler.isTerminal(), `the job ends, it is ${this.job.scheduler.state}`)
  }

  tell(event: JobEvent): void {
    const { scheduler } = this.job
    const wasTerminal = scheduler.isTerminal()
    for (const order of this.job.on(event)) {
      assert(!wasTerminal, 'a job that has ended gives no orders')
      this.#follow(order)
    }
    this.#checkLed()
    const { slotsHeld, slotsNeeded, regions } = scheduler
    assert.equal(slotsHeld, this.owned.length, 'it knows what it holds')
    assert(slotsHeld <= slotsNeeded, 'and holds no more than it needs')
    if (regions.every(({ state }) => state === 'waiting') && !scheduler.isTerminal())
      assert.equal(this.#requested, slotsNeeded - slotsHeld, 'it asks for what it lacks')
    if (scheduler.isTerminal()) {
      assert.equal(slotsHeld, 0)
      // J4: what was reported last of each subtask is final, or its slot is lost.
      for (const { state } of scheduler.subtasks()) assert(isFinal(state), `${state} at the end`)
    }
  }

  #follow(order: JobOrder): void {
    switch (order.kind) {
      case 'requestSlots':
        this.#requested = order.count
        assert(order.count > 0, 'it asks for something')
        break
      case 'releaseSlots':
        for (const slot of order.slots) this.#remove(slot)
        break
      case 'deploy':
        this.#onDeploy(order)
        break
      case 'start': {
        assert.equal(order.attempt, this.#deployed.get(order.region), 'J1')
        const count = (this.#startOrders.get(order.region) ?? 0) + 1
        this.#startOrders.set(order.region, count)
        const states = this.#namesOf(order.region).map((name) => this.#states.get(name))
        if (count === 1)
          assert(
            states.every((state) => state === 'ready'),
            'all are ready before one starts',
          )
        break
      }
      case 'cancel':
        assert.equal(order.attempt, this.#deployed.get(order.region), 'J1')
        break
      case 'regionChanged':
      case 'stateChanged':
        break
    }
  }

  #namesOf(region: number): string[] {
    const { subtasks } = this.job.scheduler.deployed.find((each) => each.region === region)!
    return subtasks.map(({ vertexId, index }) => `${vertexId}.${index}`)
  }

  #onDeploy({ region, attempt, slots }: Extract<JobOrder, { kind: 'deploy' }>): void {
    const before = this.#deployed.get(region) ?? -1
    assert.equal(attempt, before + 1, 'attempts are counted')
    this.#deployed.set(region, attempt)
    const leader = this.#leaderOf(region)
    assert.equal(this.#attemptOf(leader), this.#deployed.get(leader), 'J8: what leads is deployed first')
    this.#startOrders.set(region, 0)
    for (const slot of slots) assert(this.#owns(slot), 'it runs where it has slots')
    for (const name of this.#namesOf(region)) this.#states.set(name, 'created')
  }

  #owns(slot: SlotLocation): boolean {
    return this.owned.some((each) => isSameSlot(each, slot))
  }

  /** The subtasks of a slot get on, as far as what they have been told allows, and say so. */
  #report(location: SlotLocation, steps: readonly number[]): void {
    for (const region of this.#regions) {
      const attempt = this.#deployed.get(region)
      const state = this.job.scheduler.regions[region]!.state
      if (attempt === undefined || !this.#owns(location)) continue
      const mustEnd = state === 'failing' || state === 'cancelling'
      const isStarted = (this.#startOrders.get(region) ?? 0) > 0
      let i = 0
      const next = (name: string): SubtaskState => {
        const step = steps[i++ % steps.length]!
        const state = this.#states.get(name)!
        return isFinal(state) ? state : this.#next(state, step, mustEnd, isStarted)
      }
      const subtasks = this.job.statusesOf(
        location,
        (name) => {
          const state = next(name)
          this.#states.set(name, state)
          return state
        },
        region,
      )
      this.tell({ kind: 'reported', slot: location, region, attempt, subtasks })
    }
  }

  /** Some orders get lost: a step of 0 has not heard of them. */
  #next(state: SubtaskState, step: number, mustEnd: boolean, isStarted: boolean): SubtaskState {
    if (step === 0) return state
    if (mustEnd) return 'cancelled'
    if (state === 'ready') return isStarted ? 'running' : 'ready'
    const possible = NEXT[state]!
    return possible[step % possible.length]!
  }

  #grant(extra: number): void {
    const isWaiting = this.job.scheduler.regions.some(({ state }) => state === 'waiting')
    if (this.#requested === 0 || !isWaiting) return
    const slots = Array.from({ length: this.#requested + extra }, () => ({
      node: 'n',
      slot: this.#nextSlot++,
    }))
    this.#requested = 0
    this.owned.push(...slots)
    this.tell({ kind: 'slotsGranted', slots })
  }

  #lose(location: SlotLocation): void {
    this.#remove(location)
    this.tell({ kind: 'slotsLost', slots: [location], reason: 'gone' })
  }

  #remove(location: SlotLocation): void {
    const index = this.owned.findIndex((each) => isSameSlot(each, location))
    assert(index >= 0, 'what is released was held')
    this.owned.splice(index, 1)
  }
}

const JOBS = [
  'job a:2 b:3 c:1/other',
  'job a:2 b:3 | c:1/other',
  'job *a:2 | b:3 | c:1/other d:2',
  'job *a:3 b:3 by index',
]

for (const job of JOBS) {
  t.test(
    `job scheduler - no history breaks its promises, and every one can come to an end: ${job}`,
    async (t) => {
      const property = fc.property(history, fc.nat(9), (choices, restarts) => {
        const world = new World(job, restarts)
        for (const each of choices) world.do(each)
        world.end()
      })
      t.doesNotThrow(() => fc.assert(property, { numRuns: 400, seed: 1 }))
    },
  )

  t.test(`job scheduler - a world that says nothing at all ends the job too: ${job}`, async (t) => {
    const property = fc.property(history, (choices) => {
      const world = new World(job, 1)
      for (const each of choices) world.do(each)
      for (let i = 0; i < 20; i++) {
        world.do({ kind: 'wait', ms: Math.max(SLOT_TIMEOUT_MS, SLOT_REQUEST_TIMEOUT_MS) + 1 })
      }
      return world.job.scheduler.isTerminal()
    })
    t.doesNotThrow(() => fc.assert(property, { numRuns: 200, seed: 2 }))
  })
}

t.test('job scheduler - a slot that was lost, or whose attempt is over, is told to give it up', async (t) => {
  const job = new JobPlay()
  const lost = { node: 'n', slot: 0 }
  const kept = { node: 'm', slot: 0 }
  const isCurrent = () => [lost, kept].map((location) => job.scheduler.isCurrent(location, 0, 0))
  for (const command of ['job a:2', 'restart fixed 1 1000', 'submit', 'grant n/0 m/0']) job.play(command)
  for (const command of ['report n/0 ready', 'report m/0 ready']) job.play(command)
  t.same(isCurrent(), [true, true])
  job.play('lost n/0')
  t.same(isCurrent(), [false, true], 'the other has to say what becomes of its subtasks')
  job.play('report m/0 cancelled')
  t.same(isCurrent(), [false, false])
})

playScenarios('job-scheduler', () => {
  const job = new JobPlay()
  return (command) => job.play(command)
})
