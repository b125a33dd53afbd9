import t from 'tap'
import { FilterOperator, FlatMapOperator, MapOperator } from '../../../lib/operator/simple-operators.ts'
import { OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { stamped } from './brief.ts'

t.test('map - one result a record, with its timestamp', async (t) => {
  const harness = await OperatorHarness.open({
    operator: () => new MapOperator((value: number) => value * 2),
  })
  harness.element(1, 10)
  harness.element(2)
  harness.watermark(5)
  harness.status(true)
  t.same(stamped(harness.takeOutput()), ['2@10', 4, 5, 'idle'])
})

t.test('filter - what passes, as it is', async (t) => {
  const harness = await OperatorHarness.open({
    operator: () => new FilterOperator((value: number) => value > 1),
  })
  for (const value of [1, 2, 3]) harness.element(value, value)
  t.same(stamped(harness.takeOutput()), ['2@2', '3@3'])
})

t.test('flatMap - results through the collector, as an iterable, or both', async (t) => {
  const operator = () =>
    new FlatMapOperator((value: number, out: { collect(value: number): void }) => {
      if (value === 0) return
      out.collect(value)
      if (value > 1) return new Set([value * 10, value * 100])
      return
    })
  const harness = await OperatorHarness.open({ operator })
  for (const value of [0, 1, 2]) harness.element(value, 7)
  t.same(stamped(harness.takeOutput()), ['1@7', '2@7', '20@7', '200@7'])
})

t.test('flatMap - a promise is refused', async (t) => {
  const operator = () => new FlatMapOperator((async () => []) as never)
  const harness = await OperatorHarness.open({ operator })
  t.throws(() => harness.element(1), { code: 'USER_FUNCTION_FAILED', message: /must be synchronous/ })
})

t.test('simple operators - functions may be objects, opened and closed', async (t) => {
  const calls: string[] = []
  const life = { open: () => void calls.push('open'), close: () => void calls.push('close') }
  const operators = [
    () => new MapOperator({ ...life, map: (value: number) => value + 1 }),
    () => new FilterOperator({ ...life, filter: (value: number) => value > 0 }),
    () =>
      new FlatMapOperator<number, number>({
        ...life,
        flatMap: (value, out) => out.collect(value) as undefined,
      }),
  ]
  for (const operator of operators) {
    const harness = await OperatorHarness.open<unknown>({ operator })
    harness.element(1)
    t.equal(harness.takeOutput().length, 1)
    await harness.close()
  }
  t.same(calls, ['open', 'close', 'open', 'close', 'open', 'close'])
})
