import t from 'tap'
import { outputTag } from '../../../lib/function/output-tag.ts'
import type {
  BroadcastProcessFunction,
  KeyedBroadcastProcessFunction,
} from '../../../lib/function/process-functions.ts'
import {
  BroadcastProcessOperator,
  KeyedBroadcastProcessOperator,
} from '../../../lib/operator/broadcast-operators.ts'
import type { ValueState } from '../../../lib/state/state.ts'
import { mapState, valueState } from '../../../lib/state/state-descriptor.ts'
import { OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { t as types } from '../../../lib/types/t.ts'
import { brief } from './brief.ts'

const FACTORS = mapState<string, number>('factors', types.int32)

type Change = readonly [name: string, factor: number | null]

const scaling: BroadcastProcessFunction<number, Change, string> = {
  processElement(value, context, out) {
    const factors = [...context.broadcastState(FACTORS).entries()].sort()
    out.collect(`${value}: ${factors.map(([name, factor]) => `${name} ${value * factor}`).join(', ')}`)
  },
  processBroadcastElement([name, factor], context) {
    if (factor === null) context.broadcastState(FACTORS).delete(name)
    else context.broadcastState(FACTORS).set(name, factor)
    context.output(outputTag('size'), context.broadcastState(FACTORS).size)
  },
}

t.test('broadcast - the state changes with one input and is read by the other', async (t) => {
  const harness = await OperatorHarness.open<string>({
    operator: () => new BroadcastProcessOperator(scaling),
    keySelectors: [null, null],
  })
  harness.element(2, 1, 0)
  harness.element(['twice', 2], 1, 1)
  harness.element(['thrice', 3], 1, 1)
  harness.element(2, 1, 0)
  harness.element(['twice', null], 1, 1)
  harness.element(2, 1, 0)
  t.same(brief(harness.takeOutput()), ['2: ', 1, 2, '2: thrice 6, twice 4', 1, '2: thrice 6'])
})

t.test('broadcast - the state goes on from a snapshot', async (t) => {
  const options = { operator: () => new BroadcastProcessOperator(scaling), keySelectors: [null, null] }
  const before = await OperatorHarness.open<string>(options)
  before.element(['twice', 2], 1, 1)
  const after = await OperatorHarness.open<string>({ ...options, restore: await before.snapshot() })
  after.element(5, 1, 0)
  t.same(brief(after.takeOutput()), ['5: twice 10'])
})

type Row = readonly [key: string, value: number]
type Command = 'list' | 'clear' | Change

const SUM = valueState<number>('sum', types.int32)

/** Sums by key, times a factor that is broadcast; says sums after 10 ms of event time. */
class Sums implements KeyedBroadcastProcessFunction<string, Row, Command, string> {
  #sum!: ValueState<number>

  open: NonNullable<KeyedBroadcastProcessFunction<string, Row, Command, string>['open']> = (context) => {
    this.#sum = context.state(SUM)
  }

  processElement: KeyedBroadcastProcessFunction<string, Row, Command, string>['processElement'] = (
    [, value],
    context,
  ) => {
    const factor = context.broadcastState(FACTORS).get('all') ?? 1
    this.#sum.update((this.#sum.value() ?? 0) + value * factor)
    context.registerEventTimer(context.timestamp! + 10)
  }

  processBroadcastElement: KeyedBroadcastProcessFunction<
    string,
    Row,
    Command,
    string
  >['processBroadcastElement'] = (command, context, out) => {
    if (typeof command !== 'string') context.broadcastState(FACTORS).set(command[0], command[1]!)
    else if (command === 'list') {
      context.applyToKeyedState(SUM, (key, sum) => out.collect(`${key} ${sum.value()}`))
      out.collect(`at ${context.timestamp}, watermark ${context.currentWatermark()}`)
    } else context.applyToKeyedState(SUM, (_key, sum) => sum.clear())
  }

  onTimer: NonNullable<KeyedBroadcastProcessFunction<string, Row, Command, string>['onTimer']> = (
    timestamp,
    context,
    out,
  ) => {
    const factor = context.broadcastState(FACTORS).get('all')
    out.collect(`${context.currentKey} ${this.#sum.value()} at ${timestamp}, factor ${factor}`)
  }
}

const summing = {
  operator: () => new KeyedBroadcastProcessOperator(new Sums()),
  keySelectors: [([key]: Row) => key, null] as never,
}

t.test('keyed broadcast - state of all keys can be visited and changed', async (t) => {
  const harness = await OperatorHarness.open<string>(summing)
  harness.element(['a', 1], 1, 0)
  harness.element(['all', 10], 1, 1)
  harness.element(['b', 2], 1, 0)
  harness.element(['a', 3], 1, 0)
  harness.element('list', 5, 1)
  t.same(brief(harness.takeOutput()), ['a 31', 'b 20', 'at 5, watermark -Infinity'])
  harness.element('clear', 6, 1)
  harness.element('list', 7, 1)
  t.same(brief(harness.takeOutput()), ['at 7, watermark -Infinity'])
})

t.test('keyed broadcast - timers fire with their key and see the broadcast state', async (t) => {
  const harness = await OperatorHarness.open<string>(summing)
  harness.element(['a', 1], 1, 0)
  harness.element(['b', 2], 2, 0)
  harness.element(['all', 10], 1, 1)
  harness.watermark(20, 0)
  harness.watermark(11, 1)
  t.same(brief(harness.takeOutput()), ['a 1 at 11, factor 10', 11])
  harness.element('list', 12, 1)
  t.same(brief(harness.takeOutput()), ['a 1', 'b 2', 'at 12, watermark 11'])
})

t.test('keyed broadcast - both kinds of state and the timers go on from a snapshot', async (t) => {
  const before = await OperatorHarness.open<string>(summing)
  before.element(['a', 1], 1, 0)
  before.element(['all', 10], 1, 1)
  const after = await OperatorHarness.open<string>({ ...summing, restore: await before.snapshot() })
  after.element(['a', 2], 3, 0)
  after.watermark(11, 1)
  after.watermark(11, 0)
  t.same(brief(after.takeOutput()), ['a 21 at 11, factor 10', 11])
})
