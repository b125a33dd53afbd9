import type { Key } from '../../../lib/base/hash.ts'
import type { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import { copyOfChunk } from '../../../lib/state/state-chunk.ts'
import {
  aggregatingState,
  listState,
  mapState,
  reducingState,
  type StateDescriptor,
  valueState,
} from '../../../lib/state/state-descriptor.ts'
import { t as types } from '../../../lib/types/t.ts'
import { load, newBackend, onEachBackend, save } from './backends.ts'

/** The two scopes a state can have; all kinds behave the same in both. */
const SCOPES: Record<string, (backend: KeyedStateBackend) => <S>(descriptor: StateDescriptor<S>) => S> = {
  key: (backend) => (descriptor) => backend.state(descriptor),
  window: (backend) => {
    const scope = { sub: 'w' }
    return (descriptor) => backend.windowState(descriptor, scope)
  },
}

for (const [name, scoped] of Object.entries(SCOPES)) {
  const open = () => {
    const backend = newBackend()
    backend.context.set('k', -1)
    return { backend, state: scoped(backend) }
  }

  onEachBackend(`states of a ${name} - value: what was put, until it is cleared`, async (t) => {
    const { backend, state } = open()
    const value = state(valueState('v', types.string))
    t.equal(value.value(), undefined)
    value.update('x')
    t.equal(value.value(), 'x')
    backend.context.set('another key', -1)
    t.equal(value.value(), undefined)
    backend.context.set('k', -1)
    value.clear()
    t.equal(value.value(), undefined)
    value.clear()
  })

  onEachBackend(`states of a ${name} - list: keeps order, empties to nothing`, async (t) => {
    const { backend, state } = open()
    const list = state(listState<number>('l', types.int64))
    t.same(list.get(), [])
    list.add(1)
    list.addAll([2, 3])
    t.same(list.get(), [1, 2, 3])
    list.addAll(list.get())
    t.same(list.get(), [1, 2, 3, 1, 2, 3])
    const given = [9]
    list.update(given)
    given.push(10)
    t.same(list.get(), [9])
    list.update([])
    t.equal(backend.size, 0)
    list.addAll([])
    t.equal(backend.size, 0)
    list.add(4)
    list.clear()
    t.same(list.get(), [])
  })

  onEachBackend(`states of a ${name} - map: compares keys by content`, async (t, kind) => {
    const { backend, state } = open()
    const map = state(mapState<Key, number>('m', types.int64))
    map.set('a', 1)
    map.set(1, 2)
    map.set('1', 3)
    map.set(['a', 1], 4)
    map.set(['a', 1], 5)
    map.set('\udfffT', 6)
    t.equal(map.size, 5)
    t.equal(map.get(['a', 1]), 5)
    t.ok(map.has('1'))
    t.notOk(map.has(['1']))
    t.same(new Set(map.keys()), new Set(['a', 1, '1', ['a', 1], '\udfffT']))
    t.same([...map.values()].sort(), [1, 2, 3, 5, 6])
    if (kind === 'heap') t.same([...map.values()], [1, 2, 3, 5, 6], 'in order of insertion')
    t.same(
      [...map.entries()].find(([, value]) => value === 5),
      [['a', 1], 5],
    )
    map.delete('absent')
    for (const key of map.keys()) map.delete(key)
    t.equal(map.size, 0)
    t.equal(backend.size, 0, 'nothing of it is left')
    map.set('x', 1)
    map.clear()
    t.same([...map.entries()], [])
    t.equal(map.get('x'), undefined)
  })

  onEachBackend(
    `states of a ${name} - reducing and aggregating: nothing before the first value`,
    async (t) => {
      const { state } = open()
      const least = state(reducingState<number>('least', Math.min, types.float64))
      t.equal(least.get(), undefined)
      for (const value of [3, 1, 2]) least.add(value)
      t.equal(least.get(), 1)
      least.clear()
      t.equal(least.get(), undefined)
      const text = state(
        aggregatingState('text', {
          createAccumulator: () => [] as string[],
          add: (value: string, all: string[]) => [...all, value],
          getResult: (all) => all.join('+'),
        }),
      )
      t.equal(text.get(), undefined)
      text.add('a')
      text.add('b')
      t.equal(text.get(), 'a+b')
      text.clear()
      t.equal(text.get(), undefined)
    },
  )

  onEachBackend(`states of a ${name} - map: a snapshot being taken does not see later changes`, async (t) => {
    const { backend, state } = open()
    const descriptor = mapState<string, number>('m', types.int64)
    const map = state(descriptor)
    map.set('x', 1)
    map.set('y', 2)
    const { KeyedSnapshot } = await import('../../../lib/state/keyed-snapshot.ts')
    const chunks: Parameters<ConstructorParameters<typeof KeyedSnapshot>[2]>[0][] = []
    const snapshot = new KeyedSnapshot(backend, 'savepoint', (chunk) => chunks.push(copyOfChunk(chunk)))
    map.set('x', 10)
    map.delete('y')
    map.set('z', 30)
    while (!snapshot.drain(1));
    const restored = load(chunks, (each) => scoped(each)(descriptor))
    restored.context.set('k', -1)
    t.same(
      [...scoped(restored)(descriptor).entries()],
      [
        ['x', 1],
        ['y', 2],
      ],
    )
    t.same(
      [...map.entries()],
      [
        ['x', 10],
        ['z', 30],
      ],
    )
    t.equal(save(backend).length, 1)
  })
}

onEachBackend(
  'states of a window - windows of one key are apart, and from the state of the key',
  async (t) => {
    const backend = newBackend()
    const scope = { sub: 'w1' }
    const descriptor = valueState('v', types.int64)
    const state = backend.windowState(descriptor, scope)
    backend.context.set('k', -1)
    state.update(1)
    scope.sub = 'w2'
    t.equal(state.value(), undefined)
    state.update(2)
    backend.state(descriptor).update(3)
    scope.sub = 'w1'
    t.equal(state.value(), 1)
    t.equal(backend.state(descriptor).value(), 3)
  },
)

onEachBackend('state descriptor - names are checked', async (t) => {
  for (const name of ['', 'window/x', 'a b', 'ключ', 'x'.repeat(101)]) {
    t.throws(() => valueState(name), { code: 'GRAPH_INVALID', message: /state name/ }, name)
  }
  t.equal(valueState('a.b_c-D9').name, 'a.b_c-D9')
})
