/**
 * What a function declares to get a piece of keyed state: a name that is unique within its operator and stable
 * across versions of the job, and the type of the values (`t.any` if none is given).
 */
import { SluiceError } from '../base/errors.ts'
import type { Key } from '../base/hash.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import type { AggregatingState, ListState, MapState, ReducingState, ValueState } from './state.ts'

export type StateKind = 'value' | 'list' | 'map' | 'reducing' | 'aggregating'

/** The part of an aggregate function that state needs; see AggregateFunction. */
export interface Aggregation<I, A, O> {
  createAccumulator(): A
  add(value: I, accumulator: A): A
  getResult(accumulator: A): O
}

/** `S` is the state interface that the descriptor stands for. */
export interface StateDescriptor<S> {
  readonly kind: StateKind
  readonly name: string
  /** Type of what is stored per entry: the value, the list, the map value, the accumulator. */
  readonly type: Type<unknown>
  readonly reduce?: (a: unknown, b: unknown) => unknown
  readonly aggregation?: Aggregation<unknown, unknown, unknown>
  /** Only there so that TypeScript remembers `S`. */
  readonly phantom?: S
}

/** Engine-owned tables have a slash in their names; so users' names may not. */
const NAME_PATTERN = /^[A-Za-z0-9_.-]{1,100}$/

function describe<S>(
  kind: StateKind,
  name: string,
  type: Type<never>,
  more: object = {},
): StateDescriptor<S> {
  if (!NAME_PATTERN.test(name)) {
    throw new SluiceError(
      'GRAPH_INVALID',
      `state name ${JSON.stringify(name)}: expected 1 to 100 characters out of letters, digits, '_', '.', '-'`,
    )
  }
  return { kind, name, type: type as Type<unknown>, ...more }
}

const anyType = t.any as Type<never>

export function valueState<T>(name: string, type: Type<T> = anyType): StateDescriptor<ValueState<T>> {
  return describe('value', name, type as Type<never>)
}

export function listState<T>(name: string, type: Type<T> = anyType): StateDescriptor<ListState<T>> {
  return describe('list', name, t.list(type) as unknown as Type<never>)
}

/** Map keys may be what streams may be keyed by; they are compared by content. */
export function mapState<K extends Key, V>(
  name: string,
  type: Type<V> = anyType,
): StateDescriptor<MapState<K, V>> {
  return describe('map', name, type as Type<never>)
}

export function reducingState<T>(
  name: string,
  reduce: (a: T, b: T) => T,
  type: Type<T> = anyType,
): StateDescriptor<ReducingState<T>> {
  return describe('reducing', name, type as Type<never>, { reduce })
}

export function aggregatingState<I, A, O>(
  name: string,
  aggregation: Aggregation<I, A, O>,
  accumulatorType: Type<A> = anyType,
): StateDescriptor<AggregatingState<I, O>> {
  return describe('aggregating', name, accumulatorType as Type<never>, { aggregation })
}
