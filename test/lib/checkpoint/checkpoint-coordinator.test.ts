/** Scenarios as text, and random histories, which never break what the header of the source promises. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import {
  CheckpointCoordinator,
  type CheckpointEvent,
  type CheckpointOrder,
} from '../../../lib/checkpoint/checkpoint-coordinator.ts'
import { playScenarios } from '../../support/scenario.ts'
import { runs } from '../types/schema-arbitrary.ts'
import { CoordinatorPlay, DEFAULTS } from './coordinator-play.ts'

playScenarios('checkpoint-coordinator', () => {
  const play = new CoordinatorPlay()
  return (command) => play.play(command)
})

type Event = CheckpointEvent<string>
type Order = CheckpointOrder<string>

const TASKS = ['a', 'b', 'c']
const CONCURRENT_MAX = 2
const RETAINED = 2
const RESTORED = [3, 5]

type Choice =
  | { readonly kind: 'request'; readonly type: 'checkpoint' | 'savepoint' }
  | { readonly kind: 'ack' | 'decline'; readonly age: number; readonly task: string }
  /** All tasks acknowledge the checkpoint. */
  | { readonly kind: 'ack all'; readonly age: number }
  | { readonly kind: 'stored'; readonly which: number; readonly isOk: boolean }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'finish'; readonly task: string }
  | { readonly kind: 'stop' }

/** Which checkpoint, counted back from the newest. */
const age = fc.constantFrom(0, 0, 0, 1, 1, 2, 3)
const task = fc.constantFrom(...TASKS)
const choice: fc.Arbitrary<Choice> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('request' as const),
      type: fc.constantFrom('checkpoint' as const, 'checkpoint' as const, 'savepoint' as const),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('ack' as const), age, task }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('ack all' as const), age }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('decline' as const), age, task }) },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('stored' as const),
      which: fc.nat(3),
      isOk: fc.constantFrom(true, true, true, false),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 40, 100, 350) }),
  },
)
const rare: fc.Arbitrary<Choice> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('finish' as const), task }) },
  { weight: 1, arbitrary: fc.constant<Choice>({ kind: 'stop' }) },
)
/** In most histories all tasks run on, and the attempt does not end. */
const history = fc
  .tuple(
    fc.array(choice, { minLength: 30, maxLength: 150 }),
    fc.array(fc.record({ what: rare, at: fc.nat(400) }), { minLength: 3, maxLength: 3 }),
  )
  .map(([choices, others]) =>
    others.reduce((all, { what, at }) => (at < all.length ? all.toSpliced(at, 0, what) : all), choices),
  )

interface Checkpoint {
  readonly id: number
  readonly isSavepoint: boolean
  readonly tasks: ReadonlySet<string>
  readonly acknowledged: Set<string>
  state: 'pending' | 'storing' | 'completed' | 'aborted'
}

/** What is known from the orders alone, and what it must be like. */
class World {
  readonly #coordinator = new CheckpointCoordinator<string>(
    {
      ...DEFAULTS,
      intervalMs: 200,
      pauseMinMs: 30,
      timeoutMs: 300,
      concurrentMax: CONCURRENT_MAX,
      retained: RETAINED,
      tolerableFailures: 3,
      completed: RESTORED,
      lastCheckpointId: RESTORED.at(-1)!,
    },
    TASKS,
    0,
  )
  readonly #checkpoints: Checkpoint[] = []
  readonly #tasks = new Set(TASKS)
  /** Orders to store that have not been answered. */
  readonly #storing: number[] = []
  readonly #asked: string[] = []
  /** Begun or dropped; those begun again count once. */
  readonly #settled = new Set<string>()
  #completed: number[] = [...RESTORED]
  #isStopped = false
  #nowMs = 0

  get completedCount(): number {
    return this.#checkpoints.filter(({ state }) => state === 'completed').length
  }

  do(choice: Choice): void {
    switch (choice.kind) {
      case 'request':
        this.#request(choice.type)
        break
      case 'ack':
        this.#acknowledge(choice.age, [choice.task])
        break
      case 'ack all':
        this.#acknowledge(choice.age, TASKS)
        break
      case 'decline': {
        const { task } = choice
        this.#tell({
          kind: 'declined',
          checkpointId: this.#idOf(choice.age),
          task,
          reason: 'declined',
        })
        break
      }
      case 'stored': {
        const [checkpointId] = this.#storing.splice(choice.which % Math.max(1, this.#storing.length), 1)
        if (checkpointId !== undefined) this.#tell({ kind: 'stored', checkpointId, isOk: choice.isOk })
        break
      }
      case 'wait':
        this.#nowMs += choice.ms
        this.#tell({ kind: 'tick' })
        break
      case 'finish':
        this.#tasks.delete(choice.task)
        this.#tell({ kind: 'finished', task: choice.task })
        break
      case 'stop':
        this.#isStopped = true
        this.#tell({ kind: 'stopped', reason: 'job-failover-region' })
        assert.deepEqual(this.#pending(), [], 'nothing is pending once it has been stopped')
        assert.deepEqual([...this.#settled].sort(), [...this.#asked].sort(), 'and nothing waits')
        break
    }
  }

  #request(type: 'checkpoint' | 'savepoint'): void {
    const id = `${this.#asked.length}`
    this.#asked.push(id)
    this.#tell({
      kind: 'requested',
      request: { id, type, isPeriodic: false, isForced: type === 'savepoint' },
    })
  }

  #acknowledge(age: number, tasks: readonly string[]): void {
    const checkpointId = this.#idOf(age)
    for (const task of tasks) {
      this.#tell({ kind: 'acknowledged', checkpointId, task, snapshot: `${task}@${checkpointId}` })
    }
  }

  #idOf(age: number): number {
    return Math.max(0, (this.#checkpoints.at(-1)?.id ?? 0) - age)
  }

  #pending(): Checkpoint[] {
    return this.#checkpoints.filter(({ state }) => state === 'pending' || state === 'storing')
  }

  #find(id: number): Checkpoint | undefined {
    return this.#checkpoints.find((each) => each.id === id)
  }

  #tell(event: Event): void {
    const before = event.kind === 'acknowledged' ? this.#find(event.checkpointId)?.state : undefined
    const orders = this.#coordinator.on(event, this.#nowMs)
    if (event.kind === 'acknowledged' && before !== 'pending' && before !== 'storing') {
      const snapshot = before === 'aborted' ? event.snapshot : null
      assert.deepEqual(orders, [{ kind: 'ignore', checkpointId: event.checkpointId, snapshot }], 'K3')
    }
    if (event.kind === 'acknowledged') this.#find(event.checkpointId)?.acknowledged.add(event.task)
    const discards = orders.flatMap((order) => (order.kind === 'discard' ? [order.checkpointId] : []))
    for (const order of orders) this.#follow(order, event, orders)
    if (event.kind === 'stored' && event.isOk && this.#find(event.checkpointId)!.state === 'aborted') {
      assert.deepEqual(discards, [event.checkpointId], 'what was stored for nothing is removed')
    } else {
      const surplus = this.#completed.splice(0, Math.max(0, this.#completed.length - RETAINED))
      assert.deepEqual(discards, surplus, 'K4')
    }
    assert.deepEqual(this.#coordinator.retained, this.#completed, 'K4')
    assert.deepEqual(
      this.#coordinator.pendingIds,
      this.#pending().map(({ id }) => id),
    )
  }

  #follow(order: Order, event: Event, orders: readonly Order[]): void {
    switch (order.kind) {
      case 'trigger':
        this.#onTrigger(order)
        break
      case 'store': {
        const checkpoint = this.#find(order.checkpointId)!
        assert.equal(checkpoint.state, 'pending')
        assert.deepEqual([...order.snapshots.keys()].sort(), [...checkpoint.tasks].sort(), 'of all that ran')
        checkpoint.state = 'storing'
        this.#storing.push(order.checkpointId)
        break
      }
      case 'announce':
        assert(event.kind === 'stored' && event.isOk && event.checkpointId === order.checkpointId)
        this.#onAnnounce(this.#find(order.checkpointId)!, orders)
        break
      case 'abort': {
        const checkpoint = this.#find(order.checkpointId)!
        assert(checkpoint.state === 'pending' || checkpoint.state === 'storing', 'aborted once')
        checkpoint.state = 'aborted'
        if (order.reason === 'subsumed') assert(!checkpoint.isSavepoint, 'K2')
        break
      }
      case 'drop':
        if (!order.request.isPeriodic) this.#settled.add(order.request.id)
    }
  }

  #onTrigger({ checkpointId, request, tasks }: Extract<Order, { kind: 'trigger' }>): void {
    assert.equal(checkpointId, (this.#checkpoints.at(-1)?.id ?? RESTORED.at(-1)!) + 1, 'K1')
    assert(!this.#isStopped && this.#tasks.size > 0, 'K5')
    assert.deepEqual([...tasks].sort(), [...this.#tasks].sort())
    assert(request.isForced || this.#pending().length < CONCURRENT_MAX, 'not more at once')
    if (!request.isPeriodic) this.#settled.add(request.id)
    this.#checkpoints.push({
      id: checkpointId,
      isSavepoint: request.type === 'savepoint',
      tasks: new Set(tasks),
      acknowledged: new Set(),
      state: 'pending',
    })
  }

  #onAnnounce(checkpoint: Checkpoint, orders: readonly Order[]): void {
    assert.equal(checkpoint.state, 'storing')
    checkpoint.state = 'completed'
    const subsumed = orders.flatMap((order) =>
      order.kind === 'abort' && order.reason === 'subsumed' ? [order.checkpointId] : [],
    )
    const older = this.#pending().filter(({ id, isSavepoint }) => id < checkpoint.id && !isSavepoint)
    assert.deepEqual(subsumed, checkpoint.isSavepoint ? [] : older.map(({ id }) => id), 'K2')
    if (!checkpoint.isSavepoint) this.#completed.push(checkpoint.id)
  }
}

t.test('checkpoint coordinator - random histories keep its promises', async (t) => {
  let completed = 0
  fc.assert(
    fc.property(history, (choices) => {
      const world = new World()
      for (const each of choices) world.do(each)
      completed += world.completedCount
    }),
    runs(500),
  )
  t.ok(completed > 1000, `${completed} checkpoints completed`)
})
