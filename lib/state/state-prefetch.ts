/**
 * Reads state ahead: while batches before it are processed, the rows of a batch's keys that are not in the cache come
 * from the store in one asynchronous `getMany`, on the store's own threads, so that the operator's synchronous reads
 * find them in memory. It saves time where state is larger than the cache; where it does not, it switches itself off.
 *
 * P1. A row that is being read has its entry in the Maps of the table already, marked as awaited and outside the cache.
 *     Nobody changes or writes such an entry, and there is no other of its key, so the row of the store cannot change
 *     meanwhile: what comes is right, whatever else was written, frozen or dropped.
 * P2. Who needs an awaited entry earlier reads it at once; what comes later is ignored. So is an error: whoever needs
 *     the row will meet it.
 * P3. At most ROWS_MAX rows are awaited, for one operator, and above ROWS_MIN no more than, by the average size of
 *     those written before, fill CACHE_SHARE of its cache; other keys are read when they are needed.
 * P4. It costs little where it does not pay: it rests for a while, longer each time, after PERIOD_BATCHES of which
 *     fewer than one record in USED_SHARE gained by it, or less than a quarter of what was read was used. (Not half:
 *     some of the batches have not had their turn by then.)
 */
import type { EntryCache } from './entry-cache.ts'
import type { KeyContext } from './key-context.ts'
import type { StoredEntry } from './stored-entry.ts'

/** What eight full batches may need. */
const ROWS_MAX = 4096
const ROWS_MIN = 16
const CACHE_SHARE = 1 / 4
/** Fewer are as quickly read when they are needed. */
export const PREFETCH_KEYS_MIN = 8
const PERIOD_BATCHES = 8
const USED_SHARE = 16
/** Rests, in batches. */
const REST_MIN = 32
const REST_MAX = 1024

/** What a table does for it. */
export interface PrefetchTable {
  /** Whether there are entries in the store only. */
  readonly hasAway: boolean
  /** What an entry takes of the cache, on average. */
  readonly entryBytes: number
  /** An entry to be read for the current key; null if there is nothing to read. */
  awaitCurrent(): StoredEntry<unknown> | null
  /** The key of its row. */
  rowKey(entry: StoredEntry<unknown>): Uint8Array
  /** Its row is here; undefined: there is none. */
  arrive(entry: StoredEntry<unknown>, row: Uint8Array | undefined): void
  /** It is not going to be read. */
  giveUp(entry: StoredEntry<unknown>): void
  /** Entries read ahead that have been used since this was asked before. */
  takeUsedCount(): number
}

export class StatePrefetch {
  readonly #cache: EntryCache
  readonly #context: KeyContext
  readonly #tables: PrefetchTable[] = []
  readonly #keysMin: number
  #entries: StoredEntry<unknown>[] = []
  #owners: PrefetchTable[] = []
  #inFlightCount = 0
  /** How many may be awaited; see P3. */
  #rowsMax = ROWS_MIN
  #period = { batches: 0, records: 0, keys: 0 }
  /** Batches until the next attempt. */
  #restLeft = 0
  #rest = 0

  /** `keysMin`: a batch for which fewer have to be read is left alone. */
  constructor(cache: EntryCache, context: KeyContext, keysMin: number) {
    this.#cache = cache
    this.#keysMin = keysMin
    this.#context = context
  }

  add(table: PrefetchTable): void {
    this.#tables.push(table)
  }

  /** Whether to go through the keys of a batch that waits. */
  get isWorthwhile(): boolean {
    if (this.#restLeft > 0 || this.#inFlightCount >= this.#rowsMax) return false
    for (const table of this.#tables) if (table.hasAway) return true
    return false
  }

  /** A batch is processed that nobody went through. */
  pass(): void {
    if (this.#restLeft > 0) this.#restLeft--
  }

  /**
   * Reads what is not in the cache of the keys that `setKeys` makes current one after the other, calling {@link want}
   * with each. False: there was nothing worth reading, and `onDone` is not called; else it may be called before this
   * returns. The key that was current before is so again.
   */
  read(recordCount: number, setKeys: () => void, onDone: () => void): boolean {
    const { mapKey, knownKeyGroup } = this.#context
    this.#measure()
    try {
      setKeys()
    } catch {
      // A key selector that throws will do so again when the record is processed, which is where people look for it.
    }
    this.#context.setMapKey(mapKey, knownKeyGroup)
    const entries = this.#entries
    const owners = this.#owners
    this.#entries = []
    this.#owners = []
    const isSent = entries.length >= this.#keysMin
    if (isSent) this.#send(entries, owners, onDone)
    else for (const [i, entry] of entries.entries()) owners[i]!.giveUp(entry)
    this.#period.batches++
    this.#period.records += recordCount
    if (this.#period.batches === PERIOD_BATCHES) this.#judge()
    return isSent
  }

  /** The current key is that of a record to come. */
  want(): void {
    if (this.#inFlightCount + this.#entries.length >= this.#rowsMax) return
    const tables = this.#tables
    for (let i = 0; i < tables.length; i++) {
      const entry = tables[i]!.awaitCurrent()
      if (entry === null) continue
      this.#entries.push(entry)
      this.#owners.push(tables[i]!)
    }
  }

  /** P3. */
  #measure(): void {
    let entryBytes = 1
    for (const table of this.#tables) entryBytes = Math.max(entryBytes, table.entryBytes)
    const fitting = (this.#cache.bytesMax * CACHE_SHARE) / entryBytes
    this.#rowsMax = Math.min(Math.max(fitting, ROWS_MIN), ROWS_MAX)
  }

  #send(
    entries: readonly StoredEntry<unknown>[],
    owners: readonly PrefetchTable[],
    onDone: () => void,
  ): void {
    this.#inFlightCount += entries.length
    this.#period.keys += entries.length
    const end = (settle: (i: number) => void) => {
      this.#inFlightCount -= entries.length
      for (let i = 0; i < entries.length; i++) settle(i)
      onDone()
    }
    const keys = entries.map((entry, i) => owners[i]!.rowKey(entry))
    this.#cache.store.getMany(keys, (error, rows) => {
      if (error !== null) end((i) => owners[i]!.giveUp(entries[i]!))
      else end((i) => owners[i]!.arrive(entries[i]!, rows[i]))
    })
  }

  /** P4. */
  #judge(): void {
    let usedCount = 0
    for (const table of this.#tables) usedCount += table.takeUsedCount()
    const { records, keys } = this.#period
    this.#period = { batches: 0, records: 0, keys: 0 }
    if (usedCount * USED_SHARE >= records && usedCount * 4 >= keys) {
      this.#rest = 0
      return
    }
    this.#rest = Math.min(Math.max(this.#rest * 2, REST_MIN), REST_MAX)
    this.#restLeft = this.#rest
  }
}
