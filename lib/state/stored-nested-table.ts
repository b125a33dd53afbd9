/**
 * Several values per key, told apart by a sub-key, kept in the store. Key of a row: key group, key, sub-key. Each entry
 * comes and goes by itself, so that a map may be larger than memory; walking over all of a key takes a scan, unless
 * all of it is known to be in the cache.
 */
import type { ByteReader } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import { readKey, writeKey } from '../types/key-codec.ts'
import { DELETED, Entry, type SubKey } from './entry.ts'
import { readKeyGroup, writeKeyGroup } from './key-group.ts'
import { type MapKey, readMapKey, writeMapKey } from './map-key.ts'
import type { NestedTable } from './nested-table.ts'
import { ShardedMap } from './sharded-map.ts'
import { StoredEntry } from './stored-entry.ts'
import { StoredTable, type TableHome } from './stored-table.ts'

/** What the cache has of one key. */
interface Inner<V> {
  readonly entries: Map<SubKey, StoredEntry<V>>
  /** The store has nothing that is not here. */
  isComplete: boolean
}

export class StoredNestedTable<V> extends StoredTable<V> implements NestedTable<V> {
  readonly #map: ShardedMap<Inner<V>>
  #turn = -1
  #inner: Inner<V> | undefined

  constructor(home: TableHome) {
    super(home)
    this.#map = new ShardedMap(home.context)
  }

  get(sub: SubKey): V | undefined {
    const entry = this.#find(sub)
    if (entry === undefined || entry.value === DELETED) return undefined
    if (this.home.isMutable) this.beforeLook(entry)
    return entry.value
  }

  has(sub: SubKey): boolean {
    const entry = this.#find(sub)
    return entry !== undefined && entry.value !== DELETED
  }

  put(sub: SubKey, value: V): void {
    const entry = this.#find(sub)
    if (entry === undefined) {
      const { ownMapKey, knownKeyGroup } = this.home.context
      const created = new StoredEntry<V>(this, ownMapKey, sub, knownKeyGroup, this.epoch, value)
      this.#ensureInner().entries.set(sub, created)
      this.created(created)
    } else if (entry.value === DELETED) this.revive(entry, value)
    else {
      this.beforeChange(entry)
      entry.value = value
    }
  }

  remove(sub: SubKey): void {
    const entry = this.#find(sub)
    if (entry !== undefined && entry.value !== DELETED) this.removed(entry)
  }

  removeAll(): void {
    for (const sub of this.#subKeys()) this.remove(sub)
  }

  countOfKey(): number {
    return this.#subKeys().length
  }

  /** Of what the key has now; what is removed meanwhile is left out. The cached come first. */
  *ofKey(): Generator<[SubKey, V]> {
    const { context } = this.home
    const { mapKey, keyGroup } = context
    for (const sub of this.#subKeys()) {
      const entry = context.mapKey === mapKey ? this.#find(sub) : this.#findOf(mapKey, keyGroup, sub)
      if (entry === undefined || entry.value === DELETED) continue
      if (this.home.isMutable) this.beforeLook(entry)
      yield [entry.sub, entry.value as V]
    }
  }

  override restore(entry: Entry<V>): void {
    this.home.context.setMapKey(entry.key, entry.keyGroup)
    this.put(entry.sub, entry.value as V)
  }

  override restoreDeleted(entry: Entry<V>): void {
    this.home.context.setMapKey(entry.key, entry.keyGroup)
    this.remove(entry.sub)
  }

  protected override writeRowKey(out: ByteWriter, { key, sub, keyGroup }: StoredEntry<V>): void {
    writeKeyGroup(out, keyGroup)
    writeKey(out, this.home.context.keyOf(key))
    writeMapKey(out, sub as MapKey)
  }

  protected override readRowKey(input: ByteReader): Entry<V> {
    const keyGroup = readKeyGroup(input)
    const key = this.home.context.restored(readKey(input))
    return new Entry<V>(key, readMapKey(input), keyGroup, 0, null as V)
  }

  protected override *cached(): Generator<StoredEntry<V>> {
    for (const { entries } of this.#map.values()) yield* entries.values()
  }

  protected override cachedAt({ key, sub }: Entry<V>): StoredEntry<V> | undefined {
    return this.#map.getAt(key)?.entries.get(sub)
  }

  protected override detach({ key, sub, value }: StoredEntry<V>): void {
    const inner = this.#map.getAt(key)
    if (inner === undefined) return
    inner.entries.delete(sub)
    // A removed entry leaves when the store has none of it.
    if (value !== DELETED) inner.isComplete = false
    if (inner.entries.size > 0) return
    this.#map.delete(key)
    if (inner === this.#inner) this.#inner = undefined
  }

  #find(sub: SubKey): StoredEntry<V> | undefined {
    const inner = this.#current()
    const cached = inner?.entries.get(sub)
    if (cached !== undefined) {
      cached.isReferenced = true
      return cached
    }
    if (this.awayCount === 0 || inner?.isComplete === true) return undefined
    const { context } = this.home
    const entry = new StoredEntry<V>(this, context.ownMapKey, sub, context.keyGroup, 0, null as V)
    if (!this.load(entry)) return undefined
    this.#admit(entry)
    return entry
  }

  #admit(entry: StoredEntry<V>): void {
    this.#ensureInner().entries.set(entry.sub, entry)
    this.keep(entry)
  }

  /** The sub-keys that the current key has. */
  #subKeys(): SubKey[] {
    const subs: SubKey[] = []
    const inner = this.#current()
    for (const entry of inner?.entries.values() ?? []) if (entry.value !== DELETED) subs.push(entry.sub)
    if (this.awayCount === 0 || inner?.isComplete === true) return subs
    const { mapKey, keyGroup } = this.home.context
    const range = this.rangeUnder((out) => {
      writeKeyGroup(out, keyGroup)
      writeKey(out, this.home.context.keyOf(mapKey))
    })
    const unpin = this.pin()
    for (const copy of this.uncached(range)) {
      subs.push(copy.sub)
      this.#admit(this.stored(copy))
    }
    const whole = this.#current()
    if (whole !== undefined) whole.isComplete = true
    unpin()
    return subs
  }

  /** As #find, for a key that is not the current one; that stays so. */
  #findOf(key: MapKey, keyGroup: number, sub: SubKey): StoredEntry<V> | undefined {
    const { context } = this.home
    const { mapKey, knownKeyGroup } = context
    context.setMapKey(key, keyGroup)
    const entry = this.#find(sub)
    context.setMapKey(mapKey, knownKeyGroup)
    return entry
  }

  #current(): Inner<V> | undefined {
    const turn = this.home.context.turn
    if (this.#turn !== turn) {
      this.#turn = turn
      this.#inner = this.#map.get()
    }
    return this.#inner
  }

  #ensureInner(): Inner<V> {
    let inner = this.#current()
    if (inner === undefined) {
      inner = { entries: new Map(), isComplete: this.awayCount === 0 }
      this.#map.insert(inner)
      this.#inner = inner
    }
    return inner
  }
}
