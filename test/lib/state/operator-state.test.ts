import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import type { Key } from '../../../lib/base/hash.ts'
import { OperatorStateBackend } from '../../../lib/state/operator-state.ts'
import { mapState, valueState } from '../../../lib/state/state-descriptor.ts'
import { t as types } from '../../../lib/types/t.ts'
import { keyArbitrary } from '../types/key-arbitrary.ts'

const split = types.object({ id: types.string, next: types.int64 })
const rules = mapState<Key, { weight: number }>('rules', types.object({ weight: types.float64 }))

t.test(
  'operator state - lists and broadcast maps come back, whether declared before or after the restore',
  async (t) => {
    const property = fc.property(
      fc.array(fc.record({ id: fc.string(), next: fc.maxSafeInteger() }, { noNullPrototype: true })),
      fc.array(fc.tuple(keyArbitrary, fc.double())),
      fc.boolean(),
      (splits, weights, isDeclaredFirst) => {
        const before = new OperatorStateBackend()
        before.listState('splits', split, 'split').update(splits)
        const map = before.broadcastState(rules)
        for (const [key, weight] of weights) map.set(key, { weight })
        const after = new OperatorStateBackend()
        const declare = () => ({
          list: after.listState('splits', split, 'split'),
          map: after.broadcastState(rules),
        })
        if (isDeclaredFirst) declare()
        after.restore(before.snapshot())
        const { list, map: restored } = declare()
        return isDeepStrictEqual([list.get(), [...restored.entries()]], [splits, [...map.entries()]])
      },
    )
    t.doesNotThrow(() => fc.assert(property, { numRuns: 300, seed: 1 }))
  },
)

t.test('operator state - what is restored and not declared stays in the next snapshot, once', async (t) => {
  const before = new OperatorStateBackend()
  before.listState('splits', split, 'split').update([{ id: 'a', next: 1 }])
  before.broadcastState(rules).set('r', { weight: 1 })
  const middle = new OperatorStateBackend()
  middle.listState('splits', split, 'split')
  middle.restore(before.snapshot())
  const snapshots = middle.snapshot()
  t.same(snapshots.map(({ name }) => name).sort(), ['rules', 'splits'])
  const after = new OperatorStateBackend()
  after.restore(snapshots)
  t.same(after.broadcastState(rules).get('r'), { weight: 1 })
  t.same(after.listState('splits', split, 'split').get(), [{ id: 'a', next: 1 }])
})

t.test('operator state - a name has one mode, and a type that may grow', async (t) => {
  const backend = new OperatorStateBackend()
  backend.listState('x', split, 'split').update([{ id: 'a', next: 1 }])
  t.throws(() => backend.listState('x', split, 'union'), { code: 'GRAPH_INVALID' })
  const grown = types.object({ id: types.string, next: types.int64, end: types.optional(types.int64) })
  const later = new OperatorStateBackend()
  later.restore(backend.snapshot())
  t.strictSame(later.listState('x', grown, 'split').get(), [{ id: 'a', next: 1, end: undefined }])
  const wrong = new OperatorStateBackend()
  wrong.restore(backend.snapshot())
  t.throws(() => wrong.listState('x', types.string as never, 'split'), { code: 'STATE_INCOMPATIBLE' })
  const broadcast = new OperatorStateBackend()
  broadcast.restore(backend.snapshot())
  t.throws(() => broadcast.broadcastState(mapState('x')), {
    code: 'STATE_INCOMPATIBLE',
    message: /"x" was saved as split state and is declared as broadcast state/,
  })
})

t.test('operator state - a broadcast map is a map', async (t) => {
  const map = new OperatorStateBackend().broadcastState(rules)
  map.set(['a', 1], { weight: 1 })
  map.set('b', { weight: 2 })
  t.ok(map.has(['a', 1]))
  t.equal(map.size, 2)
  t.same([...map.keys()], [['a', 1], 'b'])
  t.same(
    [...map.values()].map(({ weight }) => weight),
    [1, 2],
  )
  map.delete(['a', 1])
  t.same([...map.entries()], [['b', { weight: 2 }]])
  map.clear()
  t.equal(map.size, 0)
  t.equal(valueState('unused').kind, 'value')
})
