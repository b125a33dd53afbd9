/** Operators whose results replace each other: aggregate, deduplicate, top-N. */
import fc from 'fast-check'
import t from 'tap'
import { AggregateOperator } from '../../../lib/operator/aggregate-operator.ts'
import { KeepByOrderOperator, KeepFirstOperator } from '../../../lib/operator/deduplicate-operator.ts'
import type { StreamOperator } from '../../../lib/operator/stream-operator.ts'
import { TopNOperator } from '../../../lib/operator/top-n-operator.ts'
import { OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { t as types } from '../../../lib/types/t.ts'
import { runs } from '../types/schema-arbitrary.ts'
import { stamped } from './brief.ts'

/** A key, a digit to order by, and a number that tells one record from all others. */
const record = types.object({ key: types.string, digit: types.int64, id: types.int64 })
interface Value {
  key: string
  digit: number
  id: number
}

const keySelectors = [({ key }: Value) => key] as never
const byDigit = (a: Value, b: Value) => a.digit - b.digit
const brief = ({ key, digit, id }: Value) => `${key}${digit}#${id}`

interface Updating {
  readonly operator: () => StreamOperator<unknown>
  /** What comes out for the last of the records of one key. */
  readonly expected: (records: readonly Value[]) => unknown[]
}

const sum = {
  accumulatorType: types.int64,
  createAccumulator: () => 0,
  add: ({ digit }: Value, sum: number) => sum + digit,
  getResult: (sum: number, { key, start, end }: { key: string; start: number; end: number }) =>
    `${key} ${sum} ${start} ${end}`,
}

const stable = (records: readonly Value[]) => [...records].sort(byDigit)

const TOP = 3

/** The ranks as they are after these records. */
const ranksOf = (records: readonly Value[]) =>
  stable(records)
    .slice(0, TOP)
    .map((value, i) => `${i + 1}:${brief(value)}`)

const OPERATORS: Record<string, Updating> = {
  aggregate: {
    operator: () => new AggregateOperator<string, Value, number, string>(sum, types.int64, {}),
    expected: (records) => {
      const total = records.reduce((sum, { digit }) => sum + digit, 0)
      return [`${records[0]!.key} ${total} -Infinity Infinity`]
    },
  },
  'deduplicate, keep first': {
    operator: () => new KeepFirstOperator<Value>({}),
    expected: (records) => (records.length === 1 ? [...records] : []),
  },
  'deduplicate by order': {
    operator: () => new KeepByOrderOperator<Value>(byDigit, record, {}),
    expected: (records) => {
      const [now, before] = [stable(records)[0]!, stable(records.slice(0, -1))[0]]
      return now.id === before?.id ? [] : [now]
    },
  },
  'top-N': {
    operator: () =>
      new TopNOperator<Value, string>({
        count: TOP,
        order: byDigit,
        type: record,
        result: (value, rank) => `${rank}:${brief(value)}`,
      }),
    expected: (records) => {
      const before = ranksOf(records.slice(0, -1))
      return ranksOf(records).filter((row) => !before.includes(row))
    },
  },
}

const streams = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(9), fc.nat(5)), {
  maxLength: 60,
  size: 'max',
})

for (const [name, { operator, expected }] of Object.entries(OPERATORS)) {
  t.test(`${name} - what a batch over the records so far gives, also after snapshots`, async (t) => {
    const property = fc.asyncProperty(streams, async (list) => {
      const records: Value[] = []
      let harness = await OperatorHarness.open<unknown>({ operator, keySelectors })
      for (const [id, [key, digit, dice]] of list.entries()) {
        records.push({ key, digit, id })
        harness.element({ key, digit, id }, id)
        const found = harness.takeOutput().map((output) => (output as { value: unknown }).value)
        const wanted = expected(records.filter((each) => each.key === key))
        if (JSON.stringify(found) !== JSON.stringify(wanted)) return false
        if (dice === 0) {
          const restore = await harness.snapshot()
          harness = await OperatorHarness.open<unknown>({ operator, keySelectors, restore })
        }
      }
      return true
    })
    await t.resolves(fc.assert(property, runs(60)))
  })
}

t.test('updating operators - results carry the time of the record, watermarks pass', async (t) => {
  for (const [name, { operator }] of Object.entries(OPERATORS)) {
    const harness = await OperatorHarness.open<unknown>({ operator, keySelectors })
    harness.element({ key: 'a', digit: 1, id: 0 }, 7)
    harness.watermark(9)
    const [result, watermark] = harness.takeOutput()
    t.match(result, { kind: 'record', timestamp: 7 }, name)
    t.match(watermark, { kind: 'watermark', timestamp: 9 }, name)
  }
})

t.test('updating operators - with a time-to-live they forget', async (t) => {
  const ttl = { after: 10 } as const
  const operators: [string, () => StreamOperator<unknown>, unknown[]][] = [
    [
      'aggregate',
      () => new AggregateOperator<string, Value, number, string>(sum, types.int64, { ttl }),
      ['a 5 -Infinity Infinity'],
    ],
    ['keep first', () => new KeepFirstOperator<Value>({ ttl }), [{ key: 'a', digit: 5, id: 1 }]],
    [
      'keep by order',
      () => new KeepByOrderOperator<Value>(byDigit, record, { ttl }),
      [{ key: 'a', digit: 5, id: 1 }],
    ],
    [
      'top-N',
      () =>
        new TopNOperator<Value, string>({
          count: TOP,
          order: byDigit,
          type: record,
          result: (v, rank) => `${rank}:${brief(v)}`,
          ttl,
        }),
      ['1:a5#1'],
    ],
  ]
  for (const [name, operator, expected] of operators) {
    const harness = await OperatorHarness.open<unknown>({ operator, keySelectors })
    harness.element({ key: 'a', digit: 1, id: 0 })
    harness.takeOutput()
    harness.processingTime(10)
    harness.element({ key: 'a', digit: 5, id: 1 })
    t.same(stamped(harness.takeOutput()), expected, name)
  }
})
