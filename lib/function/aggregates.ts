/**
 * Aggregates that everybody needs, and how several become one: for `aggregate`, with windows and without, and for
 * `aggregatingState`. All of them merge, and say how their accumulators are stored.
 *
 *     aggregates({
 *       bids: count(),
 *       bidders: countDistinct((bid: Bid) => bid.bidder),
 *       cheap: filtered((bid: Bid) => bid.price < 100, count()),
 *     })
 *
 * What a selector returns as null or undefined is left out, as in SQL; of no values at all `count`, `countDistinct` and
 * `sum` are 0, the others null.
 */
import { SluiceError } from '../base/errors.ts'
import { Code, key, quote } from '../types/code.ts'
import { flatText } from '../types/detach-code.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import {
  addToSketch,
  type Distinct,
  estimateOf,
  mergeSketch,
  newSketch,
  SKETCH_ERROR_MAX,
  SKETCH_ERROR_MIN,
} from './distinct-sketch.ts'
import type { AggregateFunction } from './functions.ts'

/** An aggregate that can be merged, whatever the key. */
export interface MergeableAggregate<I, A, O> extends AggregateFunction<I, A, O> {
  readonly accumulatorType: Type<A>
  merge(a: A, b: A): A
}

type Absent = null | undefined

/** How many records. */
export function count(): MergeableAggregate<unknown, number, number> {
  return {
    accumulatorType: t.int64,
    createAccumulator: () => 0,
    add: (_value, n) => n + 1,
    merge: (a, b) => a + b,
    getResult: (n) => n,
  }
}

/** The sum of numbers; exact up to 2^53. */
export function sum<I>(of: (value: I) => number | Absent): MergeableAggregate<I, number, number> {
  return {
    accumulatorType: t.float64,
    createAccumulator: () => 0,
    add: (value, total) => total + (of(value) ?? 0),
    merge: (a, b) => a + b,
    getResult: (total) => total,
  }
}

export function min<I>(
  of: (value: I) => number | Absent,
): MergeableAggregate<I, number | null, number | null> {
  return extreme(of, Math.min)
}

export function max<I>(
  of: (value: I) => number | Absent,
): MergeableAggregate<I, number | null, number | null> {
  return extreme(of, Math.max)
}

function extreme<I>(
  of: (value: I) => number | Absent,
  better: (a: number, b: number) => number,
): MergeableAggregate<I, number | null, number | null> {
  const merge = (a: number | null, b: number | null) => (a === null ? b : b === null ? a : better(a, b))
  return {
    accumulatorType: t.nullable(t.float64),
    createAccumulator: () => null,
    add: (value, best) => merge(best, of(value) ?? null),
    merge,
    getResult: (best) => best,
  }
}

export interface Mean {
  count: number
  sum: number
}

/** The mean of numbers. */
export function average<I>(of: (value: I) => number | Absent): MergeableAggregate<I, Mean, number | null> {
  return {
    accumulatorType: t.object({ count: t.int64, sum: t.float64 }),
    createAccumulator: () => ({ count: 0, sum: 0 }),
    add(value, mean) {
      const number = of(value)
      if (number === null || number === undefined) return mean
      mean.count++
      mean.sum += number
      return mean
    },
    merge(a, b) {
      a.count += b.count
      a.sum += b.sum
      return a
    },
    getResult: ({ count, sum }) => (count === 0 ? null : sum / count),
  }
}

/**
 * How many different values, exactly: the accumulator is the set of them. Numbers are compared as keys of a `Map` are
 * (NaN equals itself, -0 equals 0); for several fields together make a text of them. `type` says how the values are
 * stored; default `t.any`.
 *
 * Changes to the set are stored as the whole set, so it is meant for some thousands of values per key (and window).
 * Beyond: {@link approximateCountDistinct}, or a process function with map state, whose entries are stored one by one.
 */
export function countDistinct<I, D extends Distinct>(
  of: (value: I) => D | Absent,
  { type = t.any as Type<D> }: { readonly type?: Type<D> } = {},
): MergeableAggregate<I, Map<D, true>, number> {
  return {
    accumulatorType: t.map(type, t.boolean) as unknown as Type<Map<D, true>>,
    createAccumulator: () => new Map(),
    add(value, seen) {
      const element = of(value)
      if (element === null || element === undefined || seen.has(element)) return seen
      // A text that was decoded is part of that of its whole batch, which would stay as long as the set does.
      return seen.set(typeof element === 'string' ? (flatText(element) as D) : element, true)
    },
    merge(a, b) {
      for (const element of b.keys()) a.set(element, true)
      return a
    },
    getResult: (seen) => seen.size,
  }
}

/**
 * About how many different values, out of an accumulator whose size does not depend on their number. `error` is the
 * relative standard error: two results of three are off by less, 19 of 20 by less than twice as much; default 0.02. It
 * takes 1.1 / error^2 bytes, up to twice as many: 4 KB by default. Throws GRAPH_INVALID unless `error` is between
 * 0.0041 and 0.26.
 */
export function approximateCountDistinct<I>(
  of: (value: I) => Distinct | Absent,
  { error = 0.02 }: { readonly error?: number } = {},
): MergeableAggregate<I, Uint8Array, number> {
  if (!(error >= SKETCH_ERROR_MIN && error <= SKETCH_ERROR_MAX)) {
    throw new SluiceError(
      'GRAPH_INVALID',
      `the error of approximateCountDistinct must be between ${SKETCH_ERROR_MIN.toFixed(4)} and ${SKETCH_ERROR_MAX}, found ${error}`,
    )
  }
  return {
    accumulatorType: t.bytes,
    createAccumulator: () => newSketch(error),
    add(value, sketch) {
      const element = of(value)
      if (element !== null && element !== undefined) addToSketch(sketch, element)
      return sketch
    },
    merge(a, b) {
      mergeSketch(a, b)
      return a
    },
    getResult: estimateOf,
  }
}

/** An aggregate over the records for which `where` is true: `FILTER (WHERE ...)` in SQL. */
export function filtered<I, A, O, F extends AggregateFunction<I, A, O, never>>(
  where: (value: I) => boolean,
  aggregate: F & AggregateFunction<I, A, O, never>,
): F {
  return {
    ...aggregate,
    add: (value: I, accumulator: A) => (where(value) ? aggregate.add(value, accumulator) : accumulator),
  }
}

// biome-ignore-start lint/suspicious/noExplicitAny: accumulators and results are inferred from the fields, each its own
type AggregateFields = Readonly<Record<string, AggregateFunction<any, any, any, any>>>
type InputOf<F> = F extends AggregateFunction<infer I, any, any, any> ? I : never
type AccumulatorOf<F> = F extends AggregateFunction<any, infer A, any, any> ? A : never
type ResultOf<F> = F extends AggregateFunction<any, any, infer O, any> ? O : never
// biome-ignore-end lint/suspicious/noExplicitAny: as above
type Intersection<U> = (U extends unknown ? (value: U) => void : never) extends (value: infer I) => void
  ? I
  : never

/** A record that each of the aggregates takes. */
export type InputsOf<F> = Intersection<{ [N in keyof F]: InputOf<F[N]> }[keyof F]>
export type AccumulatorsOf<F> = { -readonly [N in keyof F]: AccumulatorOf<F[N]> }
export type ResultsOf<F> = { -readonly [N in keyof F]: ResultOf<F[N]> }

/**
 * Several aggregates over the same records as one, whose result is an object with the result of each, by its name. It
 * can be merged if all of them can. Selectors say what their records are: `(bid: Bid) => bid.bidder`.
 */
export function aggregates<F extends AggregateFields>(
  fields: F,
): AggregateFunction<InputsOf<F>, AccumulatorsOf<F>, ResultsOf<F>> {
  const entries = Object.entries(fields)
  const types = entries.map(([name, { accumulatorType }]) => [name, accumulatorType ?? t.any])
  const code = new Code()
  const parts = entries.map(([name, part]) => {
    const id = code.constant(part)
    return { id, name: key(name), own: (bag: string) => `${bag}[${quote(name)}]` }
  })
  // Code of its own, so that every call has one target and every object one shape.
  const object = (make: (part: (typeof parts)[number]) => string) =>
    `({ ${parts.map((part) => `${part.name}: ${make(part)}`).join(', ')} })`
  const each = (step: (part: (typeof parts)[number]) => string) => parts.map(step).join(' ')
  const methods = [
    `createAccumulator() { return ${object(({ id }) => `${id}.createAccumulator()`)} }`,
    `add(value, bag) { ${each(({ id, own }) => `${own('bag')} = ${id}.add(value, ${own('bag')});`)} return bag }`,
    `getResult(bag, window) { return ${object(({ id, own }) => `${id}.getResult(${own('bag')}, window)`)} }`,
  ]
  if (entries.every(([, { merge }]) => merge !== undefined)) {
    methods.push(
      `merge(a, b) { ${each(({ id, own }) => `${own('a')} = ${id}.merge(${own('a')}, ${own('b')});`)} return a }`,
    )
  }
  return {
    accumulatorType: t.object(Object.fromEntries(types)) as unknown as Type<AccumulatorsOf<F>>,
    ...code.evaluate<AggregateFunction<InputsOf<F>, AccumulatorsOf<F>, ResultsOf<F>>>(
      `{ ${methods.join(', ')} }`,
    ),
  }
}
