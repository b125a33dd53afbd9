/**
 * One value per key: value, list, reducing and aggregating state. The entry of the current key is looked up once
 * per record, however often the user reads and writes it.
 */
import { Entry } from './entry.ts'
import type { KeyContext } from './key-context.ts'
import { ShardedMap } from './sharded-map.ts'
import { StateTable } from './state-table.ts'

/** One value per key, that of the current one. */
export interface FlatTable<V> extends StateTable<V> {
  /** The value of the current key, or undefined. A mutable value may be changed in place before it is put back. */
  get(): V | undefined
  put(value: V): void
  remove(): void
}

export class HeapFlatTable<V> extends StateTable<V> implements FlatTable<V> {
  readonly #context: KeyContext
  readonly #map: ShardedMap<Entry<V>>
  readonly #isMutable: boolean
  #turn = -1
  #current: Entry<V> | undefined

  /** `isMutable`: values are objects a reader might change in place. */
  constructor(context: KeyContext, isMutable: boolean) {
    super()
    this.#context = context
    this.#map = new ShardedMap(context)
    this.#isMutable = isMutable
  }

  get size(): number {
    return this.#map.size
  }

  /** The value of the current key, or undefined. A mutable value may be changed in place before it is put back. */
  get(): V | undefined {
    const entry = this.#entry()
    if (entry === undefined) return undefined
    if (this.#isMutable) this.beforeChange(entry)
    return entry.value as V
  }

  put(value: V): void {
    const entry = this.#entry()
    if (entry === undefined) this.#insert(value)
    else {
      this.beforeChange(entry)
      entry.value = value
    }
  }

  remove(): void {
    const entry = this.#entry()
    if (entry === undefined) return
    this.#map.delete(entry.key)
    this.#current = undefined
    this.removed(entry)
  }

  override entries(): Iterable<Entry<V>> {
    return this.#map.values()
  }

  override restore(entry: Entry<V>): void {
    this.#context.setMapKey(entry.key, entry.keyGroup)
    this.put(entry.value as V)
  }

  override restoreDeleted(entry: Entry<V>): void {
    this.#context.setMapKey(entry.key, entry.keyGroup)
    this.remove()
  }

  #entry(): Entry<V> | undefined {
    const turn = this.#context.turn
    if (this.#turn !== turn) {
      this.#turn = turn
      this.#current = this.#map.get()
    }
    return this.#current
  }

  #insert(value: V): void {
    const context = this.#context
    const entry = new Entry(context.ownMapKey, undefined, context.knownKeyGroup, this.epoch, value)
    this.#map.insert(entry)
    this.#current = entry
    this.created(entry)
  }
}
