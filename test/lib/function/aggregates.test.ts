/** The aggregates against what an array of all the values says, added in one piece and merged out of several. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { DataStream, KeyedStream } from '../../../lib/api/streams.ts'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import {
  aggregates,
  approximateCountDistinct,
  average,
  count,
  countDistinct,
  filtered,
  max,
  min,
  sum,
} from '../../../lib/function/aggregates.ts'
import type { Distinct } from '../../../lib/function/distinct-sketch.ts'
import type { AggregateFunction } from '../../../lib/function/functions.ts'
import { t as types } from '../../../lib/types/t.ts'

interface Row {
  readonly n: number | null
  readonly id: Distinct | undefined
}

const row: fc.Arbitrary<Row> = fc.record({
  n: fc.option(fc.integer({ min: -9, max: 9 })),
  id: fc.option(
    fc.oneof(
      fc.constantFrom<Distinct>('1', 1, 1n, true, 'true', 0, -0, Number.NaN, 0.5, ''),
      fc.string({ maxLength: 2 }),
    ),
    { nil: undefined },
  ),
})

const WINDOW = { key: 'k', start: 0, end: 1 }

const everything = aggregates({
  rows: count(),
  sum: sum(({ n }: Row) => n),
  min: min(({ n }: Row) => n),
  max: max(({ n }: Row) => n),
  average: average(({ n }: Row) => n),
  distinct: countDistinct(({ id }: Row) => id),
  positive: filtered(({ n }: Row) => (n ?? 0) > 0, count()),
  distinctOfPositive: filtered(
    ({ n }: Row) => (n ?? 0) > 0,
    countDistinct(({ id }: Row) => id),
  ),
  about: approximateCountDistinct(({ id }: Row) => id),
})

function expected(rows: readonly Row[]) {
  const numbers = rows.flatMap(({ n }) => (n === null ? [] : [n]))
  const positive = rows.filter(({ n }) => (n ?? 0) > 0)
  const distinct = (of: readonly Row[]) =>
    new Set(of.flatMap(({ id }) => (id === undefined ? [] : [id]))).size
  const total = numbers.reduce((a, b) => a + b, 0)
  return {
    rows: rows.length,
    sum: total,
    min: numbers.length === 0 ? null : Math.min(...numbers),
    max: numbers.length === 0 ? null : Math.max(...numbers),
    average: numbers.length === 0 ? null : total / numbers.length,
    distinct: distinct(rows),
    positive: positive.length,
    distinctOfPositive: distinct(positive),
  }
}

const addAll = <I, A>(aggregate: AggregateFunction<I, A, unknown>, rows: readonly I[]): A => {
  let accumulator = aggregate.createAccumulator()
  for (const each of rows) accumulator = aggregate.add(each, accumulator)
  return accumulator
}

/** As state would have it back. */
function stored<A>(aggregate: AggregateFunction<never, A, unknown>, accumulator: A): A {
  const out = new ByteWriter()
  aggregate.accumulatorType!.row.write(out, accumulator)
  return aggregate.accumulatorType!.row.read(new ByteReader(out.toUint8Array()))
}

t.test('aggregates - what all the records say, in whatever parts they are added and merged', async (t) => {
  const property = fc.property(
    fc.array(fc.array(row, { maxLength: 12 }), { minLength: 1, maxLength: 5 }),
    (parts) => {
      const merged = parts
        .map((rows) => stored(everything, addAll(everything, rows)))
        .reduce((a, b) => everything.merge!(a, b))
      const { about, ...exact } = everything.getResult(merged, WINDOW)
      const wanted = expected(parts.flat())
      assert.deepEqual(exact, wanted)
      return Math.abs(about - wanted.distinct) <= 1
    },
  )
  t.doesNotThrow(() => fc.assert(property, { numRuns: 200, seed: 1 }))
})

t.test('aggregates - what cannot be merged makes the whole so', async (t) => {
  const { merge: _, ...unmergeable } = count()
  t.equal(aggregates({ a: count(), b: unmergeable }).merge, undefined)
  t.type(aggregates({ a: count(), b: count() }).merge, 'function')
})

t.test('aggregates - each sees the window', async (t) => {
  const key: AggregateFunction<unknown, number, string, string> = {
    createAccumulator: () => 0,
    add: (_value, n) => n + 1,
    getResult: (n, { key, end }) => `${key} ${end}: ${n}`,
  }
  const both = aggregates({ key, rows: count() })
  t.same(both.getResult(addAll(both, [1, 2]), WINDOW), { key: 'k 1: 2', rows: 2 })
})

t.test('aggregates - typed by what they are of', async () => {
  const check = (stream: KeyedStream<string, Row>) => {
    const results = stream.aggregate(aggregates({ rows: count(), most: max(({ n }: Row) => n) }))
    const typed: DataStream<{ rows: number; most: number | null }> = results
    // @ts-expect-error the records have no such field
    stream.aggregate(aggregates({ other: sum(({ other }: { other: number }) => other) }))
    // @ts-expect-error of a single one the record is known
    stream.aggregate(sum((value) => value.other))
    return typed
  }
  t.type(check, 'function')
})

t.test('count distinct - a type of its own for what is stored', async (t) => {
  const distinct = countDistinct((n: number) => n, { type: types.int64 })
  const seen = addAll(distinct, [3, 4, 3])
  t.equal(distinct.getResult(stored(distinct, seen), WINDOW), 2)
  t.match(distinct.accumulatorType.schema, { kind: 'map', key: { kind: 'int64' } })
})

/** Values that differ little, as ids do. */
const SERIES: Record<string, (i: number) => Distinct> = {
  integers: (i) => i,
  'multiples of 1024': (i) => i * 1024,
  fractions: (i) => i / 7,
  texts: (i) => `user-${i}`,
  'texts of letters': (i) => String.fromCharCode(65 + (i % 26), 65 + ((i / 26) % 26), 65 + i / 676),
  bigints: (i) => BigInt(i) << 70n,
}

t.test(
  'approximate count distinct - within a few standard errors, for few values and for many',
  async (t) => {
    for (const [name, nth] of Object.entries(SERIES)) {
      for (const error of [0.01, 0.02, 0.1]) {
        const about = approximateCountDistinct((value: Distinct) => value, { error })
        const accumulator = about.createAccumulator()
        let i = 0
        for (const size of [1, 10, 100, 1000, 15_000]) {
          for (; i < size; i++) about.add(nth(i), accumulator)
          const off = Math.abs(about.getResult(accumulator, WINDOW) - size) / size
          t.ok(off <= 3.5 * error, `${size} ${name} with error ${error}: off by ${off}`)
        }
        for (let again = 0; again < 1000; again++) about.add(nth(again), accumulator)
        t.ok(
          Math.abs(about.getResult(accumulator, WINDOW) - i) / i <= 3.5 * error,
          'seen before, counted before',
        )
      }
    }
  },
)

t.test('approximate count distinct - off by no more than it says, on the whole', async (t) => {
  const about = approximateCountDistinct((n: number) => n, { error: 0.02 })
  let squares = 0
  const trials = 200
  for (let trial = 0; trial < trials; trial++) {
    const accumulator = about.createAccumulator()
    for (let i = 0; i < 3000; i++) about.add(trial * 10_000 + i, accumulator)
    squares += (about.getResult(accumulator, WINDOW) / 3000 - 1) ** 2
  }
  const error = Math.sqrt(squares / trials)
  t.ok(error < 0.02, `standard error ${error}`)
  t.ok(error > 0.005, 'and is not exact')
})

t.test('approximate count distinct - an error it cannot have is refused', async (t) => {
  for (const error of [0, 0.003, 0.3, 1, Number.NaN]) {
    t.throws(() => approximateCountDistinct((n: number) => n, { error }), {
      code: 'GRAPH_INVALID',
      message: /between 0.0041 and 0.26/,
    })
  }
})
