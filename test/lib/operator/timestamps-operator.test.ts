import t from 'tap'
import { TimestampsOperator } from '../../../lib/operator/timestamps-operator.ts'
import { OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { MAX_TIMESTAMP } from '../../../lib/time/timestamp.ts'
import {
  ascendingTimestamps,
  boundedOutOfOrderness,
  noWatermarks,
  punctuated,
  type WatermarkStrategy,
} from '../../../lib/time/watermark-strategy.ts'
import { stamped } from './brief.ts'

const INTERVAL_MS = 50

const open = (strategy: WatermarkStrategy<number>, more: object = {}) =>
  OperatorHarness.open<number>({
    operator: () => new TimestampsOperator(strategy),
    watermarkIntervalMs: INTERVAL_MS,
    ...more,
  })

t.test('timestamps - records get the timestamps of the strategy, which sees the ones they had', async (t) => {
  const harness = await open(noWatermarks<number>((value, previous) => value * 1000 + (previous ?? 0)))
  harness.element(1)
  harness.element(2, 7)
  t.same(stamped(harness.takeOutput()), ['1@1000', '2@2007'])
})

t.test('timestamps - without an assigner records keep theirs', async (t) => {
  const harness = await open(ascendingTimestamps())
  harness.element(1, 10)
  harness.element(2)
  harness.processingTime(INTERVAL_MS)
  t.same(stamped(harness.takeOutput()), ['1@10', 2, 9])
})

t.test('timestamps - only whole milliseconds are timestamps', async (t) => {
  const found: [unknown, RegExp][] = [
    [1.5, /found 1\.5/],
    [Number.NaN, /found NaN/],
    [undefined, /found undefined/],
    [Number.POSITIVE_INFINITY, /found Infinity/],
    [1_700_000_000_000_000_000, /found 17/],
    ['12', /found 12/],
  ]
  for (const [timestamp, message] of found) {
    const harness = await open(ascendingTimestamps<number>(() => timestamp as number))
    t.throws(() => harness.element(1), { code: 'TIMESTAMP_INVALID', message })
  }
})

t.test(
  'timestamps - periodic watermarks come at multiples of the interval, never back, a record first',
  async (t) => {
    const harness = await open(
      boundedOutOfOrderness<number>(10, (value) => value),
      { processingTimeMs: 30 },
    )
    harness.element(100)
    harness.processingTime(49)
    t.same(stamped(harness.takeOutput()), ['100@100'])
    harness.processingTime(50)
    harness.element(90)
    harness.processingTime(120)
    harness.element(120)
    harness.processingTime(149)
    t.same(stamped(harness.takeOutput()), [89, '90@90', '120@120'])
    harness.processingTime(150)
    t.same(stamped(harness.takeOutput()), [109])
  },
)

t.test('timestamps - punctuated watermarks come behind their record', async (t) => {
  const harness = await open(
    punctuated<number>(
      (value) => value,
      (value) => value,
    ),
  )
  for (const value of [3, 1, 5]) harness.element(value)
  t.same(stamped(harness.takeOutput()), ['3@3', 3, '1@1', '5@5', 5])
})

t.test('timestamps - event time from upstream ends here, but for its end', async (t) => {
  const harness = await open(ascendingTimestamps<number>((value) => value))
  harness.watermark(1000)
  harness.status(true)
  harness.status(false)
  t.same(stamped(harness.takeOutput()), [])
  harness.watermark(MAX_TIMESTAMP)
  t.same(stamped(harness.takeOutput()), [MAX_TIMESTAMP])
  harness.processingTime(INTERVAL_MS)
  t.same(stamped(harness.takeOutput()), [])
})

t.test('timestamps - at the end of the input the last periodic watermark is not forgotten', async (t) => {
  const harness = await open(ascendingTimestamps<number>((value) => value))
  harness.element(7)
  await harness.finish()
  t.same(stamped(harness.takeOutput()), ['7@7', 6])
})

t.test('timestamps - idle without records, active with the next watermark', async (t) => {
  const harness = await open(ascendingTimestamps<number>((value) => value).withIdleness(100))
  harness.element(7)
  for (let ms = INTERVAL_MS; ms <= 300; ms += INTERVAL_MS) harness.processingTime(ms)
  t.same(stamped(harness.takeOutput()), ['7@7', 6, 'idle'])
  harness.element(9)
  t.same(stamped(harness.takeOutput()), ['9@9'])
  harness.processingTime(350)
  t.same(stamped(harness.takeOutput()), ['active', 8])
})

t.test('timestamps - after close, and with interval 0, no clock is asked', async (t) => {
  const closed = await open(ascendingTimestamps<number>((value) => value))
  closed.element(7)
  await closed.close()
  closed.processingTime(1000)
  t.same(stamped(closed.takeOutput()), ['7@7'])
  const never = await open(
    ascendingTimestamps<number>((value) => value),
    { watermarkIntervalMs: 0 },
  )
  never.element(7)
  never.processingTime(1000)
  t.same(stamped(never.takeOutput()), ['7@7'])
})
