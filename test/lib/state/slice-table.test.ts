import fc from 'fast-check'
import { Entry } from '../../../lib/state/entry.ts'
import type { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import type { MapKey } from '../../../lib/state/map-key.ts'
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
