/** What the keyed state of one operator lives in, where that is not the heap alone. */
import type { EntryCache } from './entry-cache.ts'

export type StateBackend = 'heap' | 'leveldb'

/** Where the keyed state of a job is kept; part of every deployment. */
export interface StateSettings {
  /**
   * `heap`: objects in memory, which has to hold them all; as in Flink, `memoryBytes` does not bound it. `leveldb`: in
   * a store on local disk behind a cache.
   */
  readonly backend: StateBackend
  /** `leveldb`: timers, too, may be more than memory holds; only with that backend. */
  readonly timers: StateBackend
  /** Managed memory per slot, in bytes: for LevelDB itself, and for the caches of all keyed operators in the slot. */
  readonly memoryBytes: number
  /**
   * `leveldb`: how many rows a batch of records that waits has to need for them to be read ahead, where that pays; see
   * StatePrefetch. Null: never. Default 8.
   */
  readonly prefetchKeysMin?: number | null
}

export interface StateHome {
  /** Shared by all tables of the operator, and by no others. */
  readonly cache: EntryCache
  /** `heap`: timers stay in memory, whatever their number. */
  readonly timers: StateBackend
  /** As in StateSettings. */
  readonly prefetchKeysMin?: number | null
  /** A number no other table of the store has. */
  newTableId(): number
}
