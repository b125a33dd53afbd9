import fc from 'fast-check'
import t from 'tap'
import { isPointwise, type PartitionerKind, sourcesOf, targetsOf } from '../../../lib/network/partitioner.ts'

const KINDS: readonly PartitionerKind[] = [
  'hash',
  'rebalance',
  'rescale',
  'shuffle',
  'broadcast',
  'global',
  'custom',
]
const size = fc.integer({ min: 1, max: 24 })

t.test('partitioner - whom one end is connected to, the other end agrees with', async (t) => {
  const property = fc.property(fc.constantFrom(...KINDS), size, size, (kind, upstream, downstream) => {
    for (let from = 0; from < upstream; from++) {
      for (let to = 0; to < downstream; to++) {
        const isTarget = targetsOf(kind, from, upstream, downstream).includes(to)
        if (isTarget !== sourcesOf(kind, to, upstream, downstream).includes(from)) return false
      }
    }
    return true
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 300, seed: 1 }))
})

t.test('partitioner - rescale leaves nobody out and shares evenly', async (t) => {
  const property = fc.property(size, size, (upstream, downstream) => {
    const targets = Array.from({ length: upstream }, (_, from) =>
      targetsOf('rescale', from, upstream, downstream),
    )
    const sources = Array.from({ length: downstream }, (_, to) =>
      sourcesOf('rescale', to, upstream, downstream),
    )
    const isEven = (lists: number[][]) => {
      const lengths = lists.map(({ length }) => length)
      return Math.min(...lengths) >= 1 && Math.max(...lengths) - Math.min(...lengths) <= 1
    }
    return isEven(targets) && isEven(sources)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 300, seed: 2 }))
})

t.test('partitioner - forward keeps the index, others reach all', async (t) => {
  t.same(targetsOf('forward', 3, 5, 5), [3])
  t.same(sourcesOf('forward', 3, 5, 5), [3])
  t.throws(() => targetsOf('forward', 0, 2, 3), /parallelism/)
  t.same(targetsOf('hash', 1, 2, 3), [0, 1, 2])
  t.same(targetsOf('global', 1, 2, 3), [0, 1, 2])
  t.same(KINDS.filter(isPointwise), ['rescale'])
})
