/**
 * State with a time-to-live, over tables of stamped values: a cell for value, reducing and aggregating state, a list
 * and a map. Until something expires they behave as their counterparts without; see state-ttl for when it does. The
 * work of Flink's TtlValueState, TtlListState, TtlMapState and their like.
 */
import type { Key } from '../base/hash.ts'
import { type Cell, SubCell } from './cell.ts'
import type { SubKey } from './entry.ts'
import { fromMapKey, type MapKey, toMapKey } from './map-key.ts'
import type { NestedTable } from './nested-table.ts'
import type { ListState, MapState } from './state.ts'
import { type Expiry, STAMP, type Stamped, type StampedList, unexpired } from './state-ttl.ts'

/** One value that expires. */
export class TtlCell<V> implements Cell<V> {
  readonly #cell: Cell<Stamped<V>>
  readonly #expiry: Expiry

  constructor(cell: Cell<Stamped<V>>, expiry: Expiry) {
    this.#cell = cell
    this.#expiry = expiry
  }

  get(): V | undefined {
    return this.read()?.value
  }

  /** As get, where a value may be undefined. */
  read(): Stamped<V> | undefined {
    const stamped = this.#cell.get()
    const visible = stamped === undefined ? undefined : this.#see(stamped)
    this.#expiry.accessed()
    return visible
  }

  put(value: V): void {
    const now = this.#expiry.nowMs()
    const stamped = this.#cell.get()
    if (stamped === undefined) this.#cell.put({ value, [STAMP]: now })
    else {
      this.#touch(stamped, now)
      stamped.value = value
    }
    this.#expiry.accessed()
  }

  remove(): void {
    this.#cell.remove()
  }

  #see(stamped: Stamped<V>): Stamped<V> | undefined {
    const { ttl } = this.#expiry
    if (unexpired(stamped, this.#expiry.expiredMs()) === undefined) {
      this.#cell.remove()
      return ttl.returnsExpired ? stamped : undefined
    }
    if (ttl.refreshesOnRead) this.#touch(stamped, this.#expiry.nowMs())
    return stamped
  }

  /** To put it back first lets a snapshot being taken save it as it was; then it may be changed in place. */
  #touch(stamped: Stamped<V>, now: number): void {
    this.#cell.put(stamped)
    stamped[STAMP] = now
  }
}

const EMPTY_LIST: readonly never[] = Object.freeze([])

/** A list whose elements expire one by one. Its cell protects what it hands out, so that it may be changed in place. */
export class TtlListState<T> implements ListState<T> {
  readonly #cell: Cell<StampedList<T>>
  readonly #expiry: Expiry

  constructor(cell: Cell<StampedList<T>>, expiry: Expiry) {
    this.#cell = cell
    this.#expiry = expiry
  }

  get(): readonly T[] {
    const list = this.#cell.get()
    const visible = list === undefined ? EMPTY_LIST : this.#see(list)
    this.#expiry.accessed()
    return visible
  }

  add(value: T): void {
    this.#append(value)
    this.#expiry.accessed()
  }

  addAll(values: Iterable<T>): void {
    // A copy, since the values may be the list itself.
    for (const value of [...values]) this.#append(value)
    this.#expiry.accessed()
  }

  update(values: Iterable<T>): void {
    const value = [...values]
    if (value.length === 0) this.#cell.remove()
    else this.#cell.put({ value, [STAMP]: value.map(() => this.#expiry.nowMs()) })
    this.#expiry.accessed()
  }

  clear(): void {
    this.#cell.remove()
  }

  #append(value: T): void {
    const list = this.#cell.get()
    const now = this.#expiry.nowMs()
    if (list === undefined) this.#cell.put({ value: [value], [STAMP]: [now] })
    else {
      list.value.push(value)
      list[STAMP].push(now)
      this.#cell.put(list)
    }
  }

  #see(list: StampedList<T>): readonly T[] {
    const { ttl } = this.#expiry
    const left = unexpired(list, this.#expiry.expiredMs())
    if (left === undefined) this.#cell.remove()
    else if (left !== list || ttl.refreshesOnRead) {
      if (ttl.refreshesOnRead) left[STAMP].fill(this.#expiry.nowMs())
      this.#cell.put(left)
    }
    return ttl.returnsExpired ? list.value : (left?.value ?? EMPTY_LIST)
  }
}

/** A map whose entries expire one by one. */
export class TtlMapState<K extends Key, V> implements MapState<K, V> {
  readonly #table: NestedTable<Stamped<V>>
  readonly #expiry: Expiry
  readonly #scope: { sub: SubKey } = { sub: undefined }
  readonly #cell: TtlCell<V>

  constructor(table: NestedTable<Stamped<V>>, expiry: Expiry) {
    this.#table = table
    this.#expiry = expiry
    this.#cell = new TtlCell(new SubCell(table, this.#scope), expiry)
  }

  get(key: K): V | undefined {
    return this.#at(key).get()
  }

  has(key: K): boolean {
    return this.#at(key).read() !== undefined
  }

  set(key: K, value: V): void {
    this.#at(key).put(value)
  }

  delete(key: K): void {
    this.#at(key).remove()
  }

  /** Looks at every entry of the key, unlike the size of a map without time-to-live. */
  get size(): number {
    if (this.#expiry.ttl.returnsExpired) return this.#table.countOfKey()
    const expiredMs = this.#expiry.expiredMs()
    let size = 0
    for (const [, stamped] of this.#table.ofKey()) if (unexpired(stamped, expiredMs) !== undefined) size++
    return size
  }

  *keys(): Generator<K> {
    for (const [sub] of this.#visible()) yield fromMapKey(sub as MapKey) as K
  }

  *values(): Generator<V> {
    for (const [, { value }] of this.#visible()) yield value
  }

  *entries(): Generator<[K, V]> {
    for (const [sub, { value }] of this.#visible()) yield [fromMapKey(sub as MapKey) as K, value]
  }

  clear(): void {
    this.#table.removeAll()
  }

  #at(key: K): TtlCell<V> {
    this.#scope.sub = toMapKey(key)
    return this.#cell
  }

  /** To iterate is to access every entry. Expired ones that may be seen stay: the loop may end before they are. */
  #visible(): Iterable<[SubKey, Stamped<V>]> {
    this.#expiry.accessed()
    const { refreshesOnRead, returnsExpired } = this.#expiry.ttl
    const now = this.#expiry.nowMs()
    const expiredMs = this.#expiry.expiredMs()
    for (const [sub, stamped] of this.#table.ofKey()) {
      if (unexpired(stamped, expiredMs) === undefined) {
        if (!returnsExpired) this.#table.remove(sub)
      } else if (refreshesOnRead) {
        this.#table.put(sub, stamped)
        stamped[STAMP] = now
      }
    }
    return this.#table.ofKey()
  }
}
