import t from 'tap'
import { PreAggregateOperator, partialFolding } from '../../../lib/operator/pre-aggregate-operator.ts'
import { aggregateFolding } from '../../../lib/operator/window-contents.ts'
import { OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { t as types } from '../../../lib/types/t.ts'
import { SliceGrid } from '../../../lib/window/slice-grid.ts'
import { sliding, tumbling } from '../../../lib/window/window-assigner.ts'

const listing = aggregateFolding<number, number[], string>(
  {
    createAccumulator: () => [],
    add: (n, list) => [...list, n],
    getResult: (list) => list.join(' '),
    merge: (a, b) => [...a, ...b],
  },
  types.list(types.int32),
)

const open = (assigner = tumbling<never>(10), keyOf: ((n: number) => number) | null = null) =>
  OperatorHarness.open({
    operator: () => new PreAggregateOperator<number, number[]>(new SliceGrid(assigner), listing, keyOf),
  })

type Harness = Awaited<ReturnType<typeof open>>

/** Partials as `start: values`, watermarks as numbers. */
const take = (harness: Harness) =>
  harness.takeOutput().map((output) => {
    if (output.kind === 'watermark') return output.timestamp
    if (output.kind !== 'record') return output.kind
    const { key, count, accumulator } = output.value
    if (count !== accumulator.length) throw new Error(`${count} records, ${accumulator}`)
    return `${output.timestamp}${key === undefined ? '' : ` of ${key}`}: ${accumulator.join(' ')}`
  })

t.test(
  'pre-aggregate - a slice leaves before the watermark its first window waits for, not earlier',
  async (t) => {
    const harness = await open(sliding(20, 10))
    for (const n of [1, 12, 3, 25]) harness.element(n, n)
    t.same(take(harness), [])
    harness.watermark(8)
    t.same(take(harness), [8])
    harness.watermark(9)
    t.same(take(harness), ['0: 1 3', 9])
    harness.watermark(100)
    t.same(take(harness), ['10: 12', '20: 25', 100])
    await harness.close()
  },
)

t.test('pre-aggregate - a record that may be late does not wait to become later', async (t) => {
  const harness = await open()
  harness.watermark(15)
  harness.element(3, 3)
  harness.element(4, 4)
  harness.element(16, 16)
  t.same(take(harness), [15, '0: 3', '0: 4'])
  await harness.close()
})

t.test('pre-aggregate - nothing stays behind: before a barrier, idleness and the end', async (t) => {
  const harness = await open()
  harness.element(1, 1)
  await harness.snapshot()
  t.same(take(harness), ['0: 1'])
  harness.element(2, 2)
  harness.status(true)
  t.same(take(harness), ['0: 2', 'status'])
  harness.element(3, 3)
  await harness.finish()
  t.same(take(harness), ['0: 3'])
  await harness.close()
})

t.test('pre-aggregate - where event time stands still, slices do not pile up', async (t) => {
  const harness = await open()
  for (let slice = 0; slice < 8192; slice++) harness.element(slice, slice * 10)
  t.same(take(harness), [])
  harness.element(1, 81_920)
  t.equal(take(harness).length, 8192)
  await harness.close()
})

t.test('pre-aggregate - each key has a partial of its own in each slice', async (t) => {
  const harness = await open(sliding(20, 10), (n) => n % 2)
  for (const n of [1, 12, 3, 2, 15, 4]) harness.element(n, n)
  harness.watermark(9)
  t.same(take(harness), ['0 of 1: 1 3', '0 of 0: 2 4', 9])
  harness.watermark(19)
  t.same(take(harness), ['10 of 0: 12', '10 of 1: 15', 19])
  await harness.close()
})

t.test('pre-aggregate - keys of every kind come out as they were', async (t) => {
  const keys = ['text', 1, 2n, true, ['a tuple of', [7, 'things']]] as const
  const harness = await OperatorHarness.open({
    operator: () =>
      new PreAggregateOperator<number, number[]>(new SliceGrid(tumbling(10)), listing, (n) => keys[n % 5]!),
  })
  for (let n = 0; n < 10; n++) harness.element(n, 1)
  harness.watermark(9)
  const found = harness.takeOutput().flatMap((output) => (output.kind === 'record' ? [output.value.key] : []))
  t.strictSame(found, keys)
  await harness.close()
})

t.test('pre-aggregate - keys do not pile up, and none is lost when all have to go', async (t) => {
  const harness = await open(tumbling(10), (n) => n)
  for (let n = 0; n < 20_000; n++) harness.element(n, 5)
  t.equal(take(harness).length, 16_384)
  harness.watermark(9)
  t.equal(take(harness).length, 20_000 - 16_384 + 1)
  for (let n = 0; n < 8192; n++) harness.element(n, 15)
  t.same(take(harness), [], 'and room is made for all of them again')
  await harness.close()
})

t.test('pre-aggregate - a record without a timestamp is an error', async (t) => {
  const harness = await open()
  t.throws(() => harness.element(1), { code: 'TIMESTAMP_MISSING', message: /watermark strategy/ })
  t.throws(() => harness.element(1, Number.POSITIVE_INFINITY), { code: 'TIMESTAMP_INVALID' })
  await harness.close()
})

t.test('pre-aggregate - partials add up', async (t) => {
  const { add, result } = partialFolding(listing)
  const first = add({ count: 2, accumulator: [1, 2] }, undefined)
  t.equal(result(add({ count: 1, accumulator: [3] }, first), { key: 0, start: 0, end: 1 }), '1 2 3')
})
