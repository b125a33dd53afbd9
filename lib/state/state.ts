/**
 * Keyed state as users see it. Each call concerns the key of the record (or timer) being processed. What `value()`,
 * `get()` and the iterators return belongs to the state: change it only if you hand it back with `update` or `set`
 * before the function returns.
 */

export interface ValueState<T> {
  /** The value of the current key, or undefined if it has none. */
  value(): T | undefined
  update(value: T): void
  clear(): void
}

export interface ListState<T> {
  get(): readonly T[]
  add(value: T): void
  addAll(values: Iterable<T>): void
  /** Replaces the whole list; an empty one clears it. */
  update(values: Iterable<T>): void
  clear(): void
}

export interface MapState<K, V> {
  get(key: K): V | undefined
  has(key: K): boolean
  set(key: K, value: V): void
  delete(key: K): void
  /** How many entries the current key has. */
  readonly size: number
  keys(): Iterable<K>
  values(): Iterable<V>
  entries(): Iterable<[K, V]>
  clear(): void
}

export interface ReducingState<T> {
  get(): T | undefined
  add(value: T): void
  clear(): void
}

export interface AggregatingState<I, O> {
  /** The result over everything added, or undefined if nothing was. */
  get(): O | undefined
  add(value: I): void
  clear(): void
}
