import type { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import { listState, mapState, type StateDescriptor, valueState } from '../../../lib/state/state-descriptor.ts'
import { t as types } from '../../../lib/types/t.ts'
import { contentsOf, load, newBackend, onEachBackend, rescale, save } from './backends.ts'

const count = valueState('count', types.int64)
const other = valueState('other', types.object({ text: types.string }))

function countsOf(backend: KeyedStateBackend, keys: readonly number[]): (number | undefined)[] {
  const state = backend.state(count)
  return keys.map((key) => {
    backend.context.set(key, -1)
    return state.value()
  })
}

function filled(keyCount: number): KeyedStateBackend {
  const backend = newBackend()
  for (let key = 0; key < keyCount; key++) {
    backend.context.set(key, -1)
    backend.state(count).update(key)
    backend.state(other).update({ text: `text ${key}` })
  }
  return backend
}

const KEYS = Array.from({ length: 50 }, (_, i) => i)

onEachBackend('keyed state backend - one name is one state', async (t) => {
  const backend = newBackend()
  t.equal(backend.state(count), backend.state(valueState('count', types.int64)))
  const refused = {
    code: 'GRAPH_INVALID',
    message: /"count" is declared as value state and again as list state/,
  }
  t.throws(() => backend.state(listState('count', types.int64)), refused)
  t.throws(() => backend.state(valueState('count', types.string)), {
    code: 'GRAPH_INVALID',
    message: /"count" is declared with type int64 and again with type string/,
  })
})

onEachBackend(
  'keyed state backend - state that is declared while records are processed has what was restored',
  async (t) => {
    const chunks = save(filled(50))
    const restored = load(chunks, () => {})
    restored.context.set(7, -1)
    t.equal(restored.state(count).value(), 7, 'and the current key is still current')
    t.equal(restored.context.key, 7)
    t.same(countsOf(restored, KEYS), KEYS)
  },
)

onEachBackend(
  'keyed state backend - window state that is declared when a window fires has what was restored',
  async (t) => {
    const scope = { sub: 'w1' }
    const sum = valueState('sum', types.int64)
    const backend = newBackend()
    backend.context.set('k', -1)
    backend.windowState(sum, scope).update(3)
    const restored = load(save(backend), () => {})
    restored.context.set('k', -1)
    t.equal(restored.windowState(sum, scope).value(), 3)
    scope.sub = 'w2'
    t.equal(restored.windowState(sum, scope).value(), undefined)
  },
)

onEachBackend(
  'keyed state backend - state nobody declares is carried along, each part by its owner',
  async (t) => {
    const first = filled(50)
    const expected = contentsOf([first])
    const declareCount = (backend: KeyedStateBackend) => backend.state(count)
    let snapshots = [save(first)]
    const rowCountOf = () => snapshots.flat().reduce((sum, { rowCount }) => sum + rowCount, 0)
    const rowCount = rowCountOf()
    for (const parallelism of [3, 2, 4]) {
      const backends = rescale(snapshots, declareCount, parallelism)
      snapshots = backends.map((each) => save(each))
      t.equal(rowCountOf(), rowCount, `as much at parallelism ${parallelism}`)
    }
    const declareBoth = (backend: KeyedStateBackend) => {
      backend.state(count)
      backend.state(other)
    }
    t.strictSame(contentsOf(rescale(snapshots, declareBoth, 2)), expected)
  },
)

onEachBackend(
  'keyed state backend - what one subtask declares late and another does not is still one state',
  async (t) => {
    const before = rescale([save(filled(50))], () => {}, 2)
    // Only the first subtask comes to use its state, and changes all of it.
    const [first, second] = before as [KeyedStateBackend, KeyedStateBackend]
    for (const { key } of [...first.keysOf('count')]) t.fail(`${key} is not loaded yet`)
    first.state(count)
    for (const { key, keyGroup } of first.keysOf('count')) {
      first.context.setMapKey(key, keyGroup)
      first.state(count).update(-1)
    }
    const changed = new Set([...first.keysOf('count')].map(({ key }) => key))
    const after = load([...save(first), ...save(second)], (each) => each.state(count))
    t.same(
      countsOf(after, KEYS),
      KEYS.map((key) => (changed.has(key) ? -1 : key)),
    )
    t.ok(changed.size > 0 && changed.size < 50)
  },
)

onEachBackend(
  'keyed state backend - deltas are complete once changes are tracked, also of states declared later',
  async (t) => {
    const backend = filled(10)
    backend.track()
    const full = save(backend)
    const late = valueState('late', types.int64)
    backend.context.set(3, -1)
    backend.state(late).update(33)
    backend.state(count).update(-3)
    const declare = (each: KeyedStateBackend) => {
      for (const state of [count, other, late] as StateDescriptor<unknown>[]) each.state(state)
    }
    const restored = load([...full, ...save(backend, 'delta')], declare)
    t.strictSame(contentsOf([restored]), contentsOf([backend]))
    t.equal(restored.size, 21)
  },
)

onEachBackend('keyed state backend - finds the keys that have a state, each once', async (t) => {
  const backend = newBackend()
  const map = mapState<string, number>('map', types.int64)
  t.same([...backend.keysOf('map')], [])
  for (const key of ['a', 'b']) {
    backend.context.set(key, -1)
    backend.state(map).set('x', 1)
    backend.state(map).set('y', 2)
  }
  const seen: unknown[] = []
  for (const { key, keyGroup } of backend.keysOf('map')) {
    seen.push(key)
    backend.context.setMapKey(key, keyGroup)
    backend.state(map).clear()
    backend.context.set(`new ${key}`, -1)
    backend.state(map).set('x', 1)
  }
  t.same(seen.sort(), ['a', 'b'])
})
