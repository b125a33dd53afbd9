/** Dealing out state: nothing is lost, nothing is doubled, nobody gets much more than others. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { redistributeKeyGroups, redistributeList } from '../../../lib/checkpoint/state-redistribution.ts'
import { keyGroupRange } from '../../../lib/state/key-group.ts'
import { runs } from '../types/schema-arbitrary.ts'

const subtasks = fc
  .array(fc.nat(6), { minLength: 1, maxLength: 6 })
  .map((sizes) => sizes.map((size, subtask) => Array.from({ length: size }, (_, i) => `${subtask}/${i}`)))
const parallelism = fc.integer({ min: 1, max: 8 })

t.test('state redistribution - split: each element to one subtask, in order, evenly', async () => {
  fc.assert(
    fc.property(subtasks, parallelism, (old, parallelism) => {
      const found = redistributeList('split', old, parallelism)
      assert.equal(found.length, parallelism)
      assert.deepEqual(found.flat(), old.flat())
      if (old.length === parallelism) assert.deepEqual(found, old, 'nothing moves without need')
      const sizes = found.map((items) => items.length)
      if (old.length !== parallelism) assert(Math.max(...sizes) - Math.min(...sizes) <= 1)
    }),
    runs(200),
  )
})

t.test('state redistribution - union: all to all', async () => {
  fc.assert(
    fc.property(subtasks, parallelism, (old, parallelism) => {
      const found = redistributeList('union', old, parallelism)
      assert.deepEqual(found, Array(parallelism).fill(old.flat()))
    }),
    runs(100),
  )
})

t.test('state redistribution - broadcast: the same to all, whoever has it', async (t) => {
  t.same(
    redistributeList(
      'broadcast',
      [
        ['a', 'b'],
        ['a', 'b'],
      ],
      3,
    ),
    Array(3).fill(['a', 'b']),
  )
  t.same(
    redistributeList('broadcast', [[], ['a']], 2),
    [['a'], ['a']],
    'a subtask that had finished has none',
  )
  t.same(redistributeList('broadcast', [[], []], 2), [[], []])
})

t.test('state redistribution - lists are copies', async (t) => {
  const old = [['a'], ['b']]
  for (const mode of ['split', 'union', 'broadcast'] as const) {
    const found = redistributeList(mode, old, 2)
    found[0]!.push('x')
    t.same([old, found[1]!.includes('x')], [[['a'], ['b']], false], mode)
  }
})

t.test('state redistribution - each key group has one source, its old owner', async () => {
  const maxParallelism = 60
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 60 }), (before, after) => {
      const groups: number[] = []
      for (let index = 0; index < after; index++) {
        const { range, sources } = redistributeKeyGroups(maxParallelism, before, after, index)
        assert.deepEqual(range, keyGroupRange(maxParallelism, after, index))
        for (const { from, range: part } of sources) {
          const owned = keyGroupRange(maxParallelism, before, from)
          assert(
            owned.first <= part.first && part.last <= owned.last,
            `${from} has ${part.first}-${part.last}`,
          )
          for (let group = part.first; group <= part.last; group++) groups.push(group)
        }
      }
      assert.deepEqual(
        groups,
        Array.from({ length: maxParallelism }, (_, group) => group),
      )
    }),
    runs(200),
  )
})
