import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { SplitAssignments } from '../../../lib/task/split-assignments.ts'

t.test(
  'split assignments - what a reader was given after a checkpoint comes back, oldest first',
  async (t) => {
    const assignments = new SplitAssignments<string>(0)
    assignments.assigned(0, 'a')
    assignments.assigned(1, 'b')
    assignments.snapshot(1)
    assignments.assigned(0, 'c')
    assignments.assigned(0, 'd')
    t.same(assignments.reset(0, 1), ['c', 'd'])
    t.same(assignments.reset(0, 1), [], 'once')
    t.same(assignments.reset(1, 0), ['b'], 'or from the beginning')
    t.same(assignments.reset(2, 1), [])
  },
)

t.test('split assignments - what nobody goes back to is forgotten', async (t) => {
  const assignments = new SplitAssignments<string>(4)
  assignments.assigned(0, 'a')
  assignments.snapshot(5)
  assignments.assigned(0, 'b')
  assignments.snapshot(6)
  assignments.assigned(0, 'c')
  t.equal(assignments.size, 3)
  assignments.completed(6)
  t.equal(assignments.size, 1)
  assignments.completed(5)
  t.equal(assignments.reset(0, 5), null)
  t.same(assignments.reset(0, 6), ['c'])
  t.equal(assignments.size, 0)
})

t.test('split assignments - checkpoints it cannot know of', async (t) => {
  const assignments = new SplitAssignments<string>(4)
  t.equal(assignments.reset(0, 3), null)
  t.equal(assignments.reset(0, 5), null)
})

t.test('split assignments - after a reset, not to one between it and what was reset to', async (t) => {
  const assignments = new SplitAssignments<string>(1)
  assignments.assigned(0, 'a')
  assignments.snapshot(2)
  t.same(assignments.reset(0, 1), ['a'])
  assignments.assigned(1, 'a')
  t.equal(assignments.reset(0, 2), null, 'as of which it had what another has now')
  t.same(assignments.reset(1, 2), ['a'])
})

t.test('split assignments - too many to be remembered', async (t) => {
  const assignments = new SplitAssignments<number>(0, 3)
  assignments.snapshot(1)
  for (let i = 0; i < 5; i++) assignments.assigned(i % 2, i)
  t.equal(assignments.size, 2)
  t.equal(assignments.reset(0, 1), null)
  assignments.snapshot(2)
  assignments.assigned(0, 5)
  t.same(assignments.reset(0, 2), [5])
})

const READERS = 3
const SPLITS = 12

interface Taken {
  readonly id: number
  readonly pending: readonly number[]
  readonly held: readonly (readonly number[])[]
}

/** An enumerator and its readers, which hold for good what they have been given. */
class World {
  #assignments = new SplitAssignments<number>(0, 8)
  #pending = Array.from({ length: SPLITS }, (_, i) => i)
  #held: number[][] = Array.from({ length: READERS }, () => [])
  #lastId = 0
  /** What may be gone back to. */
  readonly #taken: Taken[] = [this.#now(0)]
  restarts = 0

  #now(id: number): Taken {
    return { id, pending: [...this.#pending], held: this.#held.map((each) => [...each]) }
  }

  assign(reader: number): void {
    const split = this.#pending.shift()
    if (split === undefined) return
    this.#held[reader]!.push(split)
    this.#assignments.assigned(reader, split)
  }

  checkpoint(isCompleted: boolean, isTold: boolean): void {
    const id = ++this.#lastId
    this.#assignments.snapshot(id)
    if (!isCompleted) return
    this.#taken.push(this.#now(id))
    if (isTold) this.#assignments.completed(id)
  }

  /** The reader alone, if its splits can be told; else all of them. */
  reset(reader: number, age: number): void {
    const to = this.#taken.at(-1 - (age % this.#taken.length))!
    const back = this.#assignments.reset(reader, to.id)
    if (back === null) this.#restart(to)
    else {
      this.#held[reader] = [...to.held[reader]!]
      this.#pending.unshift(...back)
    }
  }

  #restart({ id, pending, held }: Taken): void {
    this.restarts++
    this.#assignments = new SplitAssignments(id, 8)
    this.#pending = [...pending]
    this.#held = held.map((each) => [...each])
    while (this.#taken.at(-1)!.id > id) this.#taken.pop()
  }

  check(): void {
    const all = [...this.#pending, ...this.#held.flat()].sort((a, b) => a - b)
    assert.deepEqual(
      all,
      Array.from({ length: SPLITS }, (_, i) => i),
      'each split is in one place',
    )
  }
}

t.test('split assignments - whoever goes back to whatever, each split is in one place', async (t) => {
  const reader = fc.nat(READERS - 1)
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('assign' as const), reader }) },
    {
      weight: 2,
      arbitrary: fc.record({
        ...{ kind: fc.constant('checkpoint' as const), isCompleted: fc.boolean(), isTold: fc.boolean() },
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('reset' as const),
        reader,
        age: fc.constantFrom(0, 0, 0, 1, 2),
      }),
    },
  )
  let restarts = 0
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const world = new World()
    for (const each of steps) {
      if (each.kind === 'assign') world.assign(each.reader)
      else if (each.kind === 'checkpoint') world.checkpoint(each.isCompleted, each.isTold)
      else world.reset(each.reader, each.age)
      world.check()
    }
    restarts += world.restarts
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2000, seed: 1 }))
  t.ok(restarts > 100)
})
