import fc from 'fast-check'
import t from 'tap'
import type { Key } from '../../../lib/base/hash.ts'
import { KeyContext } from '../../../lib/state/key-context.ts'
import { keyGroupOf } from '../../../lib/state/key-group.ts'
import { toMapKey } from '../../../lib/state/map-key.ts'
import { ShardedMap } from '../../../lib/state/sharded-map.ts'
import { keyArbitrary } from '../types/key-arbitrary.ts'

const SPLIT_SIZE = 16_384

/** Many keys, so that a few more split the map. */
function fill(context: KeyContext, map: ShardedMap<string>, count: number, isTuple: boolean): void {
  for (let i = 0; i < count; i++) {
    context.set(isTuple ? ['bulk', i] : plainKey(i), -1)
    map.insert(`bulk ${i}`)
  }
}

function plainKey(i: number): Key {
  const large = 1e6 + i
  const kinds: readonly Key[] = [`bulk${i}`, large, large + 0.5, BigInt(large), -large]
  return kinds[i % kinds.length]!
}

const isTuple = (key: Key): boolean => typeof key === 'object'

/** The keys of one stream are all tuples, or none is. */
const keys = fc.boolean().chain((ofTuples) =>
  fc.uniqueArray(
    keyArbitrary.filter((key) => isTuple(key) === ofTuples),
    { minLength: 3, maxLength: 8, selector: toMapKey, comparator: 'SameValueZero' },
  ),
)

t.test('sharded map - keys of all kinds are found before, across and after the split', async (t) => {
  const property = fc.property(keys, fc.boolean(), (keys, knowsGroups) => {
    const context = new KeyContext(1024)
    const map = new ShardedMap<string>(context)
    const group = (key: Key) => (knowsGroups ? keyGroupOf(key, 1024) : -1)
    const isThere = (i: number) => {
      context.set(keys[i]!, group(keys[i]!))
      return map.get() === `key ${i}`
    }
    const put = (i: number) => {
      context.set(keys[i]!, group(keys[i]!))
      map.insert(`key ${i}`)
    }
    put(0)
    fill(context, map, SPLIT_SIZE - 1, isTuple(keys[0]!))
    for (let i = 1; i < keys.length; i++) put(i)
    if (!keys.every((_key, i) => isThere(i))) return false
    for (const [i, key] of keys.entries()) {
      if (!map.delete(toMapKey(key)) || isThere(i)) return false
      if (map.delete(toMapKey(key))) return false
    }
    return map.size === SPLIT_SIZE - 1 && [...map.values()].length === map.size
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 8, seed: 1 }))
})

t.test('sharded map - values are seen whatever the size', async (t) => {
  const context = new KeyContext(128)
  const map = new ShardedMap<string>(context)
  t.same([...map.values()], [])
  fill(context, map, 10, false)
  t.equal(new Set(map.values()).size, 10)
  const tuples = new KeyContext(128)
  const large = new ShardedMap<string>(tuples)
  fill(tuples, large, SPLIT_SIZE + 100, true)
  t.equal(large.size, SPLIT_SIZE + 100)
  t.equal(new Set(large.values()).size, SPLIT_SIZE + 100)
})
