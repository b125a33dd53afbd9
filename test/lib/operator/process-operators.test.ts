import t from 'tap'
import type { Collector } from '../../../lib/function/functions.ts'
import { outputTag } from '../../../lib/function/output-tag.ts'
import type { KeyedContext, KeyedProcessFunction } from '../../../lib/function/process-functions.ts'
import type { RuntimeContext } from '../../../lib/function/runtime-context.ts'
import { KeyedProcessOperator, ProcessOperator } from '../../../lib/operator/process-operators.ts'
import type { ListState, ValueState } from '../../../lib/state/state.ts'
import { listState, valueState } from '../../../lib/state/state-descriptor.ts'
import { type HarnessSnapshot, OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../../lib/time/timestamp.ts'
import { t as types } from '../../../lib/types/t.ts'
import { brief } from './brief.ts'

const odd = outputTag<number>('odd')

t.test('process - functions see time and may use side outputs', async (t) => {
  const harness = await OperatorHarness.open<string>({
    operator: () =>
      new ProcessOperator<number, string>({
        processElement(value, context, out) {
          if (value % 2 === 1) context.output(odd, value)
          else
            out.collect(
              `${value} at ${context.timestamp}, watermark ${context.currentWatermark()}, clock ${context.processingTime()}`,
            )
        },
      }),
    processingTimeMs: 100,
  })
  harness.element(2)
  harness.element(3, 7)
  harness.watermark(5)
  harness.processingTime(101)
  harness.element(4, 8)
  harness.status(true)
  t.same(harness.takeOutput(), [
    { kind: 'record', value: `2 at undefined, watermark ${MIN_TIMESTAMP}, clock 100`, timestamp: undefined },
    { kind: 'side', tag: 'odd', value: 3, timestamp: 7 },
    { kind: 'watermark', timestamp: 5 },
    { kind: 'record', value: '4 at 8, watermark 5, clock 101', timestamp: 8 },
    { kind: 'status', isIdle: true },
  ])
})

t.test('process - keyed state on a stream that is not keyed is refused', async (t) => {
  const operator = () =>
    new ProcessOperator<number, number>({
      open: (context) => void context.state(valueState('count')),
      processElement() {},
    })
  await t.rejects(OperatorHarness.open({ operator }), { code: 'UNSUPPORTED', message: /call keyBy first/ })
})

t.test('process - a keyed function on a stream that is not keyed is refused', async (t) => {
  const operator = () => new KeyedProcessOperator<string, number, number>({ processElement() {} })
  await t.rejects(OperatorHarness.open({ operator }), { code: 'UNSUPPORTED', message: /not keyed/ })
})

type Order = readonly [key: string, amount: number]

/** Adds up amounts; a minute after the first it says the sum, of event time and of the clock. */
class Summing implements KeyedProcessFunction<string, Order, string> {
  #sum!: ValueState<number>
  #amounts!: ListState<number>
  readonly closed: string[]

  constructor(closed: string[] = []) {
    this.closed = closed
  }

  async open(context: RuntimeContext): Promise<void> {
    await Promise.resolve()
    this.#sum = context.state(valueState('sum', types.float64))
    this.#amounts = context.state(listState('amounts', types.float64))
  }

  processElement([, amount]: Order, context: KeyedContext<string>): undefined {
    const sum = this.#sum.value()
    this.#sum.update((sum ?? 0) + amount)
    this.#amounts.add(amount)
    if (sum !== undefined) return
    context.registerEventTimer(context.timestamp! + 60)
    context.registerProcessingTimer(context.processingTime() + 60)
  }

  onTimer: NonNullable<KeyedProcessFunction<string, Order, string>['onTimer']> = (
    timestamp,
    context,
    out,
  ) => {
    const amounts = this.#amounts.get().join('+')
    out.collect(`${context.currentKey} ${context.timeDomain} ${timestamp}: ${amounts}=${this.#sum.value()}`)
    if (context.timeDomain === 'event') context.deleteProcessingTimer(60)
  }

  close(): void {
    this.closed.push('closed')
  }
}

const keySelectors = [([key]: Order) => key] as never

function openSumming(restore?: HarnessSnapshot): Promise<OperatorHarness<string>> {
  const options = restore === undefined ? {} : { restore }
  return OperatorHarness.open<string>({
    operator: () => new KeyedProcessOperator(new Summing()),
    keySelectors,
    ...options,
  })
}

t.test('keyed process - state and timers belong to the key of the record', async (t) => {
  const harness = await openSumming()
  harness.element(['a', 1], 10)
  harness.element(['b', 5], 20)
  harness.element(['a', 2], 30)
  harness.processingTime(59)
  harness.watermark(70)
  t.same(harness.takeOutput(), [
    { kind: 'record', value: 'a event 70: 1+2=3', timestamp: 70 },
    { kind: 'watermark', timestamp: 70 },
  ])
  harness.processingTime(60)
  t.same(harness.takeOutput(), [{ kind: 'record', value: 'b processing 60: 5=5', timestamp: undefined }])
  harness.watermark(MAX_TIMESTAMP)
  t.same(harness.takeOutput()[0], { kind: 'record', value: 'b event 80: 5=5', timestamp: 80 })
})

t.test('keyed process - state and timers go on from a snapshot, the watermark does not', async (t) => {
  const before = await openSumming()
  before.element(['a', 1], 10)
  before.watermark(50)
  const after = await openSumming(await before.snapshot())
  after.element(['a', 2], 11)
  after.watermark(49)
  t.same(after.takeOutput(), [{ kind: 'watermark', timestamp: 49 }])
  after.processingTime(60)
  after.watermark(70)
  t.same(brief(after.takeOutput()), ['a processing 60: 1+2=3', 'a event 70: 1+2=3', 70])
})

t.test('keyed process - a snapshot holds what belongs to the key groups of the subtask', async (t) => {
  const harness = await openSumming()
  const keys = Array.from({ length: 30 }, (_, i) => `key ${i}`)
  for (const key of keys) harness.element([key, 1], 10)
  const restore = await harness.snapshot()
  const seen: string[] = []
  for (const subtaskIndex of [0, 1, 2]) {
    const part = await OperatorHarness.open<string>({
      operator: () => new KeyedProcessOperator(new Summing()),
      keySelectors,
      restore,
      subtaskIndex,
      parallelism: 3,
    })
    part.watermark(MAX_TIMESTAMP)
    const records = part.takeOutput().filter(({ kind }) => kind === 'record')
    t.ok(records.length > 0)
    for (const record of records) seen.push((record as { value: string }).value)
  }
  t.same(seen.sort(), keys.map((key) => `${key} event 70: 1=1`).sort())
})

t.test('keyed process - state that is asked for late is there all the same', async (t) => {
  const counting = (): KeyedProcessFunction<string, Order, number> => {
    let runtime!: RuntimeContext
    return {
      open(context) {
        runtime = context
      },
      processElement(_order, _context, out: Collector<number>) {
        const count = runtime.state(valueState<number>('count', types.int32))
        count.update((count.value() ?? 0) + 1)
        out.collect(count.value()!)
      },
    }
  }
  const operator = () => new KeyedProcessOperator(counting())
  const before = await OperatorHarness.open<number>({ operator, keySelectors })
  for (const key of ['a', 'a', 'b']) before.element([key, 0])
  const after = await OperatorHarness.open<number>({
    operator,
    keySelectors,
    restore: await before.snapshot(),
  })
  for (const key of ['b', 'a', 'c']) after.element([key, 0])
  t.same(brief(after.takeOutput()), [2, 3, 1])
})

t.test(
  'keyed process - a burst of timers pauses, and the watermark comes after the last of them',
  async (t) => {
    const harness = await OperatorHarness.open<string>({
      operator: () => new KeyedProcessOperator(new Summing()),
      keySelectors,
      shouldPause: () => true,
    })
    for (let i = 0; i < 1000; i++) harness.element([`${i}`, 1], i % 7)
    harness.watermark(100)
    const outputs = harness.takeOutput()
    t.equal(outputs.length, 1001)
    t.same(outputs.at(-1), { kind: 'watermark', timestamp: 100 })
    t.ok(harness.pauseCount >= 15)
  },
)

t.test('keyed process - after close no timer fires', async (t) => {
  const harness = await openSumming()
  harness.element(['a', 1], 10)
  await harness.close()
  harness.processingTime(1000)
  t.same(harness.takeOutput(), [])
})

t.test(
  'process - a function object is opened and closed once, and serves one operator at a time',
  async (t) => {
    const closed: string[] = []
    const fn = new Summing(closed)
    const operator = () => new KeyedProcessOperator(fn)
    const first = await OperatorHarness.open({ operator, keySelectors })
    await t.rejects(OperatorHarness.open({ operator, keySelectors }), {
      code: 'GRAPH_INVALID',
      message: /inside the job function/,
    })
    await first.close()
    t.same(closed, ['closed'])
    const second = await OperatorHarness.open({ operator, keySelectors })
    await second.close()
    t.same(closed, ['closed', 'closed'])
  },
)

t.test('process - what could not be opened is closed, what was not opened is not', async (t) => {
  const closed: string[] = []
  const operator = new ProcessOperator<number, number>({
    open: () => Promise.reject(new Error('no')),
    processElement() {},
    close: () => void closed.push('closed'),
  })
  await t.rejects(OperatorHarness.open({ operator: () => operator }), { message: 'no' })
  await operator.close()
  t.same(closed, ['closed'])
  const never = new ProcessOperator<number, number>({
    open() {},
    processElement() {},
    close: () => void closed.push('never opened'),
  })
  await never.close()
  t.same(closed, ['closed'])
})
