import t from 'tap'
import { AlignedWatermark, AlignmentGroups } from '../../../lib/time/watermark-alignment.ts'

const alignment = { group: 'g', maxDriftMs: 100, updateIntervalMs: 200 }

t.test('alignment groups - the slowest of the others is found per group', async (t) => {
  const groups = new AlignmentGroups([
    { group: 'g', id: 'a/0' },
    { group: 'g', id: 'a/1' },
    { group: 'other', id: 'b/0' },
  ])
  t.equal(groups.report({ group: 'other', id: 'b/0' }, 5), Number.POSITIVE_INFINITY, 'it is alone')
  t.equal(groups.report({ group: 'g', id: 'a/0' }, 1000), Number.NEGATIVE_INFINITY, 'one has not begun')
  t.equal(groups.report({ group: 'g', id: 'a/1' }, 300), 1000)
  t.equal(groups.report({ group: 'g', id: 'a/0' }, 1100), 300)
  t.equal(groups.report({ group: 'g', id: 'a/1' }, Number.POSITIVE_INFINITY), 1100)
  t.equal(groups.report({ group: 'g', id: 'a/0' }, 1200), Number.POSITIVE_INFINITY, 'the other has ended')
})

t.test('alignment groups - who is no member is refused by name', async (t) => {
  const groups = new AlignmentGroups([{ group: 'g', id: 'a/0' }])
  t.throws(() => groups.report({ group: 'g', id: 'a/1' }, 0), /no member a\/1 in alignment group "g"/)
  t.throws(() => groups.report({ group: 'h', id: 'a/0' }, 0), /alignment group "h"/)
})

t.test(
  'aligned watermark - reading waits beyond the drift, and goes on when the slowest has moved',
  async (t) => {
    const aligned = new AlignedWatermark(alignment)
    aligned.watermark = 5000
    t.equal(aligned.isAhead, false, 'nothing is known of others yet')
    t.equal(aligned.onSlowest(4899), false)
    t.equal(aligned.isAhead, true)
    t.equal(aligned.onSlowest(4899), false, 'nothing has changed')
    t.equal(aligned.onSlowest(4900), true)
    t.equal(aligned.isAhead, false, 'exactly the drift is allowed')
  },
)

t.test('aligned watermark - who is idle neither waits nor is waited for', async (t) => {
  const aligned = new AlignedWatermark(alignment)
  aligned.watermark = 5000
  aligned.onSlowest(0)
  aligned.isIdle = true
  t.equal(aligned.isAhead, false)
  t.equal(aligned.reported, Number.POSITIVE_INFINITY)
  aligned.isIdle = false
  t.equal(aligned.reported, 5000)
})
