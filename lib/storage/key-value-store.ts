/**
 * The little that the state backend asks of an ordered store on local disk. It holds working state only: nothing in it
 * needs to outlive the process.
 *
 * K1. `get` and scans see every write whose `done` has been called, and may see those that are under way.
 * K2. A batch is applied as a whole. Batches that touch one key must not be under way at once: their order is open.
 * K3. A scan and a snapshot show the store as it was when they were made, whatever is written meanwhile.
 * K4. Keys are ordered byte by byte; of a range the first end belongs to it, the other does not.
 *
 * Reads are synchronous, because operators are; but what one is going to need can be read ahead. Writes are not: they
 * would wait for the disk.
 */

/** One change, in the shape in which classic-level wants it. */
export type StoreWrite =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array }

export interface KeyRange {
  readonly from: Uint8Array
  readonly to: Uint8Array
}

export type RowsCallback = (error: Error | null, rows: readonly (Uint8Array | undefined)[]) => void

export type StoreRow = readonly [key: Uint8Array, value: Uint8Array]

/** A walk over a range, page by page. */
export interface StoreScan {
  /** The next rows, in order; none at the end. */
  next(): readonly StoreRow[]
  /** Must be called, also after the end. */
  close(): void
}

export interface StoreSnapshot {
  get(key: Uint8Array): Uint8Array | undefined
  close(): void
}

export interface KeyValueStore {
  get(key: Uint8Array): Uint8Array | undefined
  /**
   * As `get` for each key, some time between now and when `done` is called: once, perhaps before this returns, with as
   * many rows as keys unless there is an error. The keys must not change meanwhile.
   */
  getMany(keys: readonly Uint8Array[], done: RowsCallback): void
  /** `done` is called once, perhaps before `write` returns. */
  write(batch: readonly StoreWrite[], done: (error: Error | null) => void): void
  /** Removes what is in the range, some time; nobody writes there any more. */
  clear(range: KeyRange): void
  /** `pageRows`: how many rows `next` gives at most. */
  scan(range: KeyRange, pageRows: number): StoreScan
  snapshot(): StoreSnapshot
  /** Waits for what is under way, then removes everything. Idempotent. */
  close(): Promise<void>
}
