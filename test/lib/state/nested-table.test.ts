import fc from 'fast-check'
import t from 'tap'
import { KeyContext } from '../../../lib/state/key-context.ts'
import type { MapKey } from '../../../lib/state/map-key.ts'
import { NestedTable } from '../../../lib/state/nested-table.ts'
import type { StateTable } from '../../../lib/state/state-table.ts'
import { history, play, type Subject, type Value } from './table-model.ts'

function subject(context: KeyContext): Subject {
  const table = new NestedTable<Value>(context, true)
  const at = (key: MapKey) => context.setMapKey(key, -1)
  return {
    table: table as unknown as StateTable<unknown>,
    put(key, sub, mark) {
      at(key)
      table.put(sub, { marks: [mark] })
    },
    mutate(key, sub, mark) {
      at(key)
      if (mark % 2 === 0) table.get(sub)?.marks.push(mark)
      else for (const [each, value] of table.ofKey()) if (each === sub) value?.marks.push(mark)
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

t.test('nested table - any history gives what a Map gives, and so does every snapshot of it', async (t) => {
  const property = fc.property(history, (operations) => play(subject, operations))
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500, seed: 2 }))
})

t.test('nested table - keys have sub-keys of their own, in order of insertion', async (t) => {
  const context = new KeyContext(128)
  const table = new NestedTable<string>(context, false)
  context.set('a', -1)
  table.put('y', '1')
  table.put('x', '2')
  context.set('b', -1)
  table.put('x', '3')
  t.same([...table.ofKey()], [['x', '3']])
  t.equal(table.countOfKey(), 1)
  context.set('a', -1)
  t.same(
    [...table.ofKey()],
    [
      ['y', '1'],
      ['x', '2'],
    ],
  )
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
})

t.test('nested table - an iteration does not see what is removed under its hands', async (t) => {
  const context = new KeyContext(128)
  const table = new NestedTable<string>(context, false)
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
