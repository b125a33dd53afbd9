/**
 * Functions over pairs of records of two streams, and over the records of both in a window. As elsewhere, `map` makes
 * one result, `flatMap` any number of them, `process` sees time, state and side outputs too.
 */
import type { Key } from '../base/hash.ts'
import type { Collector, RichFunction, Synchronous } from './functions.ts'
import type { ProcessContext } from './process-functions.ts'
import type { ProcessWindowContext } from './window-function.ts'

export interface RichJoin<L, R, O> extends RichFunction {
  map(left: L, right: R): O
}
export interface RichFlatJoin<L, R, O> extends RichFunction {
  flatMap(left: L, right: R, out: Collector<O>): Synchronous
}

/** One result of a pair. */
export type JoinFunction<L, R, O> = ((left: L, right: R) => O) | RichJoin<L, R, O>
/** Any number of results of a pair. */
export type FlatJoinFunction<L, R, O> = RichFlatJoin<L, R, O>['flatMap'] | RichFlatJoin<L, R, O>

/** Of the pair in hand; its `timestamp`, which results get, is the later of the two. */
export interface ProcessJoinContext extends ProcessContext {
  readonly leftTimestamp: number
  readonly rightTimestamp: number
}

export interface RichProcessJoin<L, R, O> extends RichFunction {
  process(left: L, right: R, context: ProcessJoinContext, out: Collector<O>): Synchronous
}

/** What an interval join does with a pair. Flink's ProcessJoinFunction. */
export type ProcessJoinFunction<L, R, O> = RichProcessJoin<L, R, O>['process'] | RichProcessJoin<L, R, O>

export interface RichCoGroup<L, R, O, K extends Key> extends RichFunction {
  /** Called once per key, window and firing; one of the two may be empty. */
  process(
    key: K,
    context: ProcessWindowContext<K>,
    left: readonly L[],
    right: readonly R[],
    out: Collector<O>,
  ): Synchronous
  /** The window goes away for good. */
  clear?(context: ProcessWindowContext<K>): Synchronous
}

/** What a window that two streams share comes to. Flink's CoGroupFunction, with the context of a window function. */
export type CoGroupFunction<L, R, O, K extends Key> =
  | RichCoGroup<L, R, O, K>
  | RichCoGroup<L, R, O, K>['process']
