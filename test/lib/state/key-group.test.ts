import fc from 'fast-check'
import t from 'tap'
import { KeyContext } from '../../../lib/state/key-context.ts'
import {
  defaultMaxParallelism,
  intersectKeyGroups,
  keyGroupOf,
  keyGroupRange,
  subtaskOfKeyGroup,
} from '../../../lib/state/key-group.ts'
import { keyArbitrary } from '../types/key-arbitrary.ts'

const sizes = fc
  .integer({ min: 1, max: 32_768 })
  .chain((max) => fc.tuple(fc.constant(max), fc.integer({ min: 1, max: Math.min(max, 300) })))

t.test('key group - ranges of all subtasks cover every group once, in order', async (t) => {
  const property = fc.property(sizes, ([max, parallelism]) => {
    let next = 0
    for (let index = 0; index < parallelism; index++) {
      const { first, last } = keyGroupRange(max, parallelism, index)
      if (first !== next || last < first) return false
      if (subtaskOfKeyGroup(max, parallelism, first) !== index) return false
      if (subtaskOfKeyGroup(max, parallelism, last) !== index) return false
      next = last + 1
    }
    return next === max
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 300, seed: 1 }))
})

t.test('key group - any key has one, the same for equal keys', async (t) => {
  const property = fc.property(keyArbitrary, fc.integer({ min: 1, max: 32_768 }), (key, max) => {
    const group = keyGroupOf(key, max)
    const copy = structuredClone(key)
    return Number.isInteger(group) && group >= 0 && group < max && keyGroupOf(copy, max) === group
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500, seed: 2 }))
  t.equal(keyGroupOf(0, 128), keyGroupOf(-0, 128))
})

t.test('key group - the default max parallelism is a power of two within its bounds', async (t) => {
  t.same(
    [1, 85, 86, 128, 171, 10_000, 32_768].map(defaultMaxParallelism),
    [128, 128, 256, 256, 256, 16_384, 32_768],
  )
})

t.test('key group - ranges intersect or do not', async (t) => {
  t.same(intersectKeyGroups({ first: 0, last: 9 }, { first: 5, last: 20 }), { first: 5, last: 9 })
  t.same(intersectKeyGroups({ first: 0, last: 9 }, { first: 9, last: 9 }), { first: 9, last: 9 })
  t.equal(intersectKeyGroups({ first: 0, last: 4 }, { first: 5, last: 9 }), null)
})

t.test('key context - knows the group if it was told, computes it if it is asked', async (t) => {
  const context = new KeyContext(128)
  context.set('a', -1)
  t.equal(context.knownKeyGroup, -1)
  t.equal(context.keyGroup, keyGroupOf('a', 128))
  t.equal(context.knownKeyGroup, keyGroupOf('a', 128))
  const { turn } = context
  context.set('b', 17)
  t.equal(context.keyGroup, 17)
  t.equal(context.key, 'b')
  t.not(context.turn, turn)
  const tuples = new KeyContext(128)
  tuples.set(['x', 1], -1)
  t.same(tuples.key, ['x', 1])
  t.equal(tuples.keyGroup, keyGroupOf(['x', 1], 128))
})
