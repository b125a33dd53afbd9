/**
 * Process functions: the most general operators, with access to time, timers, state and side outputs. Each is an
 * object; write it as a class, or as a literal for small ones.
 */
import type { Key } from '../base/hash.ts'
import type { MapState } from '../state/state.ts'
import type { StateDescriptor } from '../state/state-descriptor.ts'
import type { Collector, RichFunction, Synchronous } from './functions.ts'
import type { OutputTag } from './output-tag.ts'

/** What is known about the record being processed. Valid only during the call it is passed to. */
export interface ProcessContext {
  /** Event time of the record (of the timer in `onTimer`), if it has one. */
  readonly timestamp: number | undefined
  /** Event time as far as it has come: -Infinity at the start, Infinity at the end of the input. */
  currentWatermark(): number
  /** Wall-clock ms. */
  processingTime(): number
  output<T>(tag: OutputTag<T>, value: T): void
}

/** Timers of the current key. A timer is identified by its time: registering twice is registering once. */
export interface Timers {
  registerEventTimer(timestamp: number): void
  deleteEventTimer(timestamp: number): void
  registerProcessingTimer(timestamp: number): void
  deleteProcessingTimer(timestamp: number): void
}

export interface KeyedContext<K extends Key> extends ProcessContext, Timers {
  readonly currentKey: K
}

export interface TimerContext<K extends Key> extends KeyedContext<K> {
  readonly timeDomain: 'event' | 'processing'
}

export interface ProcessFunction<I, O> extends RichFunction {
  processElement(value: I, context: ProcessContext, out: Collector<O>): Synchronous
}

export interface KeyedProcessFunction<K extends Key, I, O> extends RichFunction {
  processElement(value: I, context: KeyedContext<K>, out: Collector<O>): Synchronous
  onTimer?(timestamp: number, context: TimerContext<K>, out: Collector<O>): Synchronous
}

/** Two inputs, not keyed. */
export interface CoProcessFunction<A, B, O> extends RichFunction {
  processElement1(value: A, context: ProcessContext, out: Collector<O>): Synchronous
  processElement2(value: B, context: ProcessContext, out: Collector<O>): Synchronous
}

/** Two inputs keyed alike, sharing keyed state. */
export interface KeyedCoProcessFunction<K extends Key, A, B, O> extends RichFunction {
  processElement1(value: A, context: KeyedContext<K>, out: Collector<O>): Synchronous
  processElement2(value: B, context: KeyedContext<K>, out: Collector<O>): Synchronous
  onTimer?(timestamp: number, context: TimerContext<K>, out: Collector<O>): Synchronous
}

export interface CoMapFunction<A, B, O> extends RichFunction {
  map1(value: A): O
  map2(value: B): O
}

export interface CoFlatMapFunction<A, B, O> extends RichFunction {
  flatMap1(value: A, out: Collector<O>): Synchronous
  flatMap2(value: B, out: Collector<O>): Synchronous
}

/** Broadcast state as the side that does not broadcast sees it. */
export interface ReadOnlyMapState<K, V> {
  get(key: K): V | undefined
  has(key: K): boolean
  readonly size: number
  keys(): Iterable<K>
  values(): Iterable<V>
  entries(): Iterable<[K, V]>
}

export interface BroadcastReadContext extends ProcessContext {
  broadcastState<K extends Key, V>(descriptor: StateDescriptor<MapState<K, V>>): ReadOnlyMapState<K, V>
}

export interface BroadcastWriteContext extends ProcessContext {
  /** Every subtask must make the same changes, so that the state stays the same everywhere. */
  broadcastState<K extends Key, V>(descriptor: StateDescriptor<MapState<K, V>>): MapState<K, V>
}

export interface BroadcastProcessFunction<A, B, O> extends RichFunction {
  processElement(value: A, context: BroadcastReadContext, out: Collector<O>): Synchronous
  processBroadcastElement(value: B, context: BroadcastWriteContext, out: Collector<O>): Synchronous
}

export interface KeyedBroadcastReadContext<K extends Key> extends BroadcastReadContext, KeyedContext<K> {}

export interface KeyedBroadcastTimerContext<K extends Key> extends BroadcastReadContext, TimerContext<K> {}

export interface KeyedBroadcastWriteContext<K extends Key> extends BroadcastWriteContext {
  /** Calls `apply` for every key that has the state, with that key current. */
  applyToKeyedState<S>(descriptor: StateDescriptor<S>, apply: (key: K, state: S) => void): void
}

export interface KeyedBroadcastProcessFunction<K extends Key, A, B, O> extends RichFunction {
  processElement(value: A, context: KeyedBroadcastReadContext<K>, out: Collector<O>): Synchronous
  processBroadcastElement(value: B, context: KeyedBroadcastWriteContext<K>, out: Collector<O>): Synchronous
  onTimer?(timestamp: number, context: KeyedBroadcastTimerContext<K>, out: Collector<O>): Synchronous
}
