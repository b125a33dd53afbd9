/** What becomes of processing-time timers that came due while the job was down. */
import t from 'tap'
import { KeyedProcessOperator } from '../../../lib/operator/process-operators.ts'
import { bufferedContents } from '../../../lib/operator/window-contents.ts'
import { WindowOperator } from '../../../lib/operator/window-operator.ts'
import type { HarnessOptions, HarnessSnapshot } from '../../../lib/testing/operator-harness.ts'
import { OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import type { TimersOnRestore } from '../../../lib/time/restored-timers.ts'
import { t as types } from '../../../lib/types/t.ts'
import {
  continuousProcessingTimeTrigger,
  processingTimeTrigger,
  type Trigger,
} from '../../../lib/window/trigger.ts'
import {
  sessionProcessingTime,
  tumbling,
  tumblingProcessingTime,
  type WindowAssigner,
} from '../../../lib/window/window-assigner.ts'
import { graphOf, numbers } from '../../support/build-graph.ts'
import { brief } from './brief.ts'

const Order = types.tuple(types.string, types.int64)
type Order = readonly [key: string, dueMs: number]

const keySelectors = [([key]: Order) => key] as never

/** Sets a timer for what a record says, and tells when it has fired. */
const alarm = (): KeyedProcessOperator<string, Order, string> =>
  new KeyedProcessOperator({
    processElement: ([, dueMs], context) => context.registerProcessingTimer(dueMs),
    onTimer: (timestamp, context, out) =>
      out.collect(`${context.currentKey} due ${timestamp} at ${context.processingTime()}`),
  })

async function restored<O>(
  options: HarnessOptions<O>,
  restore: HarnessSnapshot,
  processingTimeMs: number,
): Promise<OperatorHarness<O>> {
  return OperatorHarness.open({ ...options, keySelectors, restore, processingTimeMs })
}

/** Timers at 50, 100 and 300 ms; the clock stands at 60 when the snapshot is taken, and at 200 after the restore. */
async function alarmsAfterRestore(timersOnRestore?: TimersOnRestore) {
  const options: HarnessOptions<string> = {
    operator: alarm,
    keySelectors,
    ...(timersOnRestore === undefined ? {} : { timersOnRestore }),
  }
  const first = await OperatorHarness.open(options)
  for (const [key, dueMs] of [
    ['a', 50],
    ['a', 100],
    ['b', 100],
    ['b', 300],
  ] as const)
    first.element([key, dueMs])
  first.processingTime(60)
  first.takeOutput()
  return restored(options, await first.snapshot(), 200)
}

t.test(
  'restored timers - those that came due meanwhile fire at once unless something else is chosen',
  async (t) => {
    for (const harness of [await alarmsAfterRestore(), await alarmsAfterRestore('fire')]) {
      harness.processingTime(200)
      t.same(brief(harness.takeOutput()), ['a due 100 at 200', 'b due 100 at 200'])
      harness.processingTime(300)
      t.same(brief(harness.takeOutput()), ['b due 300 at 300'])
    }
  },
)

t.test('restored timers - they can be skipped', async (t) => {
  const harness = await alarmsAfterRestore('skip')
  harness.processingTime(200)
  t.same(brief(harness.takeOutput()), [])
  harness.processingTime(300)
  t.same(brief(harness.takeOutput()), ['b due 300 at 300'], 'those of the future are left')
})

t.test('restored timers - they can be shifted by as long as the job was down', async (t) => {
  const harness = await alarmsAfterRestore('shift')
  harness.processingTime(239)
  t.same(brief(harness.takeOutput()), [])
  harness.processingTime(240)
  t.same(brief(harness.takeOutput()), ['a due 240 at 240', 'b due 240 at 240'])
  harness.processingTime(440)
  t.same(brief(harness.takeOutput()), ['b due 440 at 440'])
})

t.test(
  'restored timers - what was due before the snapshot and had not fired yet is not skipped',
  async (t) => {
    const options: HarnessOptions<string> = { operator: alarm, keySelectors, timersOnRestore: 'skip' }
    const first = await OperatorHarness.open(options)
    first.processingTime(100)
    first.element(['a', 90])
    const harness = await restored(options, await first.snapshot(), 200)
    harness.processingTime(200)
    t.same(brief(harness.takeOutput()), ['a due 90 at 200'])
  },
)

t.test(
  'restored timers - the choice may be made after the snapshot, and made anew at the next restore',
  async (t) => {
    const first = await alarmsAfterRestore('fire')
    const options: HarnessOptions<string> = { operator: alarm, keySelectors, timersOnRestore: 'shift' }
    const second = await restored(options, await first.snapshot(), 1200)
    second.processingTime(1299)
    t.same(brief(second.takeOutput()).length, 2, 'the two that were due before the second snapshot')
    second.processingTime(1300)
    t.same(brief(second.takeOutput()), ['b due 1300 at 1300'])
  },
)

t.test(
  'restored timers - without a choice snapshots of operators without such timers say nothing more',
  async (t) => {
    const harness = await OperatorHarness.open({ operator: alarm, keySelectors })
    t.same((await harness.snapshot()).operator, [])
  },
)

function windows(assigner: WindowAssigner<Order>, trigger: Trigger<Order>): HarnessOptions<string> {
  const contents = bufferedContents<Order, string>(Order, {
    process: (key, { window: { start, end } }, elements, out) =>
      out.collect(`${key} ${start}-${end}: ${[...elements].length}`),
  })
  return {
    operator: () => new WindowOperator({ assigner, trigger, contents, allowedLatenessMs: 0, lateTag: null }),
    keySelectors,
    timersOnRestore: 'skip',
  }
}

/** Records now; a snapshot at 60; the output of the clock's way from 200 to 500 after a restore. */
async function windowsAfterRestore(options: HarnessOptions<string>) {
  const first = await OperatorHarness.open(options)
  first.processingTime(10)
  first.element(['a', 0], 0)
  first.processingTime(60)
  const brought = brief(first.takeOutput())
  const harness = await restored(options, await first.snapshot(), 200)
  harness.element(['a', 0], 0)
  for (let nowMs = 200; nowMs <= 500; nowMs += 10) harness.processingTime(nowMs)
  return { brought, after: brief(harness.takeOutput()), harness }
}

t.test(
  'restored timers - a processing-time window that ended meanwhile is skipped with what is in it',
  async (t) => {
    for (const assigner of [
      tumblingProcessingTime(100),
      sessionProcessingTime(100),
    ] as WindowAssigner<Order>[]) {
      const { after, harness } = await windowsAfterRestore(windows(assigner, processingTimeTrigger()))
      t.same(after, ['a 200-300: 1'])
      t.equal(harness.keyed?.size, 0, 'nothing is left of it')
    }
  },
)

t.test('restored timers - the same windows fire at once by default', async (t) => {
  const options = windows(tumblingProcessingTime(100), processingTimeTrigger())
  const { after } = await windowsAfterRestore({ ...options, timersOnRestore: 'fire' })
  t.same(after, ['a 0-100: 1', 'a 200-300: 1'])
})

t.test('restored timers - triggers go on, whose next timer is set by the one before', async (t) => {
  const { after } = await windowsAfterRestore(windows(tumbling(1000), continuousProcessingTimeTrigger(100)))
  t.same(after, Array(5).fill('a 0-1000: 2'), 'two at once, for 100 and 200 ms, then one each')
})

t.test('restored timers - a choice that makes no sense is refused when the graph is built', async (t) => {
  const of =
    (timersOnRestore: never, isKeyed = true) =>
    () =>
      graphOf((env) => {
        const stream = env.source(numbers(1))
        const keyed = stream.keyBy((n) => n)
        const options = { timersOnRestore }
        if (isKeyed) keyed.process<number>({ processElement() {} }, options)
        else stream.map((n) => n, options)
      })
  t.throws(of('later' as never), {
    code: 'GRAPH_INVALID',
    message: /expected fire, skip, shift, found "later"/,
  })
  t.throws(of('skip' as never, false), { code: 'GRAPH_INVALID', message: /call keyBy first/ })
  t.doesNotThrow(of('skip' as never))
  const window = () =>
    graphOf((env) => {
      const assigner = tumblingProcessingTime(100)
      env
        .source(numbers(1))
        .keyBy((n) => n)
        .window(assigner)
        .reduce((a) => a, { timersOnRestore: 'shift' })
    })
  t.throws(window, {
    code: 'GRAPH_INVALID',
    message: /cannot be "shift", since the ends of windows are fixed/,
  })
})
