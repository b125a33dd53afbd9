/**
 * What a window operator keeps per key and window, and how it turns that into results. Either an accumulator
 * (reduce, aggregate) or the list of records; either emitted as it is or passed through a process function.
 */
import type { Key } from '../base/hash.ts'
import type { AggregateFunction, Collector, WindowOf } from '../function/functions.ts'
import type { ProcessWindowContext, RichProcessWindow } from '../function/window-function.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import type { Evictor, TimestampedValue } from '../window/evictor.ts'
import { Window } from '../window/window.ts'

export interface WindowContents<I, A, O> {
  readonly stateType: Type<A>
  /** The contents after one more record; `contents` is undefined for the first. */
  add(value: I, timestamp: number, contents: A | undefined): A
  /** Null: windows with these contents cannot be merged. */
  readonly merge: ((a: A, b: A) => A) | null
  /**
   * Emits the results of a window. What comes back is what the window holds from now on; undefined if that is
   * nothing.
   */
  emit(contents: A, context: ProcessWindowContext<Key>, out: Collector<O>): A | undefined
  /** The process function, to be opened, closed and told of windows that go away. */
  readonly process: RichProcessWindow<never, O, never> | null
}

/** An aggregation whose result, per window, is R. */
export interface Folding<I, A, R> {
  readonly type: Type<A>
  add(value: I, accumulator: A | undefined): A
  /** May change and return `a`, but leaves `b` alone. */
  readonly merge: ((a: A, b: A) => A) | null
  /** An accumulator equal to `a` that may be merged into without changing `a`. */
  copy(a: A): A
  result(accumulator: A, window: WindowOf<Key>): R
}

export function reduceFolding<T>(reduce: (a: T, b: T) => T, type: Type<T>): Folding<T, T, T> {
  return {
    type,
    add: (value, reduced) => (reduced === undefined ? value : reduce(reduced, value)),
    merge: reduce,
    copy: (reduced) => reduced,
    result: (reduced) => reduced,
  }
}

export function aggregateFolding<I, A, R>(
  aggregate: AggregateFunction<I, A, R, never>,
  type: Type<A>,
): Folding<I, A, R> {
  return {
    type,
    add: (value, accumulator) => aggregate.add(value, accumulator ?? aggregate.createAccumulator()),
    merge: aggregate.merge === undefined ? null : (a, b) => aggregate.merge!(a, b),
    copy: (accumulator) => aggregate.merge!(aggregate.createAccumulator(), accumulator),
    result: (accumulator, window) => aggregate.getResult(accumulator, window as WindowOf<never>),
  }
}

type Process<R, O> = RichProcessWindow<R, O, Key>

/** Incremental contents: one accumulator per window. */
export function foldedContents<I, A, R, O>(
  folding: Folding<I, A, R>,
  process: Process<R, O> | null,
): WindowContents<I, A, O> {
  return {
    stateType: folding.type,
    add: (value, _timestamp, accumulator) => folding.add(value, accumulator),
    merge: folding.merge,
    emit(accumulator, context, out) {
      emitResult(folding.result(accumulator, context.window), process, context, out)
      return accumulator
    },
    process: process as WindowContents<I, A, O>['process'],
  }
}

/** All records of the window, in the order they came. */
export function bufferedContents<I, O>(type: Type<I>, process: Process<I, O>): WindowContents<I, I[], O> {
  return {
    stateType: t.list(type),
    add: (value, _timestamp, elements) => appended(elements, value),
    merge: (a, b) => a.concat(b),
    emit(elements, context, out) {
      process.process(context.window.key, context, elements, out)
      return elements
    },
    process: process as WindowContents<I, I[], O>['process'],
  }
}

/** What the elements of an evicting window are turned into: handed to `process` as they are, or folded first. */
export type EvictedElements<I, O> =
  | { readonly kind: 'process'; readonly process: Process<I, O> }
  | {
      readonly kind: 'fold'
      readonly folding: Folding<I, unknown, unknown>
      readonly process: Process<unknown, O> | null
    }

/** All records with their timestamps; the evictor decides which the function sees and which stay. */
export function evictingContents<I, O>(
  type: Type<I>,
  evictor: Evictor<I>,
  then: EvictedElements<I, O>,
): WindowContents<I, TimestampedValue<I>[], O> {
  const stateType = t.list(t.object({ value: type, timestamp: t.float64 }))
  return {
    stateType: stateType as unknown as Type<TimestampedValue<I>[]>,
    add: (value, timestamp, elements) => appended(elements, { value, timestamp }),
    merge: (a, b) => a.concat(b),
    emit(elements, context, out) {
      const window = new Window(context.window.start, context.window.end)
      const seen = evictor.before?.(elements, window) ?? elements
      const values = seen.map(({ value }) => value)
      if (then.kind === 'process') then.process.process(context.window.key, context, values, out)
      else emitFolded(values, then, context, out)
      const kept = evictor.after?.(seen, window) ?? seen
      return kept.length === 0 ? undefined : kept
    },
    process: then.process as WindowContents<I, never, O>['process'],
  }
}

function emitFolded<I, O>(
  values: I[],
  then: EvictedElements<I, O> & { kind: 'fold' },
  context: ProcessWindowContext<Key>,
  out: Collector<O>,
): void {
  if (values.length === 0) return
  let accumulator: unknown
  for (const value of values) accumulator = then.folding.add(value, accumulator)
  emitResult(then.folding.result(accumulator, context.window), then.process, context, out)
}

function emitResult<R, O>(
  result: R,
  process: Process<R, O> | null,
  context: ProcessWindowContext<Key>,
  out: Collector<O>,
): void {
  if (process === null) out.collect(result as unknown as O)
  else process.process(context.window.key, context, [result], out)
}

function appended<T>(list: T[] | undefined, value: T): T[] {
  if (list === undefined) return [value]
  list.push(value)
  return list
}
