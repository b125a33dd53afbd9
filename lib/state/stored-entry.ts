/** An entry of a table whose home is a store on disk: what the cache in front of it has to know. */
import { Entry, type SubKey } from './entry.ts'
import type { MapKey } from './map-key.ts'

export class StoredEntry<V> extends Entry<V> {
  readonly table: CachedTable
  /** What it counts for in the cache. */
  bytes = 0
  /** Its place in the cache; -1: it is not there, or no longer. */
  slot = -1
  /** Used since the hand of the clock came by. */
  isReferenced = true
  /** The store has not been given the present value. */
  isDirty = false
  /** Waits to be written; see EntryCache. */
  isQueued = false
  /** Being written. */
  isInFlight = false
  /** The store has a row of it. */
  isStored = false
  /** What is being written is that it has gone. */
  isGoing = false
  /** The store has, or is going to have, a row that says it has changed since the base or delta before. */
  isMarked = false
  /** `awaited`: its row is being read, and there is nothing in it yet. `ahead`: it came before anybody needed it. */
  prefetch: 'no' | 'awaited' | 'ahead' = 'no'

  constructor(table: CachedTable, key: MapKey, sub: SubKey, keyGroup: number, epoch: number, value: V) {
    super(key, sub, keyGroup, epoch, value)
    this.table = table
  }
}

/** What the cache asks of the table that an entry belongs to. */
export interface CachedTable {
  /** False: the entry must stay for the moment. */
  mayLeave(entry: StoredEntry<unknown>): boolean
  /** Adds what the store has to be told about the entry. Returns its size in bytes. */
  save(entry: StoredEntry<unknown>, cache: WriteBatch): number
  /** The store has the value that was saved; flags are those of before. */
  saved(entry: StoredEntry<unknown>): void
  /** Drops the entry, which is clean. */
  evict(entry: StoredEntry<unknown>): void
}

export interface WriteBatch {
  put(key: Uint8Array, value: Uint8Array): void
  delete(key: Uint8Array): void
}
