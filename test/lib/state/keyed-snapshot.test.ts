import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { SluiceError } from '../../../lib/base/errors.ts'
import type { Key } from '../../../lib/base/hash.ts'
import { KeyedSnapshot } from '../../../lib/state/keyed-snapshot.ts'
import type { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import { copyOfChunk, type StateChunk } from '../../../lib/state/state-chunk.ts'
import {
  aggregatingState,
  listState,
  mapState,
  reducingState,
  valueState,
} from '../../../lib/state/state-descriptor.ts'
import { t as types } from '../../../lib/types/t.ts'
import { contentsOf, load, newBackend, onEachBackend, rescale, save } from './backends.ts'

const total = valueState('total', types.float64)
const notes = listState<string>('notes', types.string)
const seen = mapState<Key, { at: number }>('seen', types.object({ at: types.int64 }))
const most = reducingState<number>('most', Math.max, types.float64)
const mean = aggregatingState(
  'mean',
  {
    createAccumulator: () => ({ sum: 0, count: 0 }),
    add: (value: number, mean: { sum: number; count: number }) => {
      mean.sum += value
      mean.count++
      return mean
    },
    getResult: ({ sum, count }) => sum / count,
  },
  types.object({ sum: types.float64, count: types.int64 }),
)
const anything = valueState('anything')
const perWindow = mapState<string, number>('per-window', types.int64)
const scope = { sub: 'w1' }

function declare(backend: KeyedStateBackend): void {
  for (const descriptor of [total, notes, seen, most, mean, anything]) backend.state(descriptor as never)
  backend.windowState(perWindow, scope)
  backend.sliceTable('window/slices', types.float64)
  backend.timerTable('timers/event')
  backend.timerTable('timers/processing')
}

interface Step {
  readonly key: Key
  readonly value: number
  readonly what: number
}

/** One record's worth of changes to one of the states. */
const CHANGES: readonly ((backend: KeyedStateBackend, value: number) => void)[] = [
  (backend, value) => backend.state(total).update(value),
  (backend) => backend.state(total).clear(),
  (backend, value) => backend.state(notes).add(`note ${value}`),
  (backend) => backend.state(notes).clear(),
  (backend, value) => backend.state(seen).set(value % 3 === 0 ? ['pair', value] : `k${value}`, { at: value }),
  (backend, value) => backend.state(seen).delete(`k${value}`),
  (backend) => backend.state(seen).clear(),
  (backend, value) => backend.state(most).add(value),
  (backend, value) => backend.state(mean).add(value),
  (backend, value) => backend.state(anything).update(new Map([[value, [new Date(value)]]])),
  (backend, value) => {
    scope.sub = `w${value % 2}`
    const map = backend.windowState(perWindow, scope)
    if (value % 5 === 0) map.clear()
    else map.set(`k${value % 4}`, value)
  },
  (backend, value) => {
    const slices = backend.sliceTable('window/slices', types.float64)
    if (value === 9) slices.removeSlice(0)
    else slices.put(value % 3, value)
  },
  (backend, value) => backend.timerTable('timers/event').register(value, value % 2 === 0 ? undefined : 'w'),
  (backend, value) => backend.timerTable('timers/event').delete(value, undefined),
  (backend, value) => backend.timerTable('timers/processing').register(value * 1e12, undefined),
]

function change(backend: KeyedStateBackend, { key, value, what }: Step): void {
  backend.context.set(key, -1)
  CHANGES[what]!(backend, value)
}

const plainKeys: readonly Key[] = ['a', 'b', '', 'ключ', '\udfffT', '\udfffSa', 0, 1.5, -7, 2n ** 70n, true]
const tupleKeys: readonly Key[] = [[], ['a'], ['a', 1], ['a', ['b', true]], [2n]]

const steps = fc.boolean().chain((isTuple) =>
  fc.array(
    fc.record({
      key: fc.constantFrom(...(isTuple ? tupleKeys : plainKeys)),
      value: fc.integer({ min: 0, max: 9 }),
      what: fc.integer({ min: 0, max: CHANGES.length - 1 }),
    }),
    { minLength: 1, maxLength: 120 },
  ),
)

onEachBackend(
  'keyed snapshot - rescaling from 1 to 3 to 2 to 1 subtasks loses and doubles nothing',
  async (t) => {
    const property = fc.property(steps, (steps) => {
      const backend = newBackend()
      declare(backend)
      for (const step of steps) change(backend, step)
      const expected = contentsOf([backend])
      let snapshots = [save(backend)]
      for (const parallelism of [3, 2, 1]) {
        const backends = rescale(snapshots, declare, parallelism)
        if (!isDeepStrictEqual(contentsOf(backends), expected)) return false
        snapshots = backends.map((each) => save(each))
      }
      return true
    })
    t.doesNotThrow(() => fc.assert(property, { numRuns: 150, seed: 1 }))
  },
)

onEachBackend(
  'keyed snapshot - a full one and the deltas after it give what was there at the last freeze',
  async (t) => {
    const property = fc.property(steps, fc.array(fc.nat(5), { maxLength: 5 }), (steps, cuts) => {
      const backend = newBackend()
      declare(backend)
      backend.track()
      const chain: StateChunk[] = []
      const size = Math.ceil(steps.length / (cuts.length + 1))
      for (const [i, cut] of [...cuts, 0].entries()) {
        for (const step of steps.slice(i * size, (i + 1) * size)) change(backend, step)
        chain.push(...save(backend, i === 0 ? 'base' : 'delta', cut + 1))
      }
      const expected = contentsOf([backend])
      for (const parallelism of [1, 2]) {
        const backends = rescale([chain], declare, parallelism)
        if (!isDeepStrictEqual(contentsOf(backends), expected)) return false
      }
      return true
    })
    t.doesNotThrow(() => fc.assert(property, { numRuns: 150, seed: 2 }))
  },
)

onEachBackend('keyed snapshot - changes while it is drained are not part of it', async (t) => {
  const backend = newBackend()
  const state = backend.state(valueState('v', types.object({ n: types.int64 })))
  for (let i = 0; i < 100; i++) {
    backend.context.set(i, -1)
    state.update({ n: i })
  }
  const chunks: StateChunk[] = []
  const snapshot = new KeyedSnapshot(backend, 'base', (chunk) => chunks.push(copyOfChunk(chunk)))
  let i = 0
  while (!snapshot.drain(3)) {
    backend.context.set(i, -1)
    if (i % 3 === 0) state.value()!.n = -1
    else if (i % 3 === 1) state.clear()
    else state.update({ n: -2 })
    backend.context.set(1000 + i++, -1)
    state.update({ n: -3 })
  }
  t.ok(i > 20)
  const restored = load(chunks, (each) => each.state(valueState('v', types.object({ n: types.int64 }))))
  t.equal(restored.size, 100)
  const state2 = restored.state(valueState('v', types.object({ n: types.int64 })))
  const values = Array.from({ length: 100 }, (_, key) => {
    restored.context.set(key, -1)
    return state2.value()?.n
  })
  t.same(
    values,
    Array.from({ length: 100 }, (_, i) => i),
  )
})

onEachBackend('keyed snapshot - in a delta the removals of a table come before its values', async (t) => {
  const backend = newBackend()
  declare(backend)
  backend.track()
  for (const key of ['a', 'b', 'c']) change(backend, { key, value: 1, what: 0 })
  const full = save(backend)
  t.ok(full.every(({ isDeletion }) => !isDeletion))
  change(backend, { key: 'a', value: 0, what: 1 })
  change(backend, { key: 'a', value: 5, what: 0 })
  change(backend, { key: 'b', value: 0, what: 1 })
  change(backend, { key: 'c', value: 6, what: 0 })
  const delta = save(backend, 'delta')
  t.same(
    delta.map(({ table, isDeletion, rowCount }) => [table, isDeletion, rowCount]),
    [
      ['total', true, 2],
      ['total', false, 2],
    ],
  )
  t.same(save(backend, 'delta'), [], 'and nothing more when nothing has changed')
})

onEachBackend('keyed snapshot - many rows make several chunks, none is lost at their borders', async (t) => {
  const backend = newBackend()
  const text = 'x'.repeat(1000)
  const state = valueState('big', types.string)
  for (let i = 0; i < 1000; i++) {
    backend.context.set(i, -1)
    backend.state(state).update(`${text}${i}`)
  }
  const chunks = save(backend, 'base', 100)
  t.ok(chunks.length > 2)
  t.equal(
    chunks.reduce((sum, { rowCount }) => sum + rowCount, 0),
    1000,
  )
  const restored = load(chunks, (each) => each.state(state))
  t.strictSame(contentsOf([restored]), contentsOf([backend]))
})

onEachBackend('keyed snapshot - a chunk is closed in time, however large its rows', async (t) => {
  for (const [length, bytesMax] of [
    [10, 72_000],
    [1000, 72_000],
    [40_000, 81_000],
    [200_000, 201_000],
  ] as const) {
    const backend = newBackend()
    const state = valueState('texts', types.string)
    const count = Math.ceil(300_000 / length)
    for (let i = 0; i < count; i++) {
      backend.context.set(i, -1)
      backend.state(state).update('x'.repeat(length))
    }
    for (const { rows } of save(backend)) t.ok(rows.length < bytesMax, `${rows.length} bytes`)
  }
})

onEachBackend(
  'keyed snapshot - a field that is new reads as its default, an incompatible type is refused',
  async (t) => {
    const backend = newBackend()
    const old = valueState('user', types.object({ name: types.string, age: types.int32 }))
    backend.context.set('k', -1)
    backend.state(old).update({ name: 'Ada', age: 36 })
    const chunks = save(backend)
    const now = valueState(
      'user',
      types.object({
        age: types.int64,
        tags: types.defaulted(types.list(types.string), ['none']),
        note: types.optional(types.string),
      }),
    )
    const restored = load(chunks, (each) => each.state(now))
    restored.context.set('k', -1)
    t.strictSame(restored.state(now).value(), { age: 36, tags: ['none'], note: undefined })
    const wrong = valueState('user', types.object({ age: types.string }))
    t.throws(() => load(chunks, (each) => each.state(wrong)), {
      code: 'STATE_INCOMPATIBLE',
      message: /"user".*age/,
    })
  },
)

onEachBackend('keyed snapshot - timers and slices restored before any record have their keys', async (t) => {
  for (const keys of [tupleKeys, plainKeys]) {
    const backend = newBackend()
    for (const key of keys) {
      backend.context.set(key, -1)
      backend.timerTable('timers/event').register(5, undefined)
    }
    const restored = load(save(backend), (each) => each.timerTable('timers/event'))
    const fired: Key[] = []
    restored.timerTable('timers/event').fire(
      5,
      () => fired.push(restored.context.key),
      () => false,
    )
    t.same(new Set(fired), new Set(keys))
  }
})

onEachBackend('keyed snapshot - keys restored are the keys that records come with', async (t) => {
  for (const keys of [tupleKeys, plainKeys]) {
    const backend = newBackend()
    for (const [i, key] of keys.entries()) {
      backend.context.set(key, -1)
      backend.state(total).update(i)
    }
    const restored = load(save(backend), (each) => each.state(total))
    const found = keys.map((key) => {
      restored.context.set(key, -1)
      return restored.state(total).value()
    })
    t.same(
      found,
      keys.map((_key, i) => i),
    )
  }
})

onEachBackend('keyed snapshot - damaged rows are refused', async (t) => {
  const backend = newBackend()
  declare(backend)
  for (let what = 0; what < CHANGES.length; what++) change(backend, { key: 'k', value: 4, what })
  const chunks = save(backend)
  const property = fc.property(fc.nat(), fc.nat(), fc.nat(255), (which, where, byte) => {
    const chunk = chunks[which % chunks.length]!
    const rows = chunk.rows.slice()
    rows[where % rows.length] = byte
    try {
      load([{ ...chunk, rows }], declare)
      load([{ ...chunk, rows: rows.subarray(0, where % rows.length) }], declare)
    } catch (error) {
      return error instanceof SluiceError && error.code === 'DECODE_FAILED'
    }
    return true
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000, seed: 3 }))
})
