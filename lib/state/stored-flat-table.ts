/** One value per key, kept in the store. Key of a row: key group, key. */
import type { ByteReader } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import { readKey, writeKey } from '../types/key-codec.ts'
import { DELETED, Entry } from './entry.ts'
import type { FlatTable } from './flat-table.ts'
import { readKeyGroup, writeKeyGroup } from './key-group.ts'
import { ShardedMap } from './sharded-map.ts'
import { StoredEntry } from './stored-entry.ts'
import { StoredTable, type TableHome } from './stored-table.ts'

export class StoredFlatTable<V> extends StoredTable<V> implements FlatTable<V> {
  readonly #map: ShardedMap<StoredEntry<V>>
  #turn = -1
  #current: StoredEntry<V> | undefined

  constructor(home: TableHome) {
    super(home)
    this.#map = new ShardedMap(home.context)
  }

  get(): V | undefined {
    const entry = this.#entry()
    if (entry === undefined || entry.value === DELETED) return undefined
    if (this.home.isMutable) this.beforeChange(entry)
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

  protected override cachedAt({ key, keyGroup }: Entry<V>): StoredEntry<V> | undefined {
    return this.#map.getAt(key, keyGroup)
  }

  protected override detach(entry: StoredEntry<V>): void {
    this.#map.delete(entry.key, entry.keyGroup)
  }

  #entry(): StoredEntry<V> | undefined {
    const turn = this.home.context.turn
    const current = this.#current
    // It may have been written and dropped since.
    if (this.#turn === turn && (current === undefined || current.slot >= 0)) return current
    this.#turn = turn
    const cached = this.#map.get()
    if (cached !== undefined) cached.isReferenced = true
    this.#current = cached ?? (this.awayCount > 0 ? this.#load() : undefined)
    return this.#current
  }

  #load(): StoredEntry<V> | undefined {
    const { context } = this.home
    const entry = new StoredEntry<V>(this, context.mapKey, undefined, context.keyGroup, 0, null as V)
    if (!this.load(entry)) return undefined
    this.#map.insert(entry)
    this.keep(entry)
    return entry
  }

  #insert(value: V): void {
    const { mapKey, knownKeyGroup } = this.home.context
    const entry = new StoredEntry<V>(this, mapKey, undefined, knownKeyGroup, this.epoch, value)
    this.#map.insert(entry)
    this.#current = entry
    this.created(entry)
  }
}
