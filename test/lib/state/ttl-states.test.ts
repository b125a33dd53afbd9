import fc from 'fast-check'
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
import type { TtlOptions } from '../../../lib/state/state-ttl.ts'
import { t as types } from '../../../lib/types/t.ts'
import { load, newBackend, onEachBackend, save } from './backends.ts'
import { history, KINDS, play, TTL_MS } from './ttl-model.ts'

const strict: TtlOptions = { after: 100 }
const onRead: TtlOptions = { after: 100, refresh: 'read-and-write' }
const relaxed: TtlOptions = { after: 100, visibility: 'until-cleaned-up' }

function open() {
  const clock = { nowMs: 0, now: () => clock.nowMs }
  const backend = newBackend()
  backend.useClock(clock)
  backend.context.set('k', -1)
  return { clock, backend }
}

for (const [name, kind] of Object.entries(KINDS)) {
  for (const refresh of [false, true]) {
    const suffix = refresh ? ' and reads that refresh' : ''
    onEachBackend(`state with ttl - ${name}: is its model, across snapshots${suffix}`, async (t) => {
      const property = fc.property(history, (steps) => play(kind, refresh, steps))
      t.doesNotThrow(() => fc.assert(property, { numRuns: 300, seed: 11 }))
    })
  }

  onEachBackend(`state with ttl - ${name}: until something expires it is as without`, async (t) => {
    const property = fc.property(history, (steps) => {
      const { backend } = open()
      const plain = newBackend()
      for (const each of steps) {
        if (each.do !== 'use') continue
        const { act } = kind.verbs[each.verb % kind.verbs.length]!
        backend.context.set(each.key, -1)
        plain.context.set(each.key, -1)
        const expiring = backend.state(kind.describe({ ttl: { after: TTL_MS, refresh: 'read-and-write' } }))
        const [expected, found] = [act(plain.state(kind.describe({})), each.n), act(expiring, each.n)]
        if (JSON.stringify(found) !== JSON.stringify(expected)) return false
        if (backend.size !== plain.size) return false
      }
      return true
    })
    t.doesNotThrow(() => fc.assert(property, { numRuns: 100, seed: 5 }))
  })
}

onEachBackend('state with ttl - value: expires ttl after the last write, not a moment before', async (t) => {
  const { clock, backend } = open()
  const value = backend.state(valueState('v', types.string, { ttl: strict }))
  clock.nowMs = 7
  value.update('x')
  clock.nowMs = 106
  t.equal(value.value(), 'x')
  clock.nowMs = 107
  t.equal(value.value(), undefined)
  t.equal(backend.size, 0, 'and is removed when it is found')
})

onEachBackend('state with ttl - value: a clock set back makes it live longer, not shorter', async (t) => {
  const { clock, backend } = open()
  const value = backend.state(valueState('v', types.string, { ttl: strict }))
  clock.nowMs = 1000
  value.update('x')
  clock.nowMs = 0
  t.equal(value.value(), 'x')
  clock.nowMs = 1099
  t.equal(value.value(), 'x')
})

onEachBackend('state with ttl - reading extends life only if it was asked for', async (t) => {
  const { clock, backend } = open()
  const written = backend.state(mapState<string, number>('written', types.int64, { ttl: strict }))
  const read = backend.state(mapState<string, number>('read', types.int64, { ttl: onRead }))
  for (const map of [written, read]) for (const key of ['get', 'has', 'size']) map.set(key, 1)
  clock.nowMs = 60
  for (const map of [written, read]) t.same([map.get('get'), map.has('has'), map.size], [1, true, 3])
  clock.nowMs = 120
  t.same([...written.keys()], [])
  t.same([...read.keys()], ['get', 'has'], 'to ask for the size is not to read')
})

onEachBackend('state with ttl - reducing and aggregating: what has expired is not added to', async (t) => {
  const { clock, backend } = open()
  const text = {
    createAccumulator: () => [] as string[],
    add: (value: string, all: string[]) => [...all, value],
    getResult: (all: string[]) => all.join('+'),
  }
  const sum = backend.state(reducingState<number>('sum', (a, b) => a + b, types.int64, { ttl: strict }))
  const texts = backend.state(aggregatingState('text', text, types.list(types.string), { ttl: strict }))
  sum.add(1)
  texts.add('a')
  clock.nowMs = 60
  sum.add(2)
  texts.add('b')
  clock.nowMs = 159
  t.same([sum.get(), texts.get()], [3, 'a+b'], 'adding extends life')
  clock.nowMs = 160
  sum.add(4)
  texts.add('c')
  t.same([sum.get(), texts.get()], [4, 'c'])
})

onEachBackend('state with ttl - expired state that may be seen is seen once more', async (t) => {
  const { clock, backend } = open()
  const value = backend.state(valueState('v', types.string, { ttl: relaxed }))
  const list = backend.state(listState('l', types.int64, { ttl: relaxed }))
  const sum = backend.state(reducingState<number>('s', (a, b) => a + b, types.int64, { ttl: relaxed }))
  value.update('x')
  list.add(1)
  sum.add(1)
  clock.nowMs = 50
  list.add(2)
  clock.nowMs = 120
  t.same([value.value(), value.value()], ['x', undefined])
  t.same([list.get(), list.get()], [[1, 2], [2]])
  sum.add(2)
  t.equal(sum.get(), 3, 'it was still there to be added to')
})

onEachBackend(
  'state with ttl - map: expired entries that may be seen stay until get or the cursor',
  async (t) => {
    const { clock, backend } = open()
    const map = backend.state(mapState<string, number>('m', types.int64, { ttl: relaxed }))
    map.set('a', 1)
    map.set('b', 2)
    clock.nowMs = 100
    t.same([[...map.keys()], [...map.values()], map.size], [['a', 'b'], [1, 2], 2])
    t.same([map.get('a'), map.get('a')], [1, undefined])
    t.same([...map.entries()], [['b', 2]])
  },
)

onEachBackend('state with ttl - map: entries expire while it is iterated and changed', async (t) => {
  const { clock, backend } = open()
  const map = backend.state(mapState<number, number>('m', types.int64, { ttl: strict }))
  for (let i = 0; i < 100; i++) map.set(i, i)
  clock.nowMs = 50
  for (let i = 50; i < 100; i++) map.set(i, i)
  clock.nowMs = 100
  const seen: number[] = []
  for (const [key] of map.entries()) {
    seen.push(key)
    map.get(0)
    map.delete(key)
    map.set(-key, 0)
    if (key < 0) break
  }
  t.same(
    seen.slice(0, 50).sort((a, b) => a - b),
    Array.from({ length: 50 }, (_, i) => i + 50),
  )
})

onEachBackend('state with ttl - values may be undefined or null where their type allows it', async (t) => {
  const { backend } = open()
  const value = backend.state(valueState<unknown>('v', types.any, { ttl: strict }))
  const map = backend.state(mapState<string, unknown>('m', types.any, { ttl: strict }))
  value.update(null)
  map.set('x', undefined)
  t.equal(value.value(), null)
  t.ok(map.has('x'))
  t.notOk(map.has('y'))
})

/** Fills a state for many keys, lets it expire, and uses one more key until the others are gone or patience ends. */
function accessesUntilClean(
  fill: (backend: KeyedStateBackend) => void,
  access: (backend: KeyedStateBackend) => void,
) {
  const { clock, backend } = open()
  const keyCount = 20_000
  for (let key = 0; key < keyCount; key++) {
    backend.context.set(key, -1)
    fill(backend)
  }
  clock.nowMs = 100
  const sizes = [backend.size]
  let accesses = 0
  while (backend.size > 1 && accesses < 2 * keyCount) {
    backend.context.set(-1, -1)
    access(backend)
    accesses++
    sizes.push(backend.size)
  }
  const removedAtOnce = sizes.slice(1).map((size, i) => sizes[i]! - size)
  return { accesses, size: backend.size, entries: sizes[0]!, removedMax: Math.max(...removedAtOnce) }
}

onEachBackend(
  'state with ttl - the cursor removes what nobody asks for, a few entries at a time',
  async (t) => {
    const value = valueState('v', types.int64, { ttl: strict })
    const list = listState('l', types.int64, { ttl: strict })
    const map = mapState<number, number>('m', types.int64, { ttl: strict })
    const runs = {
      value: accessesUntilClean(
        (backend) => backend.state(value).update(1),
        (backend) => backend.state(value).update(2),
      ),
      list: accessesUntilClean(
        (backend) => backend.state(list).addAll([1, 2]),
        (backend) => backend.state(list).get(),
      ),
      map: accessesUntilClean(
        (backend) => backend.state(map).set(1, 1),
        (backend) => backend.state(map).get(1),
      ),
    }
    for (const [name, { accesses, size, entries, removedMax }] of Object.entries(runs)) {
      t.ok(size <= 1, `${name}: only the key in use may be left`)
      t.ok(accesses <= entries + 100, `${name}: ${accesses} accesses for ${entries} entries`)
      t.ok(removedMax <= 16, `${name}: at most ${removedMax} entries in one access`)
    }
  },
)

onEachBackend('state with ttl - the cursor survives the moment its table is dealt out anew', async (t) => {
  const { clock, backend } = open()
  const value = backend.state(valueState('v', types.int64, { ttl: strict }))
  const use = (key: number, act: () => void) => {
    backend.context.set(key, -1)
    act()
  }
  for (let key = 0; key < 16_384; key++) use(key, () => value.update(key))
  for (let i = 0; i < 1600; i++) use(0, () => value.value())
  // With more keys the entries move; the cursor is still where they were, and meets some that are gone.
  for (let key = 16_384; key < 16_400; key++) use(key, () => value.update(key))
  for (let key = 0; key < 16_390; key++) use(key, () => value.clear())
  clock.nowMs = 100
  for (let i = 0; i < 20_000; i++) use(-1, () => value.value())
  t.equal(backend.size, 0)
})

onEachBackend('state with ttl - the cursor takes expired elements out of lists', async (t) => {
  const { clock, backend } = open()
  const list = backend.state(listState('l', types.int64, { ttl: strict }))
  list.add(1)
  clock.nowMs = 60
  list.add(2)
  clock.nowMs = 120
  backend.context.set('another', -1)
  for (let i = 0; i < 32; i++) list.get()
  const [entry] = [...backend.tables()].flatMap(({ table }) => [...table.entries()])
  t.match(entry?.value, { value: [2] })
})

onEachBackend(
  'state with ttl - what the cursor removes is missing from deltas, and in none being taken',
  async (t) => {
    const { clock, backend } = open()
    const descriptor = valueState('v', types.int64, { ttl: strict })
    const value = backend.state(descriptor)
    backend.track()
    for (let key = 0; key < 10; key++) {
      backend.context.set(key, -1)
      value.update(key)
    }
    const base = save(backend)
    clock.nowMs = 50
    backend.context.set('k', -1)
    value.update(0)
    const during: StateChunk[] = []
    const snapshot = new KeyedSnapshot(backend, 'base', (chunk) => during.push(copyOfChunk(chunk)))
    clock.nowMs = 100
    for (let i = 0; i < 32; i++) value.value()
    t.equal(backend.size, 1)
    while (!snapshot.drain(1));
    const rowsOf = (chunks: readonly StateChunk[]) => chunks.map((each) => [each.isDeletion, each.rowCount])
    t.same(rowsOf(during), [[false, 11]])
    t.same(rowsOf(save(backend, 'delta')), [[true, 10]])
    t.same(rowsOf(base), [[false, 10]])
  },
)

onEachBackend('state with ttl - rows that have expired are dropped when they are loaded', async (t) => {
  const { clock, backend } = open()
  const value = valueState('v', types.string, { ttl: relaxed })
  const list = listState('l', types.int64, { ttl: relaxed })
  backend.track()
  backend.state(value).update('older')
  backend.state(list).add(1)
  const base = save(backend)
  clock.nowMs = 20
  backend.state(value).update('newer')
  backend.state(list).add(2)
  const chunks = [...base, ...save(backend, 'delta')]
  const loadAt = (nowMs: number) => {
    clock.nowMs = nowMs
    const restored = load(chunks, (each) => {
      each.useClock(clock)
      each.state(value)
      each.state(list)
    })
    const { size } = restored
    restored.context.set('k', -1)
    return [restored.state(value).value(), restored.state(list).get(), size]
  }
  t.same(loadAt(119), ['newer', [2], 2])
  t.same(loadAt(120), [undefined, [], 0])
  // It expires between the row of the first snapshot and that of the second.
  let calls = 0
  const restored = load(chunks, (each) => {
    each.useClock({ now: () => (calls++ === 0 ? 0 : 120) })
    each.state(value)
  })
  t.equal(calls, 2)
  t.equal(restored.size, 0, 'and an older value does not come back')
})
