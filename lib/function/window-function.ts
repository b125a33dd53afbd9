/** Functions over the contents of a window, with access to its bounds and to state. */
import type { Key } from '../base/hash.ts'
import type { StateDescriptor } from '../state/state-descriptor.ts'
import type { Collector, RichFunction, Synchronous, WindowOf } from './functions.ts'
import type { OutputTag } from './output-tag.ts'

/** Valid only during the call it is passed to. */
export interface ProcessWindowContext<K> {
  readonly window: WindowOf<K>
  currentWatermark(): number
  processingTime(): number
  /** State of the key and this window; clear it in `clear`. */
  windowState<S>(descriptor: StateDescriptor<S>): S
  /** State of the key over all its windows. */
  globalState<S>(descriptor: StateDescriptor<S>): S
  output<T>(tag: OutputTag<T>, value: T): void
}

export interface RichProcessWindow<I, O, K extends Key> extends RichFunction {
  /** `elements` holds the window's records, or the one result of the aggregation this function is combined with. */
  process(key: K, context: ProcessWindowContext<K>, elements: Iterable<I>, out: Collector<O>): Synchronous
  /** The window goes away for good. */
  clear?(context: ProcessWindowContext<K>): Synchronous
}

export type ProcessWindowFunction<I, O, K extends Key> =
  | RichProcessWindow<I, O, K>
  | RichProcessWindow<I, O, K>['process']
