import fc from 'fast-check'
import t from 'tap'
import { outputTag } from '../../../lib/function/output-tag.ts'
import { IntervalJoinOperator, type JoinInterval } from '../../../lib/operator/interval-join-operator.ts'
import { type HarnessSnapshot, OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { MAX_TIMESTAMP } from '../../../lib/time/timestamp.ts'
import { t as types } from '../../../lib/types/t.ts'
import { runs } from '../types/schema-arbitrary.ts'
import { stamped } from './brief.ts'

const item = types.object({ key: types.string, id: types.int32 })
interface Item {
  readonly key: string
  readonly id: number
}

function open(interval: JoinInterval, hasLateOutputs = false, restore?: HarnessSnapshot) {
  const side = (tag: string) => ({ type: item, lateTag: hasLateOutputs ? outputTag(tag, item) : null })
  return OperatorHarness.open<string>({
    operator: () =>
      new IntervalJoinOperator<Item, Item, string>({
        interval,
        left: side('left'),
        right: side('right'),
        process: {
          process(left, right, { leftTimestamp, rightTimestamp, timestamp }, out) {
            out.collect(`${left.key}${left.id}@${leftTimestamp} ${right.id}@${rightTimestamp} = ${timestamp}`)
          },
        },
      }),
    keySelectors: [({ key }: Item) => key, ({ key }: Item) => key] as never,
    ...(restore === undefined ? {} : { restore }),
  })
}

t.test('interval join - both values, both times, and the later of them', async (t) => {
  const harness = await open({ lowerMs: -2, upperMs: 5 })
  harness.element({ key: 'a', id: 1 }, 10, 0)
  harness.element({ key: 'b', id: 2 }, 10, 1)
  harness.element({ key: 'a', id: 3 }, 8, 1)
  harness.element({ key: 'a', id: 4 }, 15, 1)
  harness.element({ key: 'a', id: 5 }, 16, 1)
  harness.element({ key: 'a', id: 6 }, 7, 1)
  t.same(stamped(harness.takeOutput()), ['a1@10 3@8 = 10@10', 'a1@10 4@15 = 15@15'])
  await harness.close()
})

t.test(
  'interval join - late records are dropped and counted, or go to the output of their side',
  async (t) => {
    const dropping = await open({ lowerMs: 0, upperMs: 0 })
    dropping.watermark(10, 0)
    dropping.watermark(10, 1)
    dropping.element({ key: 'a', id: 1 }, 9, 0)
    dropping.element({ key: 'a', id: 2 }, 9, 1)
    t.equal(dropping.metrics.read().late_records_dropped_total, 2)
    const keeping = await open({ lowerMs: 0, upperMs: 0 }, true)
    keeping.watermark(10, 0)
    keeping.watermark(10, 1)
    keeping.takeOutput()
    keeping.element({ key: 'a', id: 1 }, 9, 0)
    keeping.element({ key: 'a', id: 2 }, 9, 1)
    t.match(keeping.takeOutput(), [
      { kind: 'side', tag: 'left', value: { id: 1 }, timestamp: 9 },
      { kind: 'side', tag: 'right', value: { id: 2 }, timestamp: 9 },
    ])
    t.equal(keeping.metrics.read().late_records_dropped_total, 0)
    await dropping.close()
    await keeping.close()
  },
)

t.test('interval join - a record without a timestamp, or with half a one, is an error', async (t) => {
  const harness = await open({ lowerMs: 0, upperMs: 0 })
  t.throws(() => harness.element({ key: 'a', id: 1 }, undefined, 1), {
    code: 'TIMESTAMP_MISSING',
    message: /operator "operator".*watermark strategy/,
  })
  t.throws(() => harness.element({ key: 'a', id: 1 }, 1.5, 0), { code: 'TIMESTAMP_INVALID', message: /1\.5/ })
  await harness.close()
})

t.test('interval join - far-off bounds cost as many steps as there are records', async (t) => {
  const harness = await open({ lowerMs: -1e12, upperMs: 1e12 })
  harness.element({ key: 'a', id: 1 }, 0, 0)
  harness.element({ key: 'a', id: 2 }, 1e12, 1)
  t.same(stamped(harness.takeOutput()), ['a1@0 2@1000000000000 = 1000000000000@1000000000000'])
  await harness.close()
})

interface Arrival {
  readonly item: Item
  readonly timestamp: number
  readonly input: number
}

const DISORDER_MS = 10
const draws = fc.array(
  fc.record({
    key: fc.constantFrom('a', 'b'),
    input: fc.nat(1),
    step: fc.nat(6),
    behind: fc.nat(DISORDER_MS),
    next: fc.constantFrom('nothing', 'nothing', 'watermark', 'restore'),
  }),
  { maxLength: 50, size: 'max' },
)

t.test('interval join - every pair in reach comes once, and nothing is kept in the end', async (t) => {
  const bounds = fc.tuple(fc.integer({ min: -15, max: 15 }), fc.integer({ min: -15, max: 15 }))
  const property = fc.asyncProperty(bounds, draws, async (ends, events) => {
    const [lowerMs, upperMs] = [Math.min(...ends), Math.max(...ends)]
    let harness = await open({ lowerMs, upperMs })
    const arrivals: Arrival[] = []
    const found: ReturnType<typeof harness.takeOutput> = []
    let newest = 0
    let watermark = Number.NEGATIVE_INFINITY
    for (const [id, { key, input, step, behind, next }] of events.entries()) {
      newest += step
      const arrival = { item: { key, id }, timestamp: newest - behind, input }
      arrivals.push(arrival)
      harness.element(arrival.item, arrival.timestamp, input)
      if (next === 'watermark' && newest - DISORDER_MS - 1 > watermark) {
        watermark = newest - DISORDER_MS - 1
        for (const each of [0, 1]) harness.watermark(watermark, each)
      } else if (next === 'restore') {
        const output = harness.takeOutput()
        const snapshot = await harness.snapshot()
        await harness.close()
        harness = await open({ lowerMs, upperMs }, false, snapshot)
        found.push(...output)
      }
    }
    for (const each of [0, 1]) harness.watermark(MAX_TIMESTAMP, each)
    found.push(...harness.takeOutput())
    const records = found.flatMap((output) => (output.kind === 'record' ? [output.value] : []))
    const isRight = records.sort().join('\n') === expected(arrivals, lowerMs, upperMs).sort().join('\n')
    const isEmpty = harness.keyed!.size === 0
    await harness.close()
    return isRight && isEmpty
  })
  await t.resolves(fc.assert(property, runs(100)))
})

function expected(arrivals: readonly Arrival[], lowerMs: number, upperMs: number): string[] {
  const of = (input: number) => arrivals.filter((arrival) => arrival.input === input)
  return of(0).flatMap((left) =>
    of(1).flatMap((right) => {
      const distance = right.timestamp - left.timestamp
      if (left.item.key !== right.item.key || distance < lowerMs || distance > upperMs) return []
      const later = Math.max(left.timestamp, right.timestamp)
      return [
        `${left.item.key}${left.item.id}@${left.timestamp} ${right.item.id}@${right.timestamp} = ${later}`,
      ]
    }),
  )
}
