import t from 'tap'
import { outputTag } from '../../../lib/function/output-tag.ts'
import type { KeyedCoProcessFunction } from '../../../lib/function/process-functions.ts'
import {
  CoProcessOperator,
  coFlatMapAsProcess,
  coMapAsProcess,
  KeyedCoProcessOperator,
} from '../../../lib/operator/co-process-operators.ts'
import type { ValueState } from '../../../lib/state/state.ts'
import { valueState } from '../../../lib/state/state-descriptor.ts'
import { OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { MAX_TIMESTAMP } from '../../../lib/time/timestamp.ts'
import { t as types } from '../../../lib/types/t.ts'
import { stamped } from './brief.ts'

const INPUTS = [null, null]

t.test('co-process - each input has its method; time is that of both', async (t) => {
  const harness = await OperatorHarness.open<string>({
    operator: () =>
      new CoProcessOperator<number, string, string>({
        processElement1: (value, context, out) => out.collect(`one ${value} ${context.currentWatermark()}`),
        processElement2: (value, context) => context.output(outputTag('two'), value),
      }),
    keySelectors: INPUTS,
  })
  harness.element(1, 5, 0)
  harness.element('x', undefined, 1)
  harness.watermark(7, 0)
  harness.watermark(6, 1)
  harness.element(2, 8, 0)
  t.same(stamped(harness.takeOutput()), ['one 1 -Infinity@5', 'x', 6, 'one 2 6@8'])
})

t.test('co-map and co-flatMap - are co-process functions', async (t) => {
  const calls: string[] = []
  const life = { open: () => void calls.push('open'), close: () => void calls.push('close') }
  const mapping = { ...life, map1: (a: number) => a * 2, map2: (b: string) => b.length }
  const map = await OperatorHarness.open<number>({
    operator: () => new CoProcessOperator(coMapAsProcess(mapping)),
    keySelectors: INPUTS,
  })
  map.element(4, 1, 0)
  map.element('abc', 2, 1)
  t.same(stamped(map.takeOutput()), ['8@1', '3@2'])
  await map.close()
  t.same(calls, ['open', 'close'])
  const flatMap = await OperatorHarness.open<string>({
    operator: () =>
      new CoProcessOperator(
        coFlatMapAsProcess<string, number, string>({
          flatMap1(text, out) {
            for (const word of text.split(' ')) out.collect(word)
          },
          flatMap2() {},
        }),
      ),
    keySelectors: INPUTS,
  })
  flatMap.element('a b', undefined, 0)
  flatMap.element(1, undefined, 1)
  t.same(stamped(flatMap.takeOutput()), ['a', 'b'])
})

type Row = readonly [key: string, value: string]

/** Joins the last of the first input with each of the second, and forgets it after 10 ms of event time. */
class Joining implements KeyedCoProcessFunction<string, Row, Row, string> {
  #last!: ValueState<string>

  open: NonNullable<KeyedCoProcessFunction<string, Row, Row, string>['open']> = (context) => {
    this.#last = context.state(valueState('last', types.string))
  }

  processElement1: KeyedCoProcessFunction<string, Row, Row, string>['processElement1'] = (
    [, value],
    context,
  ) => {
    this.#last.update(value)
    context.registerEventTimer(context.timestamp! + 10)
  }

  processElement2: KeyedCoProcessFunction<string, Row, Row, string>['processElement2'] = (
    [key, value],
    _context,
    out,
  ) => out.collect(`${key}: ${this.#last.value()} ${value}`)

  onTimer: NonNullable<KeyedCoProcessFunction<string, Row, Row, string>['onTimer']> = (
    _timestamp,
    context,
    out,
  ) => {
    out.collect(`${context.currentKey} forgot ${this.#last.value()}`)
    this.#last.clear()
  }
}

const byKey = ([key]: Row) => key
const joining = {
  operator: () => new KeyedCoProcessOperator(new Joining()),
  keySelectors: [byKey, byKey] as never,
}

t.test('keyed co-process - both inputs share the state of the key, also after a snapshot', async (t) => {
  const before = await OperatorHarness.open<string>(joining)
  before.element(['a', 'x'], 1, 0)
  before.element(['a', '1'], 2, 1)
  before.element(['b', '2'], 3, 1)
  t.same(stamped(before.takeOutput()), ['a: x 1@2', 'b: undefined 2@3'])
  const after = await OperatorHarness.open<string>({ ...joining, restore: await before.snapshot() })
  after.element(['a', '3'], 4, 1)
  t.same(stamped(after.takeOutput()), ['a: x 3@4'])
})

t.test('keyed co-process - timers fire when both inputs have passed them', async (t) => {
  const harness = await OperatorHarness.open<string>(joining)
  harness.element(['a', 'x'], 1, 0)
  harness.watermark(MAX_TIMESTAMP, 0)
  harness.watermark(10, 1)
  t.same(stamped(harness.takeOutput()), [10])
  harness.watermark(11, 1)
  t.same(stamped(harness.takeOutput()), ['a forgot x@11', 11])
})

t.test(
  'keyed co-process - an input that returns from idleness holds time back until it has caught up',
  async (t) => {
    const harness = await OperatorHarness.open<string>(joining)
    for (const timestamp of [1, 3, 4]) harness.element([`${timestamp}`, 'x'], timestamp - 10, 0)
    harness.watermark(1, 0)
    t.same(stamped(harness.takeOutput()), [])
    harness.status(true, 1)
    t.same(stamped(harness.takeOutput()), ['1 forgot x@1', 1])
    harness.watermark(3, 0)
    t.same(stamped(harness.takeOutput()), ['3 forgot x@3', 3])
    harness.status(false, 1)
    harness.watermark(4, 0)
    t.same(stamped(harness.takeOutput()), [])
    harness.watermark(9, 1)
    t.same(stamped(harness.takeOutput()), ['4 forgot x@4', 4])
  },
)
