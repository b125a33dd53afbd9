/**
 * Values grouped by slice first and key second, kept in the store. Key of a row: slice, key group, key. So a due slice
 * is one range of the store.
 */
import type { ByteReader } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import { readKey, writeKey } from '../types/key-codec.ts'
import { DELETED, Entry } from './entry.ts'
import { readKeyGroup, writeKeyGroup } from './key-group.ts'
import { ShardedMap } from './sharded-map.ts'
import type { SliceTable } from './slice-table.ts'
import { StoredEntry } from './stored-entry.ts'
import { StoredTable } from './stored-table.ts'

/** What the cache has of a slice. */
interface Slice<V> {
  readonly cached: ShardedMap<StoredEntry<V>>
  /** Entries in cache and store. */
  count: number
  /** How many of them are in the store only. */
  awayCount: number
}

export class StoredSliceTable<V> extends StoredTable<V> implements SliceTable<V> {
  /** Every slice that has entries or, in the cache, removed ones. */
  readonly #slices = new Map<number, Slice<V>>()

  slices(): Iterable<number> {
    return this.#live()
  }

  hasSlice(sub: number): boolean {
    return (this.#slices.get(sub)?.count ?? 0) > 0
  }

  peek(sub: number): V | undefined {
    return this.#find(sub)?.value as V | undefined
  }

  get(sub: number): V | undefined {
    const entry = this.#find(sub)
    if (entry === undefined) return undefined
    if (this.home.isMutable) this.beforeChange(entry)
    return entry.value as V
  }

  put(sub: number, value: V): void {
    // Found again, since it may have been written and dropped after the caller looked at it.
    const entry = this.#find(sub)
    if (entry === undefined) this.#insert(sub, value)
    else {
      this.beforeChange(entry)
      entry.value = value
    }
  }

  #find(sub: number): StoredEntry<V> | undefined {
    const entry = this.#findAny(sub)
    return entry === undefined || entry.value === DELETED ? undefined : entry
  }

  #insert(sub: number, value: V): void {
    const removed = this.#slices.get(sub)?.cached.get()
    const slice = this.#ensureSlice(sub)
    slice.count++
    if (removed !== undefined) {
      this.revive(removed, value)
      return
    }
    const { ownMapKey, knownKeyGroup } = this.home.context
    const entry = new StoredEntry<V>(this, ownMapKey, sub, knownKeyGroup, this.epoch, value)
    slice.cached.insert(entry)
    this.created(entry)
  }

  *ofSlice(sub: number): Generator<Entry<V>> {
    const slice = this.#slices.get(sub)
    if (slice === undefined) return
    // Or an entry could leave between the two halves, and be seen twice.
    const unpin = this.pin()
    try {
      for (const entry of slice.cached.values()) if (entry.value !== DELETED) yield entry
      if (slice.awayCount > 0) yield* this.uncached(this.#rangeOf(sub))
    } finally {
      unpin()
    }
  }

  removeSlice(sub: number): void {
    const slice = this.#slices.get(sub)
    if (slice === undefined) return
    slice.count = 0
    const { context } = this.home
    const { mapKey, knownKeyGroup } = context
    const unpin = this.pin()
    for (const entry of slice.cached.values()) if (entry.value !== DELETED) this.removed(entry)
    // What the store has of it is removed as if it had been read: deltas have to name it.
    if (slice.awayCount > 0) {
      for (const copy of this.uncached(this.#rangeOf(sub))) {
        context.setMapKey(copy.key, copy.keyGroup)
        const entry = this.stored(copy)
        this.#admit(entry)
        this.removed(entry)
      }
      context.setMapKey(mapKey, knownKeyGroup)
    }
    unpin()
    this.#dropEmpty(sub)
  }

  override restore(entry: Entry<V>): void {
    this.home.context.setMapKey(entry.key, entry.keyGroup)
    this.put(entry.sub as number, entry.value as V)
  }

  override restoreDeleted(entry: Entry<V>): void {
    this.home.context.setMapKey(entry.key, entry.keyGroup)
    const found = this.#find(entry.sub as number)
    if (found === undefined) return
    this.#slices.get(entry.sub as number)!.count--
    this.removed(found)
    this.#dropEmpty(entry.sub as number)
  }

  protected override writeRowKey(out: ByteWriter, { key, sub, keyGroup }: StoredEntry<V>): void {
    writeKey(out, sub as number)
    writeKeyGroup(out, keyGroup)
    writeKey(out, this.home.context.keyOf(key))
  }

  protected override readRowKey(input: ByteReader): Entry<V> {
    const sub = readKey(input) as number
    const keyGroup = readKeyGroup(input)
    return new Entry<V>(this.home.context.restored(readKey(input)), sub, keyGroup, 0, null as V)
  }

  protected override *cached(): Generator<StoredEntry<V>> {
    for (const { cached } of this.#slices.values()) yield* cached.values()
  }

  protected override cachedAt({ key, sub }: Entry<V>): StoredEntry<V> | undefined {
    return this.#slices.get(sub as number)?.cached.getAt(key)
  }

  protected override detach({ key, sub, value }: StoredEntry<V>): void {
    const slice = this.#slices.get(sub as number)
    if (slice === undefined) return
    slice.cached.delete(key)
    if (value !== DELETED) slice.awayCount++
    this.#dropEmpty(sub as number)
  }

  #findAny(sub: number): StoredEntry<V> | undefined {
    const slice = this.#slices.get(sub)
    if (slice === undefined) return undefined
    const cached = slice.cached.get()
    if (cached !== undefined) {
      cached.isReferenced = true
      return cached
    }
    if (slice.awayCount === 0) return undefined
    const { ownMapKey, keyGroup } = this.home.context
    const entry = new StoredEntry<V>(this, ownMapKey, sub, keyGroup, 0, null as V)
    if (!this.load(entry)) return undefined
    this.#admit(entry)
    return entry
  }

  /** Puts an entry of the current key that was read into the cache. */
  #admit(entry: StoredEntry<V>): void {
    const slice = this.#ensureSlice(entry.sub as number)
    slice.cached.insert(entry)
    slice.awayCount--
    this.keep(entry)
  }

  #ensureSlice(sub: number): Slice<V> {
    let slice = this.#slices.get(sub)
    if (slice === undefined) {
      slice = { cached: new ShardedMap(this.home.context), count: 0, awayCount: 0 }
      this.#slices.set(sub, slice)
    }
    return slice
  }

  #dropEmpty(sub: number): void {
    const slice = this.#slices.get(sub)
    if (slice === undefined || slice.count + slice.awayCount + slice.cached.size > 0) return
    this.#slices.delete(sub)
  }

  *#live(): Generator<number> {
    for (const [sub, { count }] of this.#slices) if (count > 0) yield sub
  }

  #rangeOf(sub: number): ReturnType<StoredTable<V>['tableRange']> {
    return this.rangeUnder((out) => writeKey(out, sub))
  }
}
