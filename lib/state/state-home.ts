/** What the keyed state of one operator lives in, where that is not the heap alone. */
import type { EntryCache } from './entry-cache.ts'

export interface StateHome {
  /** Shared by all tables of the operator, and by no others. */
  readonly cache: EntryCache
  /** `heap`: timers stay in memory, whatever their number. */
  readonly timers: TimerPlace
  /** A number no other table of the store has. */
  newTableId(): number
}

export type TimerPlace = 'heap' | 'leveldb'
