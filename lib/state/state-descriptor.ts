/**
 * What a function declares to get a piece of keyed state: a name that is unique within its operator and stable
 * across versions of the job, the type of the values (`t.any` if none is given), and how long they live:
 *
 *     valueState('last', t.string)
 *     valueState('last', t.string, { ttl: '1h' })
 *     mapState<string, number>('seen', t.int64, { ttl: { after: '1d', refresh: 'read-and-write' } })
 */
import { SluiceError } from '../base/errors.ts'
import type { Key } from '../base/hash.ts'
import type { Duration } from '../base/units.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import type { AggregatingState, ListState, MapState, ReducingState, ValueState } from './state.ts'
import { parseTtl, type Ttl, type TtlOptions } from './state-ttl.ts'

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
  readonly ttl?: Ttl
  /** Only there so that TypeScript remembers `S`. */
  readonly phantom?: S
}

export interface StateOptions {
  /**
   * Time-to-live: state that has not been written (or read, see {@link TtlOptions}) for this long, by processing time,
   * expires: reading finds nothing. The elements of a list and the entries of a map expire one by one, each by its own
   * last access. Expired state is removed when it is accessed, a little at a time while other keys of the same state
   * are, and when a checkpoint is restored; so while nothing accesses a state it keeps its memory. Default: state lives
   * until it is cleared.
   *
   * Only keyed state can have one; for state of a window and broadcast state it is refused with UNSUPPORTED. To give
   * one to a state that was saved without, or to take it away, is refused on restore with STATE_INCOMPATIBLE; to change
   * it is not.
   *
   * Throws GRAPH_INVALID or CONFIG_INVALID for what cannot be a time-to-live. Flink's StateTtlConfig.
   */
  readonly ttl?: Duration | TtlOptions
}

/** Engine-owned tables have a slash in their names; so users' names may not. */
const NAME_PATTERN = /^[A-Za-z0-9_.-]{1,100}$/

function describe<S>(
  kind: StateKind,
  name: string,
  type: Type<never>,
  { ttl }: StateOptions,
  more: object = {},
): StateDescriptor<S> {
  if (!NAME_PATTERN.test(name)) {
    throw new SluiceError(
      'GRAPH_INVALID',
      `state name ${JSON.stringify(name)}: expected 1 to 100 characters out of letters, digits, '_', '.', '-'`,
    )
  }
  const lifetime = ttl === undefined ? {} : { ttl: parseTtl(name, ttl) }
  return { kind, name, type: type as Type<unknown>, ...lifetime, ...more }
}

const anyType = t.any as Type<never>

/** One value. With `options.ttl` it expires that long after it was last updated. */
export function valueState<T>(
  name: string,
  type: Type<T> = anyType,
  options: StateOptions = {},
): StateDescriptor<ValueState<T>> {
  return describe('value', name, type as Type<never>, options)
}

/** A list of values of `type`. With `options.ttl` each element expires that long after it was added. */
export function listState<T>(
  name: string,
  type: Type<T> = anyType,
  options: StateOptions = {},
): StateDescriptor<ListState<T>> {
  return describe('list', name, t.list(type) as unknown as Type<never>, options)
}

/**
 * Map keys may be what streams may be keyed by; they are compared by content. With `options.ttl` each entry expires
 * that long after it was last set; `size` then looks at all entries of the key.
 */
export function mapState<K extends Key, V>(
  name: string,
  type: Type<V> = anyType,
  options: StateOptions = {},
): StateDescriptor<MapState<K, V>> {
  return describe('map', name, type as Type<never>, options)
}

/** One value into which others are reduced. With `options.ttl` it expires that long after the last was added. */
export function reducingState<T>(
  name: string,
  reduce: (a: T, b: T) => T,
  type: Type<T> = anyType,
  options: StateOptions = {},
): StateDescriptor<ReducingState<T>> {
  return describe('reducing', name, type as Type<never>, options, { reduce })
}

/** One accumulator. With `options.ttl` it expires, with all that was added, that long after the last addition. */
export function aggregatingState<I, A, O>(
  name: string,
  aggregation: Aggregation<I, A, O>,
  accumulatorType: Type<A> = anyType,
  options: StateOptions = {},
): StateDescriptor<AggregatingState<I, O>> {
  return describe('aggregating', name, accumulatorType as Type<never>, options, { aggregation })
}
