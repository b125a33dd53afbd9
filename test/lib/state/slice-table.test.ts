import fc from 'fast-check'
import t from 'tap'
import { Entry } from '../../../lib/state/entry.ts'
import { HELD_MAX, HeldRecords } from '../../../lib/state/held-records.ts'
import { KeyContext } from '../../../lib/state/key-context.ts'
import type { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import type { MapKey } from '../../../lib/state/map-key.ts'
import { HeapSliceTable } from '../../../lib/state/slice-table.ts'
import type { StateTable } from '../../../lib/state/state-table.ts'
import { t as types } from '../../../lib/types/t.ts'
import { EVERY_KIND, newBackend, onEachBackend } from './backends.ts'
import { history, play, type Subject, type Value, valueType } from './table-model.ts'

function subject(backend: KeyedStateBackend): Subject {
  const { context } = backend
  const table = backend.sliceTable('table', valueType)
  const at = (key: MapKey) => context.setMapKey(key, -1)
  return {
    table: table as unknown as StateTable<unknown>,
    put(key, sub, mark) {
      at(key)
      table.put(sub, { marks: [mark] })
    },
    mutate(key, sub, mark) {
      at(key)
      const value = table.get(sub)
      if (value === undefined) return
      value?.marks.push(mark)
      table.put(sub, value)
    },
    // Slices are dropped as a whole; single entries are removed only by the tombstones of a snapshot.
    remove(key, sub) {
      table.restoreDeleted(new Entry<Value>(key, sub, -1, 0, null))
    },
    removeGroup: (_key, sub) => table.removeSlice(sub),
    isInGroup: (row, _key, sub) => row.sub === sub,
    subOf: (sub) => sub,
  }
}

/** As `subject`, but changes come as records that are added together: each among others of its key, or none. */
function heldSubject(backend: KeyedStateBackend): Subject {
  const base = subject(backend)
  const table = base.table as unknown as HeapSliceTable<Value>
  const addAll = (
    key: MapKey,
    sub: number,
    marks: readonly number[],
    add: (mark: number, before?: Value) => Value,
  ) => {
    const held = new HeldRecords<number>()
    for (const mark of marks) {
      backend.context.setMapKey(key, -1)
      held.push(sub, mark, backend.context)
    }
    backend.context.setMapKey('another', -1)
    table.addAll(sub, held, 0, held.endOfSlice(0), { add })
  }
  return {
    ...base,
    put: (key, sub, mark) => addAll(key, sub, [-1, mark], (each) => ({ marks: [each] })),
    mutate(key, sub, mark) {
      backend.context.setMapKey(key, -1)
      if (table.peek(sub) === undefined) return
      addAll(key, sub, [mark], (each, before) => {
        before?.marks.push(each)
        return before ?? { marks: [] }
      })
    },
  }
}

t.test('slice table - the same where records are added together', async (t) => {
  const property = fc.property(history, (operations) => play(heldSubject, operations))
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500, seed: 4 }))
})

t.test(
  'slice table - counts of records that are added together, from no key to keys in shards',
  async (t) => {
    const context = new KeyContext(128)
    const together = new HeapSliceTable<number>(context, false)
    const counts = new Map<string, number>()
    const held = new HeldRecords<null>()
    const add = (_record: null, before = 0) => before + 1
    for (let i = 0, random = 1; i < 12_500 * HELD_MAX; i++) {
      random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0
      const key = `key ${random % 200_000}`
      counts.set(key, (counts.get(key) ?? 0) + 1)
      context.set(key, -1)
      if (!held.push(60, null, context)) continue
      together.addAll(60, held, 0, held.endOfSlice(0), { add })
      held.count = 0
    }
    const wrong = [...together.ofSlice(60)].filter(({ key, value }) => counts.get(key as string) !== value)
    t.same(wrong, [])
    t.equal(together.size, counts.size)
  },
)

onEachBackend(
  'slice table - any history gives what a Map gives, and so does every snapshot of it',
  async (t) => {
    const property = fc.property(history, (operations) => play(subject, operations))
    t.doesNotThrow(() => fc.assert(property, { numRuns: 500, seed: 3 }))
  },
  EVERY_KIND,
)

onEachBackend('slice table - slices are found, walked and dropped as a whole', async (t) => {
  const backend = newBackend()
  const { context } = backend
  const table = backend.sliceTable('table', types.int64)
  for (const key of ['a', 'b', 'c']) {
    context.set(key, -1)
    table.put(10, 1)
    if (key !== 'b') table.put(20, 2)
  }
  t.same([...table.slices()], [10, 20])
  t.same([...table.ofSlice(20)].map(({ key }) => key).sort(), ['a', 'c'])
  t.same([...table.ofSlice(30)], [])
  t.equal(table.size, 5)
  table.removeSlice(20)
  t.notOk(table.hasSlice(20))
  t.equal(table.peek(20), undefined)
  table.put(20, 3)
  t.equal(table.peek(20), 3)
  table.removeSlice(99)
  t.equal(table.size, 4)
})
