/**
 * Several values per key, told apart by a sub-key: map state (the user's map key) and the per-window state of the
 * general window operator (the window's id). The keys of one record's working set are few, so the inner map of the
 * current key is what gets cached.
 */
import { Entry, type SubKey } from './entry.ts'
import type { KeyContext } from './key-context.ts'
import { ShardedMap } from './sharded-map.ts'
import { StateTable } from './state-table.ts'

type Inner<V> = Map<SubKey, Entry<V>>

/** Values by key, the current one, and sub-key. */
export interface NestedTable<V> extends StateTable<V> {
  /** A mutable value may be changed in place before it is put back. */
  get(sub: SubKey): V | undefined
  has(sub: SubKey): boolean
  put(sub: SubKey, value: V): void
  remove(sub: SubKey): void
  /** Removes everything the current key has. */
  removeAll(): void
  /** How many sub-keys the current key has. */
  countOfKey(): number
  /** Sub-key and value pairs of the current key, in an order of the table's own; tolerant of changes. As by get. */
  ofKey(): Iterable<[SubKey, V]>
}

export class HeapNestedTable<V> extends StateTable<V> implements NestedTable<V> {
  readonly #context: KeyContext
  readonly #map: ShardedMap<Inner<V>>
  readonly #isMutable: boolean
  #turn = -1
  #inner: Inner<V> | undefined
  #size = 0

  constructor(context: KeyContext, isMutable: boolean) {
    super()
    this.#context = context
    this.#map = new ShardedMap(context)
    this.#isMutable = isMutable
  }

  /** Entries over all keys. */
  get size(): number {
    return this.#size
  }

  get(sub: SubKey): V | undefined {
    const entry = this.#current()?.get(sub)
    if (entry === undefined) return undefined
    if (this.#isMutable) this.beforeLook(entry)
    return entry.value as V
  }

  has(sub: SubKey): boolean {
    return this.#current()?.has(sub) ?? false
  }

  put(sub: SubKey, value: V): void {
    let inner = this.#current()
    if (inner === undefined) {
      inner = new Map()
      this.#map.insert(inner)
      this.#inner = inner
    }
    const entry = inner.get(sub)
    if (entry === undefined) {
      const created = new Entry(this.#context.ownMapKey, sub, this.#context.knownKeyGroup, this.epoch, value)
      inner.set(sub, created)
      this.#size++
      this.created(created)
    } else {
      this.beforeChange(entry)
      entry.value = value
    }
  }

  remove(sub: SubKey): void {
    const inner = this.#current()
    const entry = inner?.get(sub)
    if (inner === undefined || entry === undefined) return
    inner.delete(sub)
    this.#size--
    if (inner.size === 0) this.#dropInner()
    this.removed(entry)
  }

  /** Removes everything the current key has. */
  removeAll(): void {
    const inner = this.#current()
    if (inner === undefined) return
    this.#dropInner()
    this.#size -= inner.size
    for (const entry of inner.values()) this.removed(entry)
    // Ends the iterations that are on their way through it.
    inner.clear()
  }

  /** How many sub-keys the current key has. */
  countOfKey(): number {
    return this.#current()?.size ?? 0
  }

  /** Sub-key and value pairs of the current key, in insertion order. */
  *ofKey(): Generator<[SubKey, V]> {
    const inner = this.#current()
    if (inner === undefined) return
    for (const entry of inner.values()) {
      if (this.#isMutable) this.beforeLook(entry)
      yield [entry.sub, entry.value as V]
    }
  }

  override *entries(): Generator<Entry<V>> {
    for (const inner of this.#map.values()) yield* inner.values()
  }

  override restore(entry: Entry<V>): void {
    this.#context.setMapKey(entry.key, entry.keyGroup)
    this.put(entry.sub, entry.value as V)
  }

  override restoreDeleted(entry: Entry<V>): void {
    this.#context.setMapKey(entry.key, entry.keyGroup)
    this.remove(entry.sub)
  }

  #current(): Inner<V> | undefined {
    const turn = this.#context.turn
    if (this.#turn !== turn) {
      this.#turn = turn
      this.#inner = this.#map.get()
    }
    return this.#inner
  }

  #dropInner(): void {
    this.#map.delete(this.#context.mapKey)
    this.#inner = undefined
  }
}
