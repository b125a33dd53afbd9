/**
 * What users implement. Each function is a plain function or, when it needs to be opened and closed or wants to know
 * where it runs, an object with the method of the same name. All are synchronous: a promise returned from one is
 * an error, because records must not overtake each other (asynchronous calls have an operator of their own).
 */
import type { Key } from '../base/hash.ts'
import type { Type } from '../types/type.ts'
import type { RuntimeContext } from './runtime-context.ts'

/** Nothing, and certainly no promise: `async` methods do not fit where this is returned. */
// biome-ignore lint/suspicious/noConfusingVoidType: `void` alone would accept functions that return promises
export type Synchronous = void | undefined

/** Optional life cycle of function objects. */
export interface RichFunction {
  /** Called once per subtask before the first record; may be asynchronous. */
  open?(context: RuntimeContext): void | Promise<void>
  /** Called once per subtask at the end, also after a failure. */
  close?(): void | Promise<void>
}

export interface RichMap<I, O> extends RichFunction {
  map(value: I): O
}
export interface RichFilter<I> extends RichFunction {
  filter(value: I): boolean
}
export interface RichFlatMap<I, O> extends RichFunction {
  flatMap(value: I, out: Collector<O>): Synchronous
}
export interface RichReduce<T> extends RichFunction {
  reduce(a: T, b: T): T
}

export type MapFunction<I, O> = ((value: I) => O) | RichMap<I, O>
export type FilterFunction<I> = ((value: I) => boolean) | RichFilter<I>
/** Either emits through `out` or returns an iterable of results. */
export type FlatMapFunction<I, O> =
  | ((value: I, out: Collector<O>) => Iterable<O> | Synchronous)
  | RichFlatMap<I, O>
export type ReduceFunction<T> = ((a: T, b: T) => T) | RichReduce<T>
export type KeySelector<T, K extends Key> = (value: T) => K

/** Where results go. */
export interface Collector<O> {
  collect(value: O): void
}

/** The window (and key) a result belongs to. */
export interface WindowOf<K> {
  readonly key: K
  /** First ms of the window; -Infinity in global and count windows. */
  readonly start: number
  /** First ms after the window; Infinity in global and count windows. */
  readonly end: number
}

/**
 * Incremental aggregation. `add` and `merge` may change and return the accumulator they were given.
 * `merge` is needed for session windows and lets sliding windows share work.
 */
export interface AggregateFunction<I, A, O, K = unknown> {
  /** How accumulators are stored; default: `t.any`. */
  readonly accumulatorType?: Type<A>
  createAccumulator(): A
  add(value: I, accumulator: A): A
  getResult(accumulator: A, window: WindowOf<K>): O
  merge?(a: A, b: A): A
}
