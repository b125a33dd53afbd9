/** One value per key, kept in the store. Key of a row: key group, key. */
import type { ByteReader } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import { readKey, writeKey } from '../types/key-codec.ts'
import { DELETED, Entry } from './entry.ts'
import { ENTRY_OVERHEAD } from './entry-cache.ts'
import type { FlatTable } from './flat-table.ts'
import { readKeyGroup, writeKeyGroup } from './key-group.ts'
import { ShardedMap } from './sharded-map.ts'
import type { PrefetchTable } from './state-prefetch.ts'
import { StoredEntry } from './stored-entry.ts'
import { StoredTable, type TableHome } from './stored-table.ts'

export class StoredFlatTable<V> extends StoredTable<V> implements FlatTable<V>, PrefetchTable {
  readonly #map: ShardedMap<StoredEntry<V>>
  #turn = -1
  #current: StoredEntry<V> | undefined
  /** Entries read ahead that have been used. */
  #usedCount = 0

  constructor(home: TableHome) {
    super(home)
    this.#map = new ShardedMap(home.context)
  }

  get(): V | undefined {
    const entry = this.#entry()
    if (entry === undefined || entry.value === DELETED) return undefined
    if (this.home.isMutable) this.beforeLook(entry)
    return entry.value
  }

  put(value: V): void {
    const entry = this.#entry()
    if (entry === undefined) this.#insert(value)
    else if (entry.value === DELETED) this.revive(entry, value)
    else {
      this.beforeChange(entry)
      entry.value = value
    }
  }

  remove(): void {
    const entry = this.#entry()
    if (entry !== undefined && entry.value !== DELETED) this.removed(entry)
  }

  get hasAway(): boolean {
    return this.awayCount > 0
  }

  awaitCurrent(): StoredEntry<V> | null {
    if (this.awayCount === 0 || this.#map.get() !== undefined) return null
    const { ownMapKey, keyGroup } = this.home.context
    const entry = new StoredEntry<V>(this, ownMapKey, undefined, keyGroup, 0, null as V)
    entry.prefetch = 'awaited'
    this.#map.insert(entry)
    return entry
  }

  arrive(entry: StoredEntry<V>, row: Uint8Array | undefined): void {
    if (entry.prefetch !== 'awaited') return
    entry.prefetch = 'ahead'
    // That there is none is worth knowing, too.
    if (!this.loadRow(entry, row)) entry.value = DELETED
    this.keep(entry)
  }

  giveUp(entry: StoredEntry<V>): void {
    if (entry.prefetch !== 'awaited') return
    entry.prefetch = 'no'
    this.detach(entry)
  }

  get entryBytes(): number {
    return this.valueBytes + ENTRY_OVERHEAD
  }

  takeUsedCount(): number {
    const count = this.#usedCount
    this.#usedCount = 0
    return count
  }

  override restore(entry: Entry<V>): void {
    this.home.context.setMapKey(entry.key, entry.keyGroup)
    this.put(entry.value as V)
  }

  override restoreDeleted(entry: Entry<V>): void {
    this.home.context.setMapKey(entry.key, entry.keyGroup)
    this.remove()
  }

  protected override writeRowKey(out: ByteWriter, { key, keyGroup }: StoredEntry<V>): void {
    writeKeyGroup(out, keyGroup)
    writeKey(out, this.home.context.keyOf(key))
  }

  protected override readRowKey(input: ByteReader): Entry<V> {
    const keyGroup = readKeyGroup(input)
    return new Entry<V>(this.home.context.restored(readKey(input)), undefined, keyGroup, 0, null as V)
  }

  protected override cached(): Iterable<StoredEntry<V>> {
    return this.#map.values()
  }

  protected override cachedAt({ key }: Entry<V>): StoredEntry<V> | undefined {
    const entry = this.#map.getAt(key)
    return entry?.prefetch === 'awaited' ? undefined : entry
  }

  protected override detach(entry: StoredEntry<V>): void {
    this.#map.delete(entry.key)
  }

  #entry(): StoredEntry<V> | undefined {
    const turn = this.home.context.turn
    const current = this.#current
    // It may have been written and dropped since.
    if (this.#turn === turn && (current === undefined || current.slot >= 0)) return current
    this.#turn = turn
    const cached = this.#map.get()
    if (cached === undefined) this.#current = this.awayCount > 0 ? this.#load() : undefined
    else {
      cached.isReferenced = true
      this.#current = cached.prefetch === 'no' ? cached : this.#useAhead(cached)
    }
    return this.#current
  }

  #useAhead(entry: StoredEntry<V>): StoredEntry<V> | undefined {
    const isHere = entry.prefetch === 'ahead'
    entry.prefetch = 'no'
    if (isHere) this.#usedCount++
    else if (this.load(entry)) this.keep(entry)
    else {
      this.detach(entry)
      return undefined
    }
    return entry
  }

  #load(): StoredEntry<V> | undefined {
    const { context } = this.home
    const entry = new StoredEntry<V>(this, context.ownMapKey, undefined, context.keyGroup, 0, null as V)
    if (!this.load(entry)) return undefined
    this.#map.insert(entry)
    this.keep(entry)
    return entry
  }

  #insert(value: V): void {
    const { ownMapKey, knownKeyGroup } = this.home.context
    const entry = new StoredEntry<V>(this, ownMapKey, undefined, knownKeyGroup, this.epoch, value)
    this.#map.insert(entry)
    this.#current = entry
    this.created(entry)
  }
}
