/**
 * The DataStream API on one page. Streams are descriptions: nothing runs until the job does. Every operation returns a
 * new stream, and a stream may be used any number of times.
 */
import type { Key } from '../base/hash.ts'
import type { Duration } from '../base/units.ts'
import type { AsyncFlatMapFunction, AsyncMapFunction } from '../function/async-functions.ts'
import type {
  AggregateFunction,
  FilterFunction,
  FlatMapFunction,
  KeySelector,
  MapFunction,
  ReduceFunction,
} from '../function/functions.ts'
import type {
  CoGroupFunction,
  FlatJoinFunction,
  JoinFunction,
  ProcessJoinFunction,
} from '../function/join-functions.ts'
import type { OutputTag } from '../function/output-tag.ts'
import type {
  BroadcastProcessFunction,
  CoFlatMapFunction,
  CoMapFunction,
  CoProcessFunction,
  KeyedBroadcastProcessFunction,
  KeyedCoProcessFunction,
  KeyedProcessFunction,
  ProcessFunction,
} from '../function/process-functions.ts'
import type { Sink } from '../function/sink.ts'
import type { ProcessWindowFunction } from '../function/window-function.ts'
import type { WatermarkStrategy } from '../time/watermark-strategy.ts'
import type { Type } from '../types/type.ts'
import type { Evictor } from '../window/evictor.ts'
import type { Trigger } from '../window/trigger.ts'
import type { WindowAssigner } from '../window/window-assigner.ts'
import type { AsyncOptions } from './async-options.ts'
import type {
  JoinStreamOptions,
  OperatorOptions,
  StatefulOptions,
  WindowAggregateOptions,
} from './operator-options.ts'

/** The options of an operation whose function must not return a promise. */
export type SynchronousOptions<O> =
  O extends PromiseLike<unknown> ? [theFunctionMustNotBeAsynchronous: never] : [options?: OperatorOptions<O>]

export interface DataStream<T> {
  readonly type: Type<T>

  map<O>(fn: MapFunction<T, O>, ...options: SynchronousOptions<O>): DataStream<O>
  filter(fn: FilterFunction<T>, options?: OperatorOptions<T>): DataStream<T>
  flatMap<O>(fn: FlatMapFunction<T, O>, options?: OperatorOptions<O>): DataStream<O>
  process<O>(fn: ProcessFunction<T, O>, options?: OperatorOptions<O>): DataStream<O>
  /** Asks the outside world for each record, with many requests on their way at once. */
  mapAsync<O>(fn: AsyncMapFunction<T, O>, options?: AsyncOptions<T, O>): DataStream<O>
  flatMapAsync<O>(fn: AsyncFlatMapFunction<T, O>, options?: AsyncOptions<T, O, Iterable<O>>): DataStream<O>
  /** Timestamps and watermarks. Directly on a source they are made per split, else per subtask. */
  watermarks(strategy: WatermarkStrategy<T>, options?: OperatorOptions<T>): DataStream<T>
  /** All records with equal keys go to the same subtask, which then has state and timers per key. */
  keyBy<K extends Key>(keyOf: KeySelector<T, K>): KeyedStream<K, T>
  /** Windows over the whole stream, in one subtask. */
  windowAll(assigner: WindowAssigner<T>): WindowedStream<number, T>
  /** As {@link KeyedStream.countWindow}, over the whole stream, in one subtask. */
  countWindowAll(size: number, slide?: number): WindowedStream<number, T>
  union(...others: DataStream<T>[]): DataStream<T>
  connect<B>(other: BroadcastStream<B>): BroadcastConnectedStreams<T, B>
  connect<B>(other: DataStream<B>): ConnectedStreams<T, B>
  /** A side output of the operator this stream comes from. */
  sideOutput<S>(tag: OutputTag<S>): DataStream<S>

  /** Round robin. */
  rebalance(): DataStream<T>
  /** Round robin over the subtasks nearest in index. */
  rescale(): DataStream<T>
  shuffle(): DataStream<T>
  /** Every record to every subtask. */
  broadcast(): BroadcastStream<T>
  /** Everything to one subtask. */
  global(): DataStream<T>
  /** From each subtask to the one with the same index; the parallelism must be the same. */
  forward(): DataStream<T>
  /** `subtaskOf` returns an index from 0 to `subtaskCount - 1`. */
  partitionCustom(subtaskOf: (value: T, subtaskCount: number) => number): DataStream<T>

  sinkTo(sink: Sink<T>, options?: OperatorOptions<T>): void
  /** Writes records to the standard output of the process they end up in. */
  print(options?: OperatorOptions<T> & { readonly label?: string }): void
}

export interface BroadcastStream<T> extends DataStream<T> {
  readonly isBroadcast: true
}

export interface KeyedStream<K extends Key, T> extends DataStream<T> {
  readonly keyOf: KeySelector<T, K>

  process<O>(fn: KeyedProcessFunction<K, T, O>, options?: OperatorOptions<O>): DataStream<O>
  process<O>(fn: ProcessFunction<T, O>, options?: OperatorOptions<O>): DataStream<O>
  /** The reduced value so far, for every record. */
  reduce(fn: ReduceFunction<T>, options?: OperatorOptions<T>): DataStream<T>
  /**
   * The result over all records of the key so far, for every record; results of one key replace each other. The window
   * that `getResult` is told of is all of time; the object is valid during the call only.
   */
  aggregate<A, O>(fn: AggregateFunction<T, A, O, K>, options?: StatefulOptions<O>): DataStream<O>
  /**
   * One record per key. Without `order` the first: later ones are dropped. With it, the one that `order` puts first,
   * as if sorted by it: emitted whenever it changes, so results of one key replace each other; of equal ones the first
   * stays. `keyBy(id).deduplicate({ order: (a, b) => b.version - a.version })` keeps the newest version.
   */
  deduplicate(options?: StatefulOptions<T> & { readonly order?: (a: T, b: T) => number }): DataStream<T>
  /**
   * The first `count` records of the key in an order, as `result(record, rank)` with ranks from 1. When a record
   * enters, each rank that changes is emitted anew, so results replace each other by key and rank. Of equal records the
   * one that came first has the lower rank. The records of a key are one value of state: meant for tens of them. Throws
   * GRAPH_INVALID unless `count` is an integer from 1 to 10 000.
   */
  topN<O>(
    count: number,
    order: (a: T, b: T) => number,
    result: (value: T, rank: number) => O,
    options?: StatefulOptions<O>,
  ): DataStream<O>
  window(assigner: WindowAssigner<T>): WindowedStream<K, T>
  /**
   * Windows of `size` records of a key, one after the other; with `slide`, which is at most `size`, one with the last
   * `size` records after every `slide` of them. Time does not matter, so nothing is late; what is left over at the end
   * of the input is not emitted.
   */
  countWindow(size: number, slide?: number): WindowedStream<K, T>
  /** Pairs of records with equal keys whose times are close to each other. Event time only. */
  intervalJoin<R>(right: KeyedStream<K, R>): IntervalJoin<T, R>
  /** Pairs of records with equal keys that fall into the same window; without one: `connect(right).join(fn)`. */
  join<R>(right: KeyedStream<K, R>): PairOfStreams<WindowedJoin<T, R>, T, R>
  /** The records with equal keys that fall into the same window, of each stream a list. */
  coGroup<R>(right: KeyedStream<K, R>): PairOfStreams<WindowedCoGroup<K, T, R>, T, R>
  connect<B>(other: BroadcastStream<B>): KeyedBroadcastConnectedStreams<K, T, B>
  /** Both streams keyed alike: the function sees one keyed state for both. */
  connect<B>(other: KeyedStream<K, B>): KeyedConnectedStreams<K, T, B>
  connect<B>(other: DataStream<B>): ConnectedStreams<T, B>
}

export interface WindowedStream<K extends Key, T> {
  /** When windows fire; default: when time passes their end. */
  trigger(trigger: Trigger<T>): WindowedStream<K, T>
  evictor(evictor: Evictor<T>): WindowedStream<K, T>
  /** How long after its end a window still takes records, firing anew for each; default 0. */
  allowedLateness(lateness: Duration): WindowedStream<K, T>
  /** Records that are too late go here instead of being dropped. */
  lateOutput(tag: OutputTag<T>): WindowedStream<K, T>

  reduce(fn: ReduceFunction<T>, options?: WindowAggregateOptions<T>): DataStream<T>
  reduce<O>(
    fn: ReduceFunction<T>,
    process: ProcessWindowFunction<T, O, K>,
    options?: OperatorOptions<O>,
  ): DataStream<O>
  aggregate<A, O>(fn: AggregateFunction<T, A, O, K>, options?: WindowAggregateOptions<O>): DataStream<O>
  aggregate<A, R, O>(
    fn: AggregateFunction<T, A, R, K>,
    process: ProcessWindowFunction<R, O, K>,
    options?: OperatorOptions<O>,
  ): DataStream<O>
  /** Keeps all records of a window until it fires. */
  process<O>(fn: ProcessWindowFunction<T, O, K>, options?: OperatorOptions<O>): DataStream<O>
}

export interface IntervalJoin<L, R> {
  /**
   * A left record meets the right ones that are between `lower` and `upper` later than it, both included; negative is
   * earlier: `between('-5s', '1s')`. A left record is kept for `upper`, a right one for the opposite of `lower`, in
   * event time.
   */
  between(lower: Duration, upper: Duration): IntervalJoinedStreams<L, R>
}

export interface IntervalJoinedStreams<L, R> {
  lowerExclusive(): IntervalJoinedStreams<L, R>
  upperExclusive(): IntervalJoinedStreams<L, R>
  /** Left records that are behind the watermark go here instead of being dropped. */
  leftLateOutput(tag: OutputTag<L>): IntervalJoinedStreams<L, R>
  rightLateOutput(tag: OutputTag<R>): IntervalJoinedStreams<L, R>

  map<O>(fn: JoinFunction<L, R, O>, ...options: SynchronousOptions<O>): DataStream<O>
  flatMap<O>(fn: FlatJoinFunction<L, R, O>, options?: OperatorOptions<O>): DataStream<O>
  process<O>(fn: ProcessJoinFunction<L, R, O>, options?: OperatorOptions<O>): DataStream<O>
}

export interface PairOfStreams<W, L, R> {
  window(assigner: WindowAssigner<L | R>): W
}

/** As of a {@link WindowedStream}, for windows that two streams share. */
export interface PairWindowSettings<W, L, R> {
  trigger(trigger: Trigger<L | R>): W
  evictor(evictor: Evictor<L | R>): W
  allowedLateness(lateness: Duration): W
  leftLateOutput(tag: OutputTag<L>): W
  rightLateOutput(tag: OutputTag<R>): W
}

/** Every left record of a window with every right one, when the window fires. */
export interface WindowedJoin<L, R> extends PairWindowSettings<WindowedJoin<L, R>, L, R> {
  map<O>(fn: JoinFunction<L, R, O>, ...options: SynchronousOptions<O>): DataStream<O>
  flatMap<O>(fn: FlatJoinFunction<L, R, O>, options?: OperatorOptions<O>): DataStream<O>
}

/** Called also for windows to which only one of the streams has come: outer joins are made of this. */
export interface WindowedCoGroup<K extends Key, L, R>
  extends PairWindowSettings<WindowedCoGroup<K, L, R>, L, R> {
  process<O>(fn: CoGroupFunction<L, R, O, K>, options?: OperatorOptions<O>): DataStream<O>
}

export interface ConnectedStreams<A, B> {
  map<O>(fn: CoMapFunction<A, B, O>, options?: OperatorOptions<O>): DataStream<O>
  flatMap<O>(fn: CoFlatMapFunction<A, B, O>, options?: OperatorOptions<O>): DataStream<O>
  process<O>(fn: CoProcessFunction<A, B, O>, options?: OperatorOptions<O>): DataStream<O>
  keyBy<K extends Key>(keyOfA: KeySelector<A, K>, keyOfB: KeySelector<B, K>): KeyedConnectedStreams<K, A, B>
}

export interface KeyedConnectedStreams<K extends Key, A, B> {
  map<O>(fn: CoMapFunction<A, B, O>, options?: OperatorOptions<O>): DataStream<O>
  flatMap<O>(fn: CoFlatMapFunction<A, B, O>, options?: OperatorOptions<O>): DataStream<O>
  process<O>(fn: KeyedCoProcessFunction<K, A, B, O>, options?: OperatorOptions<O>): DataStream<O>
  /**
   * Every pair of records with equal keys, once, whichever comes first and however long the other takes: an inner join
   * without a window. Both streams are kept, without end unless `ttl` says how long. Say `unique` if one of them has at
   * most one record per key ever, such as users by id: then of the other only what still waits for it is kept.
   */
  join<O>(fn: (a: A, b: B) => O, options?: JoinStreamOptions<A, B, O>): DataStream<O>
}

export interface BroadcastConnectedStreams<A, B> {
  process<O>(fn: BroadcastProcessFunction<A, B, O>, options?: OperatorOptions<O>): DataStream<O>
}

export interface KeyedBroadcastConnectedStreams<K extends Key, A, B> {
  process<O>(fn: KeyedBroadcastProcessFunction<K, A, B, O>, options?: OperatorOptions<O>): DataStream<O>
}
