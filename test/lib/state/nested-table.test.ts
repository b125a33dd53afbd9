import fc from 'fast-check'
import type { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import type { MapKey } from '../../../lib/state/map-key.ts'
import { HeapNestedTable } from '../../../lib/state/nested-table.ts'
import type { StateTable } from '../../../lib/state/state-table.ts'
import { t as types } from '../../../lib/types/t.ts'
import { EVERY_KIND, newBackend, onEachBackend, save } from './backends.ts'
import { history, play, type Subject, valueType } from './table-model.ts'

function subject(backend: KeyedStateBackend): Subject {
  const { context } = backend
  const table = backend.nestedTable('table', valueType)
  const at = (key: MapKey) => context.setMapKey(key, -1)
  return {
    table: table as unknown as StateTable<unknown>,
    forgetsPassing: table instanceof HeapNestedTable,
    put(key, sub, mark) {
      at(key)
      table.put(sub, { marks: [mark] })
    },
    mutate(key, sub, mark) {
      at(key)
      let value = mark % 2 === 0 ? table.get(sub) : undefined
      if (mark % 2 === 1) for (const [each, found] of table.ofKey()) if (each === sub) value = found
      if (value === undefined) return
      value?.marks.push(mark)
      table.put(sub, value)
    },
    look(key, sub) {
      at(key)
      if (sub === 0) for (const _ of table.ofKey());
      else table.get(sub)
    },
    remove(key, sub) {
      at(key)
      table.remove(sub)
    },
    removeGroup(key) {
      at(key)
      table.removeAll()
    },
    isInGroup: (row, key) => row.key === key,
    subOf: (sub) => sub,
  }
}

onEachBackend(
  'nested table - any history gives what a Map gives, and so does every snapshot of it',
  async (t) => {
    const property = fc.property(history, (operations) => play(subject, operations))
    t.doesNotThrow(() => fc.assert(property, { numRuns: 500, seed: 2 }))
  },
  EVERY_KIND,
)

onEachBackend(
  'nested table - keys have sub-keys of their own, on the heap in order of insertion',
  async (t, kind) => {
    const backend = newBackend()
    const { context } = backend
    const table = backend.nestedTable('table', types.string)
    context.set('a', -1)
    table.put('y', '1')
    table.put('x', '2')
    context.set('b', -1)
    table.put('x', '3')
    t.same([...table.ofKey()], [['x', '3']])
    t.equal(table.countOfKey(), 1)
    context.set('a', -1)
    const pairs = [...table.ofKey()]
    const inserted = [
      ['y', '1'],
      ['x', '2'],
    ]
    t.same(kind === 'heap' ? pairs : pairs.sort().reverse(), inserted)
    t.equal(table.size, 3)
    t.ok(table.has('x'))
    table.remove('x')
    t.notOk(table.has('x'))
    context.set('c', -1)
    t.same([...table.ofKey()], [])
    t.equal(table.countOfKey(), 0)
    t.equal(table.get('x'), undefined)
    table.removeAll()
    t.equal(table.size, 2)
  },
)

onEachBackend('nested table - an iteration does not see what is removed under its hands', async (t) => {
  const backend = newBackend()
  const { context } = backend
  const table = backend.nestedTable('table', types.string)
  context.set('a', -1)
  for (const sub of ['x', 'y', 'z']) table.put(sub, sub)
  const seen: unknown[] = []
  for (const [sub] of table.ofKey()) {
    seen.push(sub)
    if (sub === 'x') table.remove('y')
  }
  t.same(seen, ['x', 'z'])
  const again: unknown[] = []
  for (const pair of table.ofKey()) {
    again.push(pair)
    table.removeAll()
  }
  t.same(again, [['x', 'x']])
  t.equal(table.size, 0)
})

onEachBackend('nested table - what is only looked at does not count as changed', async (t) => {
  const backend = newBackend()
  const table = backend.nestedTable('table', valueType)
  backend.context.set('a', -1)
  table.put(1, { marks: [1] })
  table.put(2, { marks: [2] })
  save(backend)
  t.same(table.get(1), { marks: [1] })
  t.equal(table.get(3), undefined)
  t.same(new Map(table.ofKey()).get(2), { marks: [2] })
  t.equal(backend.changedCount, 0)
  table.put(1, { marks: [3] })
  t.equal(backend.changedCount, 1)
})
