import t from 'tap'
import { BATCH_RECORDS_MAX } from '../../../lib/network/record-batch.ts'
import { AdaptiveChunk } from '../../../lib/task/adaptive-chunk.ts'

/** Works off chunks of records that take so long each. */
function settle(chunk: AdaptiveChunk, msPerRecord: number, recordsMax = Number.POSITIVE_INFINITY): number {
  for (let i = 0; i < 20; i++) {
    const count = Math.min(chunk.size, recordsMax)
    chunk.measured(count, count * msPerRecord)
  }
  return chunk.size
}

t.test('adaptive chunk - grows while records are cheap, up to a batch', async (t) => {
  t.equal(settle(new AdaptiveChunk(), 0.0001), BATCH_RECORDS_MAX)
})

t.test('adaptive chunk - shrinks to about a millisecond of work, and never to nothing', async (t) => {
  const chunk = new AdaptiveChunk()
  const size = settle(chunk, 0.1)
  t.ok(size >= 5 && size <= 20, `${size} records of 0.1 ms`)
  t.equal(settle(chunk, 1000), 1)
  t.equal(settle(chunk, 0.0001), BATCH_RECORDS_MAX, 'and grows again')
})

t.test('adaptive chunk - short batches are no reason to grow', async (t) => {
  t.equal(settle(new AdaptiveChunk(), 0.0001, 10), 64)
})
