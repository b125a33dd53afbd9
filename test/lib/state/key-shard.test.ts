import fc from 'fast-check'
import t from 'tap'
import type { Key } from '../../../lib/base/hash.ts'
import { SHARD_COUNT, shardOf } from '../../../lib/state/key-shard.ts'
import { type MapKey, toMapKey } from '../../../lib/state/map-key.ts'
import { keyArbitrary } from '../types/key-arbitrary.ts'

t.test('key shard - is one of those there are, and the same for equal keys', async (t) => {
  const property = fc.property(keyArbitrary, (key) => {
    const shard = shardOf(toMapKey(key))
    return Number.isInteger(shard) && shard >= 0 && shard < SHARD_COUNT && shardOf(toMapKey(key)) === shard
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500, seed: 1 }))
  t.equal(shardOf(-0), shardOf(0))
  const bits = new BigUint64Array([0x7ff8000000000001n])
  t.equal(shardOf(new Float64Array(bits.buffer)[0]!), shardOf(Number.NaN))
})

const COUNT = 100_000
const kinds: Readonly<Record<string, (i: number) => Key>> = {
  integers: (i) => i,
  'every 256th integer': (i) => i * SHARD_COUNT,
  'large integers': (i) => 1_700_000_000_000 + i,
  fractions: (i) => i / 8,
  bigints: (i) => BigInt(i) << 8n,
  'numbered texts': (i) => `user-${i}`,
  'long texts that end alike': (i) =>
    `https://example.org/items/${i}/with/a/long/tail/that/is/always/the/same`,
  pairs: (i) => [i % 317, Math.floor(i / 317)],
  tuples: (i) => ['item', i, true],
}

for (const [name, keyOf] of Object.entries(kinds)) {
  t.test(`key shard - spreads ${name}`, async (t) => {
    const counts = new Array<number>(SHARD_COUNT).fill(0)
    for (let i = 0; i < COUNT; i++) counts[shardOf(toMapKey(keyOf(i)) as MapKey)]!++
    const mean = COUNT / SHARD_COUNT
    t.ok(Math.max(...counts) < 8 * mean, `at most ${Math.max(...counts)} in one, ${mean} on average`)
  })
}
