/** Functions that ask the outside world: what they return is waited for, while records behind them go on. */
import type { RichFunction } from './functions.ts'

/** About one request. Valid as long as the request is on its way. */
export interface AsyncContext {
  /** 1 for the first try, one more for each retry. */
  readonly attempt: number
  /** Event time of the record, if it has one. */
  readonly timestamp: number | undefined
  /** Aborted when the request has timed out or the task ends. Made when it is asked for. */
  readonly signal: AbortSignal
}

export interface RichAsyncMap<I, O> extends RichFunction {
  mapAsync(value: I, context: AsyncContext): O | Promise<O>
}
export interface RichAsyncFlatMap<I, O> extends RichFunction {
  flatMapAsync(value: I, context: AsyncContext): Iterable<O> | Promise<Iterable<O>>
}

/** One result of a record, now or later. State is not for these functions: the key would be another by then. */
export type AsyncMapFunction<I, O> = RichAsyncMap<I, O>['mapAsync'] | RichAsyncMap<I, O>
/** Any number of results of a record, now or later. */
export type AsyncFlatMapFunction<I, O> = RichAsyncFlatMap<I, O>['flatMapAsync'] | RichAsyncFlatMap<I, O>
