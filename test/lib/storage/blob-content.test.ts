import fc from 'fast-check'
import t from 'tap'
import { chunksOf, joinParts } from '../../../lib/storage/blob-content.ts'
import { pattern } from '../../contracts/blob-store-contract.ts'

t.test('blob content - chunks are full but for the last, and joined they are the whole', async (t) => {
  const whole = pattern(5000)
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: whole.length }), { maxLength: 10 }),
      fc.integer({ min: 1, max: 3000 }),
      (cuts, chunkBytes) => {
        const ends = [...cuts.sort((a, b) => a - b), whole.length]
        const parts = ends.map((end, i) => whole.subarray(ends[i - 1] ?? 0, end))
        const chunks = [...chunksOf(parts, chunkBytes)]
        const areFull = chunks.slice(0, -1).every((chunk) => chunk.length === chunkBytes)
        return areFull && Buffer.compare(joinParts(chunks), whole) === 0
      },
    ),
  )
  t.same([...chunksOf([], 10)], [])
  t.same([...chunksOf([new Uint8Array(0)], 10)], [])
})

t.test('blob content - a chunk within one part is a window of it', async (t) => {
  const part = pattern(100)
  const [first, second] = [...chunksOf([part], 50)]
  t.equal(first?.buffer, part.buffer)
  t.equal(second?.byteOffset, 50)
})
