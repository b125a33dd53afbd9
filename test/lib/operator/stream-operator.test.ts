import t from 'tap'
import {
  BroadcastProcessOperator,
  KeyedBroadcastProcessOperator,
} from '../../../lib/operator/broadcast-operators.ts'
import { CoProcessOperator, KeyedCoProcessOperator } from '../../../lib/operator/co-process-operators.ts'
import { KeyedProcessOperator, ProcessOperator } from '../../../lib/operator/process-operators.ts'
import { ReduceOperator } from '../../../lib/operator/reduce-operator.ts'
import { MapOperator } from '../../../lib/operator/simple-operators.ts'
import { SliceWindowOperator } from '../../../lib/operator/slice-window-operator.ts'
import type { OperatorContext, StreamOperator } from '../../../lib/operator/stream-operator.ts'
import { bufferedContents, reduceFolding } from '../../../lib/operator/window-contents.ts'
import { WindowOperator } from '../../../lib/operator/window-operator.ts'
import { OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { t as types } from '../../../lib/types/t.ts'
import { tumbling } from '../../../lib/window/window-assigner.ts'

/** Sets a timer for each record, and counts how often it is opened and closed. */
class Counting {
  opened = 0
  closed = 0

  async open(): Promise<void> {
    await Promise.resolve()
    this.opened++
  }

  close(): void {
    this.closed++
  }

  processElement = (_value: unknown, context: object, out: { collect(value: never): void }): undefined => {
    out.collect(1 as never)
    const timers = context as {
      registerEventTimer?(timestamp: number): void
      registerProcessingTimer?(at: number): void
    }
    timers.registerEventTimer?.(5)
    timers.registerProcessingTimer?.(5)
  }

  processElement1 = this.processElement
  processElement2 = (): undefined => {}
  processBroadcastElement = (): undefined => {}
  onTimer = (_timestamp: number, _context: object, out: { collect(value: never): void }): undefined => {
    out.collect(2 as never)
  }
  map = (value: unknown): unknown => value
  reduce = (a: number, b: number): number => a + b
  process = (
    _key: unknown,
    _context: object,
    _elements: unknown,
    out: { collect(value: never): void },
  ): undefined => {
    out.collect(2 as never)
  }
}

const key = () => 'key'

/** Every operator that runs a function, or keeps the time of records: as many inputs as there are selectors. */
const operators: [string, (fn: never) => StreamOperator<unknown>, (typeof key | null)[]][] = [
  ['map', (fn) => new MapOperator(fn) as StreamOperator<unknown>, [null]],
  ['process', (fn) => new ProcessOperator(fn), [null]],
  ['keyed process', (fn) => new KeyedProcessOperator(fn), [key]],
  ['co-process', (fn) => new CoProcessOperator(fn), [null, null]],
  ['keyed co-process', (fn) => new KeyedCoProcessOperator(fn), [key, key]],
  ['broadcast process', (fn) => new BroadcastProcessOperator(fn), [null, null]],
  ['keyed broadcast process', (fn) => new KeyedBroadcastProcessOperator(fn), [key, null]],
  ['reduce', (fn) => new ReduceOperator(fn, types.any) as StreamOperator<unknown>, [key]],
  [
    'window',
    (fn) =>
      new WindowOperator({
        assigner: tumbling<number>(5),
        trigger: tumbling<number>(5).defaultTrigger(),
        contents: bufferedContents<number, unknown>(types.float64, fn),
        allowedLatenessMs: 0,
        lateTag: null,
      }) as StreamOperator<unknown>,
    [key],
  ],
]

/** Opens an operator; `time` is the cell it shares with its chain. */
async function open(newOperator: () => StreamOperator<unknown>, keySelectors: (typeof key | null)[]) {
  let time!: Float64Array
  const harness = await OperatorHarness.open<unknown>({
    operator: () => {
      const operator = newOperator()
      const setup = operator.setup.bind(operator)
      operator.setup = (context: OperatorContext, output) => {
        time = context.time
        setup(context, output)
      }
      return operator
    },
    keySelectors: keySelectors as never,
  })
  return { harness, time }
}

for (const [name, newOperator, keySelectors] of operators) {
  t.test(
    `operators - ${name}: opens and closes its function once, and passes watermarks and statuses on`,
    async (t) => {
      const fn = new Counting()
      const { harness } = await open(() => newOperator(fn as never), keySelectors)
      t.same([fn.opened, fn.closed], [1, 0])
      for (const input of keySelectors.keys()) {
        harness.watermark(3, input)
        harness.status(true, input)
      }
      t.same(harness.takeOutput(), [
        { kind: 'watermark', timestamp: 3 },
        { kind: 'status', isIdle: true },
      ])
      await harness.close()
      t.same([fn.opened, fn.closed], [1, 1])
    },
  )

  t.test(`operators - ${name}: leaves the timestamp in hand as it was`, async (t) => {
    const { harness, time } = await open(() => newOperator(new Counting() as never), keySelectors)
    harness.element(1, 1)
    time[0] = 42
    for (const input of keySelectors.keys()) harness.watermark(10, input)
    t.equal(time[0], 42)
    harness.processingTime(10)
    t.equal(time[0], 42)
    t.ok(harness.takeOutput().length > 1)
  })
}

t.test('operators - slices: leave the timestamp in hand as it was', async (t) => {
  const folding = reduceFolding<number>((a, b) => a + b, types.float64)
  const assigner = tumbling<number>(5)
  const newOperator = () =>
    new SliceWindowOperator({ assigner, folding, allowedLatenessMs: 5, lateTag: null })
  const { harness, time } = await open(newOperator as () => StreamOperator<unknown>, [key])
  harness.element(1, 1)
  time[0] = 42
  harness.watermark(4)
  t.equal(time[0], 42)
})
