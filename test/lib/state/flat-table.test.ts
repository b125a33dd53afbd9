import fc from 'fast-check'
import { HeapFlatTable } from '../../../lib/state/flat-table.ts'
import type { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import type { MapKey } from '../../../lib/state/map-key.ts'
import type { StateTable } from '../../../lib/state/state-table.ts'
import { StoredFlatTable } from '../../../lib/state/stored-flat-table.ts'
import { t as types } from '../../../lib/types/t.ts'
import { EVERY_KIND, newBackend, onEachBackend, prefetchOf } from './backends.ts'
import { contentsOf, history, play, type Subject, valueType } from './table-model.ts'

function subject(backend: KeyedStateBackend): Subject {
  const { context } = backend
  const table = backend.flatTable('table', valueType)
  if (table instanceof StoredFlatTable) prefetchOf(backend)!.add(table)
  const at = (key: MapKey) => context.setMapKey(key, -1)
  const remove = (key: MapKey) => {
    at(key)
    table.remove()
  }
  return {
    table: table as unknown as StateTable<unknown>,
    forgetsPassing: table instanceof HeapFlatTable,
    put(key, _sub, mark) {
      at(key)
      table.put({ marks: [mark] })
    },
    mutate(key, _sub, mark) {
      at(key)
      const value = table.get()
      if (value === undefined) return
      value?.marks.push(mark)
      table.put(value)
    },
    look(key) {
      at(key)
      table.get()
    },
    remove,
    removeGroup: remove,
    isInGroup: (row, key) => row.key === key,
    subOf: () => 0,
    prefetch(keys) {
      const prefetch = prefetchOf(backend)
      if (prefetch === null) return
      const setKeys = () => {
        for (const key of keys) {
          at(key)
          prefetch.want()
        }
      }
      prefetch.read(keys.length, setKeys, () => {})
    },
  }
}

onEachBackend(
  'flat table - any history gives what a Map gives, and so does every snapshot of it',
  async (t) => {
    const property = fc.property(history, (operations) => play(subject, operations))
    t.doesNotThrow(() => fc.assert(property, { numRuns: 500, seed: 1 }))
  },
  EVERY_KIND,
)

onEachBackend(
  'flat table - the entry is looked up once per record, and found again after another key',
  async (t) => {
    const backend = newBackend()
    const { context } = backend
    const table = backend.flatTable('table', types.int64)
    context.set('a', -1)
    t.equal(table.get(), undefined)
    table.put(1)
    t.equal(table.get(), 1)
    table.remove()
    t.equal(table.get(), undefined)
    table.put(2)
    context.set('b', -1)
    t.equal(table.get(), undefined)
    context.set('a', -1)
    t.equal(table.get(), 2)
  },
)

onEachBackend(
  'flat table - changes made before tracking began belong to the full snapshot, later ones to the delta',
  async (t) => {
    const backend = newBackend()
    const { context } = backend
    const table = backend.flatTable('table', types.int64)
    context.set('before', -1)
    table.put(1)
    context.set('both', -1)
    table.put(2)
    table.track()
    table.put(3)
    const written: unknown[] = []
    t.same(
      table.freeze('delta', (entry) => written.push([entry.key, entry.value])),
      [],
    )
    t.ok(table.drain(100))
    t.same(written, [['both', 3]])
  },
)

onEachBackend('flat table - what has only been read is in no delta', async (t) => {
  const backend = newBackend()
  const table = backend.flatTable('table', valueType)
  table.track()
  for (const key of ['a', 'b', 'c']) {
    backend.context.set(key, -1)
    table.put({ marks: [] })
  }
  const written: unknown[] = []
  const take = () => {
    table.freeze('delta', ({ key }) => written.push(key))
    // Read while the snapshot is taken, and after it.
    backend.context.set('a', -1)
    table.get()
    table.drain(100)
    backend.context.set('b', -1)
    table.get()
  }
  take()
  t.same(written.sort(), ['a', 'b', 'c'])
  written.length = 0
  take()
  t.same(written, [])
  backend.context.set('c', -1)
  table.put(table.get()!)
  take()
  t.same(written, ['c'])
})

onEachBackend(
  'flat table - a delta lists what was removed and created again, not what has come and gone',
  async (t, kind) => {
    const backend = newBackend()
    const { context } = backend
    const table = backend.flatTable('table', types.string)
    table.track()
    context.set('old', -1)
    table.put('first')
    table.freeze('base', () => {})
    table.drain(10)
    table.remove()
    table.put('second')
    const { changedCount } = table
    context.set('short-lived', -1)
    table.put('gone')
    table.remove()
    if (kind === 'heap') t.equal(table.changedCount, changedCount)
    const written: unknown[] = []
    const deleted = table.freeze('delta', (entry) => written.push([entry.key, entry.value]))
    t.same(
      [...deleted].map(({ key }) => key),
      ['old'],
    )
    t.ok(table.drain(10))
    t.same(written, [['old', 'second']])
  },
)

onEachBackend('flat table - one snapshot at a time, and none without tracking but a full one', async (t) => {
  const table = newBackend().flatTable('table', types.int64)
  t.throws(() => table.freeze('delta', () => {}), /tracked/)
  table.freeze('base', () => {})
  t.throws(() => table.freeze('base', () => {}), /one snapshot/)
  t.ok(table.drain(1))
  t.ok(table.drain(1), 'nothing to drain is drained')
})

onEachBackend('flat table - a full snapshot survives growing past one Map while it is drained', async (t) => {
  const backend = newBackend()
  const { context } = backend
  const table = backend.flatTable('table', valueType)
  table.track()
  const set = (key: MapKey) => context.setMapKey(key, -1)
  for (let i = 0; i < 16_000; i++) {
    set(`k${i}`)
    table.put({ marks: [i] })
  }
  const written = new Map<MapKey, number>()
  let repeated = 0
  table.freeze('base', (entry) => {
    if (written.has(entry.key)) repeated++
    written.set(entry.key, (entry.value as { marks: number[] }).marks[0]!)
  })
  table.drain(1000)
  for (let i = 0; i < 20_000; i++) {
    set(`k${i}`)
    if (i % 3 === 0) table.remove()
    else table.put({ marks: [-1] })
    if (i % 100 === 0) table.drain(10)
  }
  t.ok(table.drain(Number.MAX_SAFE_INTEGER))
  t.equal(written.size, 16_000)
  t.equal(repeated, 0)
  t.ok([...written].every(([key, mark]) => key === `k${mark}`))
  t.equal(contentsOf(table as unknown as StateTable<unknown>).size, table.size)
  t.equal(table.size, 20_000 - Math.ceil(20_000 / 3))
})

onEachBackend(
  'flat table - of many rows a delta has those that changed, as they were, whatever comes and goes meanwhile',
  async (t) => {
    const rows = 40_000
    const backend = newBackend()
    const { context } = backend
    const table = backend.flatTable('table', types.int64)
    const expected = new Map<MapKey, number>()
    const put = (key: number, value: number) => {
      context.set(key, -1)
      table.put(value)
    }
    for (let key = 0; key < rows; key++) put(key, 0)
    table.track()
    table.freeze('base', () => {})
    table.drain(rows * 2)
    while (!table.drain(rows));
    // Every 997th: most runs of rows have one, some none. And all of the last hundred.
    const isChanged = (key: number) => key % 997 === 0 || key >= rows - 100
    for (let key = 0; key < rows; key++) {
      if (!isChanged(key)) continue
      put(key, 1)
      expected.set(key, 1)
    }
    for (let key = 1; key < rows; key += 5000) {
      context.set(key, -1)
      table.remove()
    }
    // In the rows of those that have gone.
    for (let key = rows; key < rows + 4; key++) {
      put(key, 2)
      expected.set(key, 2)
    }
    const written = new Map<MapKey, number>()
    const deleted = table.freeze('delta', ({ key, value }) => {
      t.notOk(written.has(key), 'once')
      written.set(key, value as number)
    })
    t.equal([...deleted].length, 8)
    let key = rows
    for (let isDone = false; !isDone; ) {
      isDone = table.drain(777)
      for (const each of [key, rows - key]) put(each, 3)
      context.set(rows + (key % 4), -1)
      table.remove()
      put(2 * rows + key, 4)
      key = Math.max(0, key - 997)
    }
    t.same(new Map([...written].sort()), new Map([...expected].sort()))
  },
)

onEachBackend('flat table - one of many rows that has become empty begins anew', async (t) => {
  const rows = 20_000
  const backend = newBackend()
  const { context } = backend
  const table = backend.flatTable('table', types.int64)
  const forEach = (act: (key: number) => void) => {
    for (let key = 0; key < rows; key++) {
      context.set(key, -1)
      act(key)
    }
  }
  forEach((key) => table.put(key))
  table.track()
  table.freeze('base', () => {})
  // While the snapshot is under way, and again after it.
  forEach(() => table.remove())
  forEach((key) => table.put(-key))
  while (!table.drain(rows));
  forEach(() => table.remove())
  t.equal(table.size, 0)
  t.same([...table.entries()], [])
  context.set('last', -1)
  table.put(7)
  const written: unknown[] = []
  const deleted = new Set(
    [...table.freeze('delta', ({ key, value }) => written.push([key, value]))].map(({ key }) => key),
  )
  while (!table.drain(rows));
  t.equal(deleted.size, rows)
  t.same(written, [['last', 7]])
  t.same(
    [...table.entries()].map(({ key, value }) => [key, value]),
    [['last', 7]],
  )
})
