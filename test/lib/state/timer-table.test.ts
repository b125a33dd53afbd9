import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { KeyedSnapshot } from '../../../lib/state/keyed-snapshot.ts'
import type { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import { copyOfChunk, type StateChunk } from '../../../lib/state/state-chunk.ts'
import type { SnapshotKind, StateTable } from '../../../lib/state/state-table.ts'
import type { Timer, TimerTable } from '../../../lib/state/timer-table.ts'
import { EVERY_KIND, load, newBackend, onEachBackend, save } from './backends.ts'
import { history, play, type Subject, snapshotKind } from './table-model.ts'

function subject(backend: KeyedStateBackend): Subject {
  const { context } = backend
  const table = backend.timerTable('timers')
  return {
    table: table as unknown as StateTable<unknown>,
    isTimers: true,
    put(key, sub) {
      context.setMapKey(key, -1)
      table.register(sub, undefined)
    },
    mutate() {},
    remove(key, sub) {
      context.setMapKey(key, -1)
      table.delete(sub, undefined)
    },
    /** Firing removes all up to a time. */
    removeGroup: (_key, sub) =>
      void table.fire(
        sub,
        () => {},
        () => false,
      ),
    isInGroup: (row, _key, sub) => row.sub <= sub,
    subOf: (sub) => sub,
  }
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Of arrays in use. Those of dead arrays are given back beside the program, some time after a collection. */
async function arrayBytes(enough: number): Promise<number> {
  for (let round = 0; ; round++) {
    collectGarbage()
    const bytes = process.memoryUsage().arrayBuffers
    if (bytes <= enough || round === 100) return bytes
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

onEachBackend('timer table - a timeout that is put off again and again takes no room', async (t) => {
  const table = newBackend().timerTable('timers')
  const before = await arrayBytes(0)
  for (let i = 0; i < 500_000; i++) {
    table.register(1_000_000 + i, undefined)
    table.delete(1_000_000 + i, undefined)
  }
  table.register(5_000_000, undefined)
  const grown = (await arrayBytes(before + 2 ** 20)) - before
  t.ok(grown <= 2 ** 20, `${grown} bytes for one timer`)
  t.equal(table.size, 1)
  t.equal(table.nextTimestamp(), 5_000_000)
})

onEachBackend(
  'timer table - any history gives what a Map gives, and so does every snapshot of it',
  async (t) => {
    const noMutation = history.map((operations) => operations.filter(({ kind }) => kind !== 'mutate'))
    const property = fc.property(noMutation, (operations) => play(subject, operations))
    t.doesNotThrow(() => fc.assert(property, { numRuns: 500, seed: 4 }))
  },
  EVERY_KIND,
)

onEachBackend(
  'timer table - timers fire in order, those set and unset by timers included',
  async (t, kind) => {
    const backend = newBackend()
    const { context } = backend
    const table = backend.timerTable('timers')
    const at = (key: string) => {
      context.set(key, -1)
      return table
    }
    at('a').register(20, undefined)
    at('a').register(10, 'w2')
    at('b').register(10, 'w1')
    at('c').register(10, 'w2')
    at('d').register(30, undefined)
    at('d').register(40, undefined)
    const fired: string[] = []
    const onTimer = (timer: { timestamp: number; sub: unknown }) => {
      fired.push(`${timer.timestamp} ${context.mapKey} ${timer.sub ?? ''}`.trim())
      if (timer.timestamp === 10 && context.mapKey === 'a') {
        table.register(5, undefined)
        table.register(20, 'w3')
        at('d').delete(30, undefined)
      }
    }
    t.ok(table.fire(30, onTimer as never, () => false))
    const inOrder = ['10 a w2', '5 a', '10 c w2', '10 b w1', '20 a', '20 a w3']
    if (kind === 'heap') t.same(fired, inOrder)
    else {
      // Within a timestamp the order is that of the store, where timers have been there.
      t.same([...fired].sort(), [...inOrder].sort())
      t.equal(fired.indexOf('5 a'), fired.indexOf('10 a w2') + 1)
      t.same(
        fired.filter((each) => each !== '5 a').map((each) => each.slice(0, 2)),
        ['10', '10', '10', '20', '20'],
      )
    }
    t.equal(table.nextTimestamp(), 40)
    t.equal(table.size, 1)
  },
)

onEachBackend('timer table - firing pauses after so many timers and goes on where it was', async (t) => {
  const backend = newBackend()
  const { context } = backend
  const table = backend.timerTable('timers')
  for (let i = 0; i < 200; i++) {
    context.set(i, -1)
    table.register(i % 2, undefined)
  }
  const fired = new Set<unknown>()
  let pauses = 0
  while (
    !table.fire(
      1,
      (timer) => fired.add(timer.key),
      () => true,
    )
  ) {
    pauses++
    t.equal(table.size, 200 - fired.size)
  }
  t.equal(fired.size, 200)
  t.equal(pauses, 3)
  t.equal(table.nextTimestamp(), Number.POSITIVE_INFINITY)
})

onEachBackend(
  'timer table - a bucket emptied and filled again while it fires is fired to its end',
  async (t) => {
    const backend = newBackend()
    const { context } = backend
    const table = backend.timerTable('timers')
    context.set('a', -1)
    table.register(10, undefined)
    table.register(10, 'other')
    const fired: unknown[] = []
    table.fire(
      10,
      (timer) => {
        fired.push(timer.sub)
        if (fired.length > 1) return
        table.delete(10, 'other')
        table.register(10, 'other')
      },
      () => false,
    )
    t.same(fired, [undefined, 'other'])
    t.equal(table.size, 0)
  },
)

/** Timers as Maps of Maps: in the order in which they have to fire. */
class ExpectedTimers {
  readonly #timers = new Map<number, Map<unknown, Set<unknown>>>()

  register(timestamp: number, namespace: unknown, key: unknown): void {
    const namespaces = this.#timers.get(timestamp) ?? new Map<unknown, Set<unknown>>()
    this.#timers.set(timestamp, namespaces)
    namespaces.set(namespace, (namespaces.get(namespace) ?? new Set()).add(key))
  }

  delete(timestamp: number, namespace: unknown, key: unknown): void {
    const namespaces = this.#timers.get(timestamp)
    const keys = namespaces?.get(namespace)
    keys?.delete(key)
    if (keys?.size === 0) namespaces?.delete(namespace)
  }

  /** In order, as text. */
  upTo(until: number): string[] {
    const due = [...this.#timers].filter(([timestamp]) => timestamp <= until).sort(([a], [b]) => a - b)
    return due.flatMap(([timestamp, namespaces]) =>
      [...namespaces].flatMap(([namespace, keys]) =>
        [...keys].map((key) => `${timestamp} ${namespace} ${key}`),
      ),
    )
  }

  fire(until: number): string[] {
    const fired = this.upTo(until)
    for (const timestamp of [...this.#timers.keys()]) if (timestamp <= until) this.#timers.delete(timestamp)
    return fired
  }
}

const KEYS = 600
const NAMESPACES = [undefined, 'w', 4] as const

/** Weights that make buckets of one timer, of some and of many, with doubles. */
const step = fc.record({
  kind: fc.constantFrom('register' as const, 'register', 'register', 'delete', 'fire', 'snapshot'),
  /** How many timers of neighbouring keys. */
  count: fc.constantFrom(1, 1, 2, 30, 300, KEYS, 4 * KEYS),
  key: fc.nat({ max: KEYS - 1 }),
  after: fc.nat({ max: 3 }),
  namespace: fc.constantFrom(...NAMESPACES),
  as: snapshotKind,
})
const steps = fc.array(step, { minLength: 1, maxLength: 40, size: 'max' })

/** Snapshots of a table, taken bit by bit while its timers come and go. */
class Snapshots {
  readonly #backend: KeyedStateBackend
  /** A base and the deltas after it. */
  #chain: StateChunk[] = []
  #current: { readonly snapshot: KeyedSnapshot; readonly chunks: StateChunk[] } | null = null
  #kind: SnapshotKind = 'base'
  #expected: readonly string[] = []

  constructor(backend: KeyedStateBackend) {
    this.#backend = backend
  }

  begin(kind: SnapshotKind, expected: readonly string[]): void {
    if (this.#current !== null) return
    this.#kind = kind === 'delta' && this.#chain.length === 0 ? 'base' : kind
    const chunks: StateChunk[] = []
    const snapshot = new KeyedSnapshot(this.#backend, this.#kind, (chunk) => chunks.push(copyOfChunk(chunk)))
    this.#current = { snapshot, chunks }
    this.#expected = expected
  }

  drain(count: number): void {
    if (this.#current === null) return
    while (!this.#current.snapshot.drain(count)) if (count < Number.MAX_SAFE_INTEGER) return
    const { chunks } = this.#current
    this.#current = null
    const all = this.#kind === 'delta' ? [...this.#chain, ...chunks] : chunks
    if (this.#kind !== 'savepoint') this.#chain = all
    // What was to go meanwhile was written first; so the order is another.
    assert.deepEqual(restoredFrom(all).sort(), [...this.#expected].sort())
  }
}

/** The timers of a snapshot in the order in which they fire. */
function restoredFrom(chunks: readonly StateChunk[]): string[] {
  const fired: string[] = []
  load(chunks, (each) => each.timerTable('timers'))
    .timerTable('timers')
    .fire(
      Number.POSITIVE_INFINITY,
      (timer) => fired.push(textOf(timer)),
      () => false,
    )
  return fired
}

/** Fires all that is due. Now and then a timer sets itself anew, twice, and fires once more in the same pass. */
function fire(table: TimerTable, until: number): string[] {
  const fired: string[] = []
  const again: string[] = []
  const onTimer = (timer: Timer) => {
    fired.push(textOf(timer))
    if (fired.length % 50 !== 0) return
    table.register(timer.timestamp, timer.sub)
    table.register(timer.timestamp, timer.sub)
    again.push(textOf(timer))
  }
  table.fire(until, onTimer, () => false)
  for (const each of again) fired.splice(fired.lastIndexOf(each), 1)
  return fired
}

onEachBackend(
  'timer table - many timers of a time fire in the order of registration, however they came and went',
  async (t) => {
    const property = fc.property(steps, (steps) => {
      const backend = newBackend()
      const table = backend.timerTable('timers')
      const expected = new ExpectedTimers()
      const snapshots = new Snapshots(backend)
      let now = 0
      for (const { kind, count, key, after, namespace, as } of steps) {
        if (kind === 'snapshot') snapshots.begin(as, expected.upTo(Number.POSITIVE_INFINITY))
        else if (kind === 'fire') {
          now += after
          assert.deepEqual(fire(table, now), expected.fire(now))
        } else {
          for (let i = 0; i < count; i++) {
            const each = (key + i * 7) % KEYS
            backend.context.set(each, -1)
            table[kind](now + after, namespace)
            expected[kind](now + after, namespace, each)
          }
        }
        snapshots.drain(count)
      }
      const left = expected.upTo(Number.POSITIVE_INFINITY)
      assert.deepEqual([...table.entries()].map(textOf).sort(), [...left].sort())
      assert.equal(table.size, left.length)
      snapshots.drain(Number.MAX_SAFE_INTEGER)
      assert.deepEqual(restoredFrom(save(backend, 'savepoint')), left)
      assert.deepEqual(fire(table, Number.POSITIVE_INFINITY), left)
      assert.equal(table.size, 0)
    })
    t.doesNotThrow(() => fc.assert(property, { numRuns: 100, seed: 5 }))
  },
  ['heap'],
)

function textOf({ timestamp, sub, key }: Timer): string {
  return `${timestamp} ${sub} ${key}`
}
