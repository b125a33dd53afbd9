import t from 'tap'
import type { RuntimeContext } from '../../../lib/function/runtime-context.ts'
import { KeyedProcessOperator } from '../../../lib/operator/process-operators.ts'
import { MapOperator } from '../../../lib/operator/simple-operators.ts'
import {
  OneInputOperator,
  type OperatorContext,
  type Output,
  TwoInputOperator,
} from '../../../lib/operator/stream-operator.ts'
import { valueState } from '../../../lib/state/state-descriptor.ts'
import { OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { stamped } from '../operator/brief.ts'

/** Notes what happens to it. */
class Noting extends OneInputOperator<string, string> {
  readonly calls: string[] = []
  seen!: OperatorContext

  override setup(context: OperatorContext, output: Output<string>): void {
    super.setup(context, output)
    this.seen = context
  }

  override processElement(value: string): void {
    this.output.collect(value)
    this.output.collectSide('side', value.length)
  }

  override processStatus(isIdle: boolean): void {
    this.calls.push(isIdle ? 'idle' : 'active')
  }

  override finish(): void {
    this.calls.push('finish')
  }

  override close(): void {
    this.calls.push('close')
  }

  override prepareSnapshot(checkpointId: number): void {
    this.calls.push(`prepare ${checkpointId}`)
  }

  override checkpointCompleted(checkpointId: number): void {
    this.calls.push(`completed ${checkpointId}`)
  }
}

t.test('harness - shows what an operator puts out, in order, once', async (t) => {
  const harness = await OperatorHarness.open({ operator: () => new Noting() })
  harness.element('abc', 5)
  harness.watermark(4)
  t.same(harness.takeOutput(), [
    { kind: 'record', value: 'abc', timestamp: 5 },
    { kind: 'side', tag: 'side', value: 3, timestamp: 5 },
    { kind: 'watermark', timestamp: 4 },
  ])
  t.same(harness.takeOutput(), [])
})

t.test('harness - calls an operator as a task does', async (t) => {
  const operator = new Noting()
  const harness = await OperatorHarness.open({ operator: () => operator })
  harness.status(true)
  harness.status(true)
  harness.status(false)
  await harness.snapshot(7)
  await harness.checkpointCompleted(7)
  await harness.finish()
  await harness.close()
  t.same(operator.calls, ['idle', 'active', 'prepare 7', 'completed 7', 'finish', 'close'])
})

t.test('harness - tells an operator where it runs', async (t) => {
  const operator = new Noting()
  await OperatorHarness.open({
    operator: () => operator,
    keySelectors: [(value: string) => value] as never,
    maxParallelism: 12,
    parallelism: 3,
    subtaskIndex: 1,
    hasCheckpoints: true,
    watermarkIntervalMs: 7,
  })
  const { maxParallelism, parallelism, subtaskIndex, hasCheckpoints, watermarkIntervalMs, keyed } =
    operator.seen
  t.same(
    [maxParallelism, parallelism, subtaskIndex, hasCheckpoints, watermarkIntervalMs],
    [12, 3, 1, true, 7],
  )
  t.same(keyed?.keyGroups, { first: 4, last: 7 })
})

t.test('harness - a clock that is set calls what is due, in order, at the time it is set to', async (t) => {
  const operator = new Noting()
  const harness = await OperatorHarness.open({ operator: () => operator, processingTimeMs: 10 })
  const { processingTime, clock } = operator.seen
  const called: string[] = []
  const note = (name: string) => () => called.push(`${name} at ${processingTime.now()}`)
  processingTime.callAt(30, note('c'))
  processingTime.callAt(20, note('a'))
  clock.schedule(10, note('b'))
  processingTime.callAt(25, note('never')).cancel()
  processingTime.callAt(20, () => processingTime.callAt(22, note('from a')))
  harness.processingTime(29)
  t.same(called, ['a at 29', 'b at 29', 'from a at 29'])
  harness.processingTime(30)
  t.equal(called.length, 4)
})

class Joining extends TwoInputOperator<number, string, string> {
  override processElement1(value: number): void {
    this.output.collect(`one ${value}`)
  }

  override processElement2(value: string): void {
    this.output.collect(`two ${value}`)
  }
}

t.test('harness - inputs count from 0, and event time is that of the slower one', async (t) => {
  const harness = await OperatorHarness.open({ operator: () => new Joining(), keySelectors: [null, null] })
  harness.element(1, 5, 0)
  harness.element('x', undefined, 1)
  harness.watermark(9, 0)
  harness.watermark(8, 1)
  t.same(stamped(harness.takeOutput()), ['one 1@5', 'two x', 8])
})

t.test('harness - state goes on from a snapshot, which does not change any more', async (t) => {
  const counting = () => {
    let count!: { value(): number | undefined; update(value: number): void }
    return {
      open: (context: RuntimeContext) => {
        count = context.state(valueState<number>('count'))
      },
      processElement: (_value: string, _context: unknown, out: { collect(value: number): void }) => {
        count.update((count.value() ?? 0) + 1)
        out.collect(count.value()!)
        return undefined
      },
    }
  }
  const options = {
    operator: () => new KeyedProcessOperator<string, string, number>(counting()),
    keySelectors: [(value: string) => value] as never,
  }
  const first = await OperatorHarness.open(options)
  first.element('a')
  const snapshot = await first.snapshot()
  first.element('a')
  t.same(stamped(first.takeOutput()), [1, 2])
  for (let i = 0; i < 2; i++) {
    const next = await OperatorHarness.open({ ...options, restore: snapshot })
    next.element('a')
    t.same(stamped(next.takeOutput()), [2])
  }
})

t.test('harness - errors of functions are thrown where they were caused', async (t) => {
  const failing = (): number => {
    throw new Error('no')
  }
  const harness = await OperatorHarness.open({ operator: () => new MapOperator(failing) })
  t.throws(() => harness.element(1), { message: 'no' })
})
