/** What snapshots of keyed state are made of; see KeyedSnapshot. And what tables are, seen from outside. */
import type { Schema } from '../types/schema.ts'
import type { Type } from '../types/type.ts'
import type { SnapshotTable } from './state-table.ts'
import type { Expiry } from './state-ttl.ts'

/** How a table arranges its entries: by key; by key and sub-key; by sub-key and key; by time. */
export type TableLayout = 'flat' | 'nested' | 'slices' | 'timers'

/** A table and what is needed to write its entries. */
export interface RegisteredTable {
  readonly name: string
  readonly layout: TableLayout
  /** Null for timers, which have no value. */
  readonly type: Type<unknown> | null
  readonly table: SnapshotTable<unknown>
  /** Null unless the state has a time-to-live. */
  readonly expiry: Expiry | null
}

/** Rows of one table. */
export interface StateChunk {
  readonly table: string
  readonly layout: TableLayout
  /** Type of the values; null for timers. */
  readonly schema: Schema | null
  /** The rows name entries that were removed; they have no values. */
  readonly isDeletion: boolean
  readonly rowCount: number
  /** The values of all, if they have some, and the rows; see keyed-snapshot.ts. */
  readonly rows: Uint8Array
}

/** With rows of its own, for who keeps a chunk that was only lent. */
export function copyOfChunk(chunk: StateChunk): StateChunk {
  return { ...chunk, rows: chunk.rows.slice() }
}
