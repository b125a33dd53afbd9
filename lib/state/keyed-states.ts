/**
 * The state interfaces over tables: what `context.state(descriptor)` hands out. Two families: states of the key
 * alone, over a flat table (map state over a nested one), and states of a key and a window, over a nested table
 * whose sub-key is the window the {@link WindowScope} points at.
 */
import type { Key } from '../base/hash.ts'
import { type Cell, SubCell } from './cell.ts'
import type { SubKey } from './entry.ts'
import type { FlatTable } from './flat-table.ts'
import { fromMapKey, type MapKey, toMapKey } from './map-key.ts'
import type { NestedTable } from './nested-table.ts'
import type { AggregatingState, ListState, MapState, ReducingState, ValueState } from './state.ts'
import type { Aggregation, StateDescriptor } from './state-descriptor.ts'
import type { Expiry } from './state-ttl.ts'
import { TtlCell, TtlListState, TtlMapState } from './ttl-states.ts'

/** Points all window-scoped states of an operator at the window being processed. */
export interface WindowScope {
  sub: SubKey
}

class CellValueState<T> implements ValueState<T> {
  readonly #cell: Cell<T>

  constructor(cell: Cell<T>) {
    this.#cell = cell
  }

  value(): T | undefined {
    return this.#cell.get()
  }

  update(value: T): void {
    this.#cell.put(value)
  }

  clear(): void {
    this.#cell.remove()
  }
}

const EMPTY_LIST: readonly never[] = Object.freeze([])

class CellListState<T> implements ListState<T> {
  readonly #cell: Cell<T[]>

  constructor(cell: Cell<T[]>) {
    this.#cell = cell
  }

  get(): readonly T[] {
    return this.#cell.get() ?? EMPTY_LIST
  }

  add(value: T): void {
    const list = this.#cell.get()
    if (list === undefined) this.#cell.put([value])
    else {
      list.push(value)
      this.#cell.put(list)
    }
  }

  addAll(values: Iterable<T>): void {
    // A copy, since the values may be the list itself.
    for (const value of [...values]) this.add(value)
  }

  update(values: Iterable<T>): void {
    const list = [...values]
    if (list.length === 0) this.#cell.remove()
    else this.#cell.put(list)
  }

  clear(): void {
    this.#cell.remove()
  }
}

class CellReducingState<T> implements ReducingState<T> {
  readonly #cell: Cell<T>
  readonly #reduce: (a: T, b: T) => T

  constructor(cell: Cell<T>, reduce: (a: T, b: T) => T) {
    this.#cell = cell
    this.#reduce = reduce
  }

  get(): T | undefined {
    return this.#cell.get()
  }

  add(value: T): void {
    const reduced = this.#cell.get()
    this.#cell.put(reduced === undefined ? value : this.#reduce(reduced, value))
  }

  clear(): void {
    this.#cell.remove()
  }
}

class CellAggregatingState<I, A, O> implements AggregatingState<I, O> {
  readonly #cell: Cell<A>
  readonly #aggregation: Aggregation<I, A, O>

  constructor(cell: Cell<A>, aggregation: Aggregation<I, A, O>) {
    this.#cell = cell
    this.#aggregation = aggregation
  }

  get(): O | undefined {
    const accumulator = this.#cell.get()
    return accumulator === undefined ? undefined : this.#aggregation.getResult(accumulator)
  }

  add(value: I): void {
    const accumulator = this.#cell.get() ?? this.#aggregation.createAccumulator()
    this.#cell.put(this.#aggregation.add(value, accumulator))
  }

  clear(): void {
    this.#cell.remove()
  }
}

class TableMapState<K extends Key, V> implements MapState<K, V> {
  readonly #table: NestedTable<V>

  constructor(table: NestedTable<V>) {
    this.#table = table
  }

  get(key: K): V | undefined {
    return this.#table.get(toMapKey(key))
  }

  has(key: K): boolean {
    return this.#table.has(toMapKey(key))
  }

  set(key: K, value: V): void {
    this.#table.put(toMapKey(key), value)
  }

  delete(key: K): void {
    this.#table.remove(toMapKey(key))
  }

  get size(): number {
    return this.#table.countOfKey()
  }

  *keys(): Generator<K> {
    for (const [sub] of this.#table.ofKey()) yield fromMapKey(sub as MapKey) as K
  }

  *values(): Generator<V> {
    for (const [, value] of this.#table.ofKey()) yield value
  }

  *entries(): Generator<[K, V]> {
    for (const [sub, value] of this.#table.ofKey()) yield [fromMapKey(sub as MapKey) as K, value]
  }

  clear(): void {
    this.#table.removeAll()
  }
}

/** Map state of a window: one JavaScript Map per key and window, since windows are short-lived. */
class CellMapState<K extends Key, V> implements MapState<K, V> {
  readonly #cell: Cell<Map<MapKey, V>>

  constructor(cell: Cell<Map<MapKey, V>>) {
    this.#cell = cell
  }

  get(key: K): V | undefined {
    return this.#cell.get()?.get(toMapKey(key))
  }

  has(key: K): boolean {
    return this.#cell.get()?.has(toMapKey(key)) ?? false
  }

  set(key: K, value: V): void {
    const map = this.#cell.get() ?? new Map<MapKey, V>()
    map.set(toMapKey(key), value)
    this.#cell.put(map)
  }

  delete(key: K): void {
    const map = this.#cell.get()
    if (map?.delete(toMapKey(key)) !== true) return
    if (map.size === 0) this.#cell.remove()
    else this.#cell.put(map)
  }

  get size(): number {
    return this.#cell.get()?.size ?? 0
  }

  *keys(): Generator<K> {
    for (const key of this.#cell.get()?.keys() ?? []) yield fromMapKey(key) as K
  }

  *values(): Generator<V> {
    yield* this.#cell.get()?.values() ?? []
  }

  *entries(): Generator<[K, V]> {
    for (const [key, value] of this.#cell.get()?.entries() ?? []) yield [fromMapKey(key) as K, value]
  }

  clear(): void {
    this.#cell.remove()
  }
}

function overCell(descriptor: StateDescriptor<unknown>, cell: Cell<never>): unknown {
  switch (descriptor.kind) {
    case 'value':
      return new CellValueState(cell)
    case 'list':
      return new CellListState(cell as unknown as Cell<unknown[]>)
    case 'reducing':
      return new CellReducingState(cell, descriptor.reduce as never)
    case 'aggregating':
      return new CellAggregatingState(cell, descriptor.aggregation as never)
    case 'map':
      return new CellMapState(cell as unknown as Cell<Map<MapKey, unknown>>)
  }
}

/**
 * The state of the key alone; map state needs a nested table, the others a flat one. `expiry`: of the table, which then
 * holds stamped values.
 */
export function stateOfKey(
  descriptor: StateDescriptor<unknown>,
  table: FlatTable<unknown> | NestedTable<unknown>,
  expiry: Expiry | null,
): unknown {
  if (expiry !== null) return expiringState(descriptor, table as never, expiry)
  if (descriptor.kind === 'map') return new TableMapState(table as NestedTable<unknown>)
  return overCell(descriptor, table as unknown as Cell<never>)
}

function expiringState(descriptor: StateDescriptor<unknown>, table: never, expiry: Expiry): unknown {
  switch (descriptor.kind) {
    case 'list':
      return new TtlListState(table, expiry)
    case 'map':
      return new TtlMapState(table, expiry)
    default:
      return overCell(descriptor, new TtlCell<never>(table, expiry))
  }
}

/** The state of the key and the window that `scope` points at. */
export function stateOfWindow(
  descriptor: StateDescriptor<unknown>,
  table: NestedTable<unknown>,
  scope: WindowScope,
): unknown {
  return overCell(descriptor, new SubCell(table, scope) as Cell<never>)
}
