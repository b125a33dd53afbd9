/**
 * Values grouped by sub-key first and key second: the state of aligned windows, where a whole slice of time falls
 * due at once. Adding to the newest slice is one Map access, a due slice is read by walking its Map, and it is
 * dropped as a whole.
 */
import { present } from '../base/assert.ts'
import { Entry } from './entry.ts'
import type { KeyContext } from './key-context.ts'
import { ShardedMap } from './sharded-map.ts'
import { StateTable } from './state-table.ts'

export type Slice<V> = ShardedMap<Entry<V>>

/** Values by sub-key, the slice, and key, the current one. */
export interface SliceTable<V> extends StateTable<V> {
  /** The sub-keys that have entries, in no particular order. */
  slices(): Iterable<number>
  hasSlice(sub: number): boolean
  /** The entry of the current key in slice `sub`; its value may be changed by {@link update} only. */
  find(sub: number): Entry<V> | undefined
  /** The value of a found entry, protected if the caller may change it in place. */
  read(entry: Entry<V>): V
  /** Changes an entry found for the record in hand. */
  update(entry: Entry<V>, value: V): void
  /** Adds a value for the current key, which must have none in this slice. */
  insert(sub: number, value: V): void
  /** Walks the entries of a slice. Live: tolerates changes. */
  ofSlice(sub: number): Iterable<Entry<V>>
  removeSlice(sub: number): void
}

export class HeapSliceTable<V> extends StateTable<V> implements SliceTable<V> {
  readonly #context: KeyContext
  readonly #slices = new Map<number, Slice<V>>()
  readonly #isMutable: boolean
  /** The slice used last: consecutive records mostly fall into the same one. */
  #lastSub = Number.NaN
  #last: Slice<V> | undefined

  constructor(context: KeyContext, isMutable: boolean) {
    super()
    this.#context = context
    this.#isMutable = isMutable
  }

  get size(): number {
    let size = 0
    for (const slice of this.#slices.values()) size += slice.size
    return size
  }

  /** The sub-keys that have entries, in no particular order. */
  slices(): Iterable<number> {
    return this.#slices.keys()
  }

  hasSlice(sub: number): boolean {
    return this.#slices.has(sub)
  }

  /** The entry of the current key in slice `sub`; its value may be changed by {@link update} only. */
  find(sub: number): Entry<V> | undefined {
    const slice = sub === this.#lastSub ? this.#last : this.#select(sub)
    return slice?.get()
  }

  /** The value of a found entry, protected if the caller may change it in place. */
  read(entry: Entry<V>): V {
    if (this.#isMutable) this.beforeChange(entry)
    return entry.value as V
  }

  update(entry: Entry<V>, value: V): void {
    this.beforeChange(entry)
    entry.value = value
  }

  /** Adds a value for the current key, which must have none in this slice. */
  insert(sub: number, value: V): void {
    let slice = sub === this.#lastSub ? this.#last : this.#select(sub)
    if (slice === undefined) {
      slice = new ShardedMap(this.#context)
      this.#slices.set(sub, slice)
      this.#last = slice
    }
    const entry = new Entry(this.#context.mapKey, sub, this.#context.knownKeyGroup, this.epoch, value)
    slice.insert(entry)
    this.created(entry)
  }

  /** Walks the entries of a slice. Live: tolerates changes. */
  ofSlice(sub: number): Iterable<Entry<V>> {
    return this.#slices.get(sub)?.values() ?? []
  }

  removeSlice(sub: number): void {
    const slice = this.#slices.get(sub)
    if (slice === undefined) return
    this.#slices.delete(sub)
    if (this.#lastSub === sub) this.#last = undefined
    for (const entry of slice.values()) this.removed(entry)
  }

  override *entries(): Generator<Entry<V>> {
    for (const slice of this.#slices.values()) yield* slice.values()
  }

  override restore(entry: Entry<V>): void {
    this.#context.setMapKey(entry.key, entry.keyGroup)
    const found = this.find(entry.sub as number)
    if (found === undefined) this.insert(entry.sub as number, entry.value as V)
    else this.update(found, entry.value as V)
  }

  override restoreDeleted(entry: Entry<V>): void {
    this.#context.setMapKey(entry.key, entry.keyGroup)
    const found = this.find(entry.sub as number)
    if (found === undefined) return
    const slice = present(this.#slices.get(entry.sub as number), 'slice of a found entry')
    slice.delete(found.key, found.keyGroup)
    if (slice.size === 0) this.removeSlice(entry.sub as number)
    this.removed(found)
  }

  #select(sub: number): Slice<V> | undefined {
    this.#lastSub = sub
    this.#last = this.#slices.get(sub)
    return this.#last
  }
}
