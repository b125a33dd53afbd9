/**
 * What tables share whose home is a store: rows of the store, entries of the cache in front of it, and snapshots over
 * both. The entry of a key is in the cache or in the store; if in both, the cache is right. A removed entry stays in
 * the cache, as DELETED, until the store has forgotten it.
 *
 *     row:   table, key (see the kinds of tables) -> u32 epoch, value
 *     mark:  MARKS, table, u32 epoch of the last base or delta, key of the row -> nothing
 *
 * T1 to T6 of StateTable hold, and:
 *
 * S1. At a freeze, what the cache knows better than the store is written from the cache, the rest from the store as it
 *     was then. So before the store learns an entry that is still to be written, it is written.
 * S2. What has changed since the last base or delta is listed while it is in the cache. An entry that leaves the cache
 *     leaves a mark in the store; read again it is listed again. So memory does not grow with what changes between two
 *     checkpoints. The names of removed entries do stay in memory until the next one.
 * S3. Nothing is read from the store, but for snapshots, while all entries are in the cache.
 */
import { assert } from '../base/assert.ts'
import { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { ChunkedList } from '../base/chunked-list.ts'
import type { KeyRange, StoreScan, StoreSnapshot } from '../storage/key-value-store.ts'
import type { Type } from '../types/type.ts'
import { DELETED, type Entry } from './entry.ts'
import type { EntryCache } from './entry-cache.ts'
import { FrozenEntries } from './frozen-entries.ts'
import type { KeyContext } from './key-context.ts'
import { type EntryWriter, type SnapshotKind, StateTable } from './state-table.ts'
import { type CachedTable, StoredEntry, type WriteBatch } from './stored-entry.ts'

/** No table has this number. */
const MARKS = 0xffff
const EPOCH_BYTES = 4
const PAGE_ROWS = 512
/** A page read for a purpose that may end before its end. */
const SMALL_PAGE_ROWS = 128
/** Of new entries, before any has been encoded. */
const VALUE_BYTES_GUESS = 32
/** List entries that have left the cache are tolerated up to this many and as many again as there are others. */
const STALE_MAX = 1024
/** One row holds one value, which may be large. */
const ROW_BYTES_MAX = 512 * 1024 * 1024

const keyOut = new ByteWriter(256)
const valueOut = new ByteWriter(1024, ROW_BYTES_MAX)
const NO_VALUE = new Uint8Array(0)

/** What all tables of one operator are made over. */
export interface TableHome {
  readonly context: KeyContext
  readonly cache: EntryCache
  /** Which no other table of the store has. */
  readonly tableId: number
  /** Null: entries have no value. */
  readonly type: Type<unknown> | null
  /** Values are objects a reader might change in place. */
  readonly isMutable: boolean
}

interface Freeze<V> {
  /** Of the cache. */
  readonly entries: FrozenEntries<StoredEntry<V>>
  /** Not a delta. */
  readonly isFull: boolean
  readonly write: EntryWriter<V>
  /** Writes one of `entries`: made once, not for every call. */
  readonly writeNext: (entry: StoredEntry<V>) => void
  isCacheDone: boolean
  /** Rows, or marks of rows that changed, as of the freeze. */
  readonly scan: StoreScan | null
  page: readonly (readonly [Uint8Array, Uint8Array])[]
  next: number
  /** The row written last out of the store; those before it have been, too. */
  position: Uint8Array | null
  /** For the rows behind the marks. */
  readonly snapshot: StoreSnapshot | null
  /** Rows of the scan that the cache knew better, as text. */
  readonly superseded: Set<string>
  /** Marks that nobody needs after this snapshot. */
  readonly staleMarks: KeyRange | null
}

export abstract class StoredTable<V> extends StateTable<V> implements CachedTable {
  protected readonly home: TableHome
  /** How many entries are in the store only. */
  protected awayCount = 0
  /** Whether the store has ever been given anything. */
  #isSpilled = false
  #size = 0
  #pinCount = 0
  /** Of key and value, encoded, on average. */
  protected valueBytes = VALUE_BYTES_GUESS
  #isTracking = false
  #dirty = new ChunkedList<StoredEntry<V>>()
  /** Empty, with room in it. */
  #spare: ChunkedList<StoredEntry<V>> | null = null
  /** How many of #dirty have left the cache. */
  #staleCount = 0
  /** How many of the entries that have marks are in the store only; at least. */
  #markedAwayCount = 0
  /** Of the last snapshot of any kind. */
  #frozenEpoch = 0
  /** Of the last base or delta; odd, since what one has written is marked so and has not changed since. */
  #listedEpoch = 1
  #deleted: Entry<V>[] = []
  #freeze: Freeze<V> | null = null
  readonly #input = new ByteReader(NO_VALUE)

  constructor(home: TableHome) {
    super()
    this.home = home
  }

  /** Writes what follows the table in the key of the entry's row. Its key group is known. */
  protected abstract writeRowKey(out: ByteWriter, entry: StoredEntry<V>): void
  /** Reads it back, into an entry without a value. */
  protected abstract readRowKey(input: ByteReader): Entry<V>
  /** Every entry in the cache, removed and awaited ones included; tolerant of changes. */
  protected abstract cached(): Iterable<StoredEntry<V>>
  /** The entry of a place, if it is in the cache, even if removed. */
  protected abstract cachedAt(entry: Entry<V>): StoredEntry<V> | undefined
  /** Takes an entry out of the Maps. */
  protected abstract detach(entry: StoredEntry<V>): void

  override get size(): number {
    return this.#size
  }

  mayLeave(_entry: StoredEntry<V>): boolean {
    return this.#pinCount === 0
  }

  override get changedCount(): number {
    return this.#dirty.length - this.#staleCount + this.#markedAwayCount + this.#deleted.length
  }

  override track(): void {
    if (this.#isTracking) return
    this.#isTracking = true
    this.#listedEpoch = this.epoch + 1
    this.epoch += 2
  }

  override isOlder(entry: Entry<V>): boolean {
    return entry.epoch <= this.#frozenEpoch && entry.value !== DELETED
  }

  /**
   * What the store does not know, then what it does. Whoever takes his time misses nothing that is there all the
   * while, but may see an entry twice that the store got to know meanwhile.
   */
  override *entries(): Generator<Entry<V>> {
    for (const entry of this.cached()) {
      if (entry.prefetch === 'awaited') continue
      if ((!entry.isStored || entry.isGoing) && entry.value !== DELETED) yield entry
    }
    if (!this.#isSpilled) return
    for (const copy of this.#rows(this.tableRange())) {
      const cached = this.cachedAt(copy)
      if (cached === undefined) yield copy
      else if (!cached.isGoing && cached.value !== DELETED) yield cached
    }
  }

  /** Entries of the store that are not in the cache, by copies that are not either; the values are of now. */
  protected *uncached(range: KeyRange): Generator<Entry<V>> {
    for (const copy of this.#rows(range)) if (this.cachedAt(copy) === undefined) yield copy
  }

  /** Copies of what the store has. Those whose entries are in the cache may be stale. */
  *#rows(range: KeyRange): Generator<Entry<V>> {
    const { cache } = this.home
    let { from } = range
    for (;;) {
      // Page by page, or a scan that is never finished would keep the store as it was.
      const { writeCount } = cache
      const scan = cache.store.scan({ from, to: range.to }, SMALL_PAGE_ROWS)
      const page = scan.next()
      scan.close()
      for (const [key, read] of page) {
        const row = cache.writeCount === writeCount ? read : cache.store.get(key)
        if (row === undefined) continue
        const copy = this.#entryOfRow(key)
        this.#readValue(copy, row)
        yield copy
      }
      if (page.length < SMALL_PAGE_ROWS) return
      from = after(page[page.length - 1]![0])
    }
  }

  /** Fills an entry that is not in the cache with what the store has of it, if it does; the caller keeps it. */
  protected load(entry: StoredEntry<V>): boolean {
    return this.loadRow(entry, this.home.cache.store.get(this.#rowKeyView(entry)))
  }

  /** As {@link load}, with the row that the store has; undefined: none. */
  protected loadRow(entry: StoredEntry<V>, row: Uint8Array | undefined): boolean {
    if (row === undefined) return false
    this.#readValue(entry, row)
    this.#comeIn(entry)
    return true
  }

  /** The entry for a copy out of {@link uncached}; the caller keeps it. */
  protected stored(copy: Entry<V>): StoredEntry<V> {
    const entry = this.newEntry(copy)
    this.#comeIn(entry)
    return entry
  }

  protected newEntry({ key, sub, keyGroup, epoch, value }: Entry<V>): StoredEntry<V> {
    return new StoredEntry<V>(this, key, sub, keyGroup, epoch, value as V)
  }

  /** To be called with a loaded or new entry when it is in the Maps. */
  protected keep(entry: StoredEntry<V>): void {
    this.home.cache.add(entry, this.valueBytes)
  }

  protected override beforeLook(entry: StoredEntry<V>): void {
    const freeze = this.#freeze
    if (freeze !== null && isPending(freeze, entry)) this.#write(freeze, entry)
  }

  protected override beforeChange(entry: StoredEntry<V>): void {
    if (entry.epoch !== this.epoch) this.#enterEpoch(entry)
    entry.isDirty = true
  }

  protected override created(entry: StoredEntry<V>): void {
    this.#size++
    entry.isDirty = true
    entry.createdIn = this.epoch
    if (this.#isTracking) this.#dirty.push(entry)
    this.keep(entry)
  }

  /** Gives a removed entry that is still in the cache a value again. */
  protected revive(entry: StoredEntry<V>, value: V): void {
    this.beforeChange(entry)
    entry.value = value
    this.#size++
  }

  protected override removed(entry: StoredEntry<V>): void {
    this.beforeChange(entry)
    entry.value = DELETED
    this.#size--
    if (this.#isTracking && entry.createdIn <= this.#listedEpoch) this.#deleted.push(entry)
    if (entry.isStored || entry.isInFlight) this.home.cache.writeSoon(entry as StoredEntry<unknown>)
    else this.#forget(entry)
  }

  /** Nothing of the table leaves the cache until the function returned is called. */
  protected pin(): () => void {
    this.#pinCount++
    return () => {
      this.#pinCount--
    }
  }

  rowKey(entry: StoredEntry<V>): Uint8Array {
    return new Uint8Array(this.#rowKeyView(entry))
  }

  save(entry: StoredEntry<V>, batch: WriteBatch): number {
    const freeze = this.#freeze
    if (freeze !== null && isPending(freeze, entry)) this.#write(freeze, entry)
    this.#isSpilled = true
    const key = this.rowKey(entry)
    entry.isGoing = entry.value === DELETED
    if (entry.isGoing) {
      batch.delete(key)
      return key.length
    }
    valueOut.reset()
    valueOut.u32(entry.epoch)
    this.home.type?.row.write(valueOut, entry.value)
    batch.put(key, valueOut.toUint8Array())
    if (this.#isListed(entry) && !entry.isMarked) {
      entry.isMarked = true
      batch.put(markOf(key, this.#listedEpoch), NO_VALUE)
    }
    const bytes = key.length + valueOut.length
    this.valueBytes = Math.ceil((this.valueBytes * 7 + bytes) / 8)
    return bytes
  }

  saved(entry: StoredEntry<V>): void {
    const freeze = this.#freeze
    // It was under way at the freeze: the store of then does not have it, or has what was removed.
    if (freeze !== null && isPending(freeze, entry)) this.#write(freeze, entry)
    entry.isStored = !entry.isGoing
    entry.isGoing = false
    if (entry.value === DELETED && !entry.isDirty) this.#forget(entry)
  }

  evict(entry: StoredEntry<V>): void {
    const freeze = this.#freeze
    if (freeze !== null && isPending(freeze, entry)) this.#write(freeze, entry)
    this.detach(entry)
    // All that was known of it is that the store has none.
    if (entry.value === DELETED) return
    this.awayCount++
    if (!this.#isListed(entry)) return
    this.#markedAwayCount++
    this.#staleCount++
    if (this.#staleCount * 2 > this.#dirty.length + STALE_MAX) this.#dropStale()
  }

  override freeze(kind: SnapshotKind, write: EntryWriter<V>): readonly Entry<V>[] {
    assert(this.#freeze === null, 'one snapshot of a table at a time')
    assert(kind !== 'delta' || this.#isTracking, 'changes were tracked since the last snapshot')
    const isFull = kind !== 'delta'
    const { store } = this.home.cache
    const deleted = isFull ? [] : this.#deleted
    const range = isFull ? this.tableRange() : this.#marksRange(this.#listedEpoch)
    const entries = new FrozenEntries({
      afterEpoch: isFull ? Number.NEGATIVE_INFINITY : this.#listedEpoch,
      epoch: this.epoch,
      dirty: kind === 'savepoint' ? null : this.#dirty,
      all: isFull ? this.cached()[Symbol.iterator]() : null,
      // With entries in the store, nobody knows how many of them the cache knows better.
      pending: this.#isSpilled ? Number.POSITIVE_INFINITY : this.#size,
    })
    const freeze: Freeze<V> = {
      entries,
      isFull,
      write,
      writeNext: (entry) => {
        if (entry.slot >= 0 && isPending(freeze, entry)) this.#write(freeze, entry)
      },
      isCacheDone: false,
      scan: this.#isSpilled ? store.scan(range, PAGE_ROWS) : null,
      page: [],
      next: 0,
      position: null,
      snapshot: this.#isSpilled && !isFull ? store.snapshot() : null,
      superseded: new Set(),
      staleMarks: kind === 'savepoint' || !this.#isSpilled ? null : this.#marksRange(this.#listedEpoch),
    }
    this.#freeze = freeze
    this.#frozenEpoch = this.epoch
    if (kind !== 'savepoint') {
      this.#listedEpoch = this.epoch + 1
      this.#dirty = this.#spare ?? new ChunkedList()
      this.#spare = null
      this.#staleCount = 0
      this.#markedAwayCount = 0
      this.#deleted = []
    }
    this.epoch += 2
    return deleted
  }

  override drain(count: number): boolean {
    const freeze = this.#freeze
    if (freeze === null) return true
    if (freeze.isCacheDone) {
      if (!this.#drainStore(freeze, count)) return false
    } else {
      freeze.isCacheDone = freeze.entries.drain(count, freeze.writeNext)
      if (!freeze.isCacheDone || freeze.scan !== null) return false
    }
    this.#spare = freeze.entries.emptied() ?? this.#spare
    this.abandon()
    return true
  }

  override abandon(): void {
    const freeze = this.#freeze
    if (freeze === null) return
    freeze.scan?.close()
    freeze.snapshot?.close()
    if (freeze.staleMarks !== null) this.home.cache.store.clear(freeze.staleMarks)
    this.#freeze = null
  }

  protected tableRange(): KeyRange {
    return rangeOf((out) => out.u16(this.home.tableId))
  }

  /** The rows whose keys begin with what `write` writes, behind the number of the table. */
  protected rangeUnder(write: (out: ByteWriter) => void): KeyRange {
    return rangeOf((out) => {
      out.u16(this.home.tableId)
      write(out)
    })
  }

  #marksRange(epoch: number): KeyRange {
    return rangeOf((out) => {
      out.u16(MARKS)
      out.u16(this.home.tableId)
      out.u32(epoch)
    })
  }

  /** False: there is more. */
  #drainStore(freeze: Freeze<V>, count: number): boolean {
    const { scan } = freeze
    if (scan === null) return true
    for (let left = count; left > 0; left--) {
      if (freeze.next === freeze.page.length) {
        freeze.page = scan.next()
        freeze.next = 0
        if (freeze.page.length === 0) return true
      }
      const [key, value] = freeze.page[freeze.next++]!
      this.#writeRow(freeze, key, value)
    }
    return false
  }

  #writeRow(freeze: Freeze<V>, scanned: Uint8Array, read: Uint8Array): void {
    const key = freeze.isFull ? scanned : scanned.subarray(MARK_BYTES)
    freeze.position = key
    if (freeze.superseded.size > 0 && freeze.superseded.has(textOf(key))) return
    const row = freeze.isFull ? read : freeze.snapshot!.get(key)
    // A mark outlives its row.
    if (row === undefined) return
    const entry = this.#entryOfRow(key)
    this.#readValue(entry, row)
    freeze.write(entry)
  }

  /** Writes a pending entry to the snapshot: it then counts as written and unchanged. */
  #write(freeze: Freeze<V>, entry: StoredEntry<V>): void {
    const wasListed = this.#isListed(entry)
    entry.epoch = freeze.entries.epoch + 1
    // A savepoint does not make it a change, but now it looks like one.
    const isScanned = freeze.isFull ? entry.isStored || entry.isInFlight : entry.isMarked
    if (!wasListed && this.#isListed(entry)) {
      entry.isMarked = false
      this.#dirty.push(entry)
    }
    if (isScanned && !this.#supersede(freeze, entry)) return
    if (entry.value === DELETED) return
    freeze.write(entry)
    freeze.entries.pending--
  }

  /** Has the scan pass over the row of an entry. False: it has been written already. */
  #supersede({ superseded, position, isFull }: Freeze<V>, entry: StoredEntry<V>): boolean {
    const key = this.rowKey(entry)
    const text = textOf(key)
    // Written before it left the cache, or as a row of the store, and then read again.
    if (superseded.has(text)) return false
    if (!isFull && position !== null && Buffer.compare(key, position) <= 0) return false
    superseded.add(text)
    return true
  }

  /** Whether an entry has changed since the last base or delta. */
  #isListed(entry: Entry<V>): boolean {
    return this.#isTracking && entry.epoch > this.#listedEpoch
  }

  #enterEpoch(entry: StoredEntry<V>): void {
    const freeze = this.#freeze
    if (freeze !== null && isPending(freeze, entry)) this.#write(freeze, entry)
    const wasListed = this.#isListed(entry)
    entry.epoch = this.epoch
    if (wasListed || !this.#isTracking) return
    entry.isMarked = false
    this.#dirty.push(entry)
  }

  /** S2, for an entry that was read. */
  #comeIn(entry: StoredEntry<V>): void {
    entry.isStored = true
    entry.isMarked = this.#isTracking
    this.awayCount--
    if (!this.#isListed(entry)) return
    this.#markedAwayCount--
    this.#dirty.push(entry)
  }

  #forget(entry: StoredEntry<V>): void {
    this.detach(entry)
    if (entry.slot >= 0) this.home.cache.drop(entry as StoredEntry<unknown>)
  }

  #dropStale(): void {
    const before = this.#dirty
    this.#dirty = new ChunkedList()
    for (let i = 0; i < before.length; i++) {
      const entry = before.take(i)
      if (entry.slot >= 0) this.#dirty.push(entry)
    }
    this.#staleCount = 0
  }

  /** Valid until the next one. */
  #rowKeyView(entry: StoredEntry<V>): Uint8Array {
    if (entry.keyGroup < 0) entry.keyGroup = this.home.context.groupOf(entry.key)
    keyOut.reset()
    keyOut.u16(this.home.tableId)
    this.writeRowKey(keyOut, entry)
    return keyOut.view()
  }

  #entryOfRow(key: Uint8Array): Entry<V> {
    const input = new ByteReader(key)
    input.skip(TABLE_BYTES)
    return this.readRowKey(input)
  }

  #readValue(entry: Entry<V>, row: Uint8Array): void {
    const input = this.#input
    input.reset(row)
    entry.epoch = input.u32()
    const { type } = this.home
    entry.value = (type === null ? null : type.row.read(input)) as V
  }
}

const TABLE_BYTES = 2
/** Before the key of the row that a mark is for. */
const MARK_BYTES = 2 + 2 + EPOCH_BYTES

function isPending<V>({ entries, isFull }: Freeze<V>, entry: StoredEntry<V>): boolean {
  return entries.has(entry) && (!isFull || entry.isDirty || entry.isInFlight)
}

function markOf(rowKey: Uint8Array, epoch: number): Uint8Array {
  const out = new ByteWriter(rowKey.length + MARK_BYTES)
  out.u16(MARKS)
  out.raw(rowKey.subarray(0, TABLE_BYTES))
  out.u32(epoch)
  out.raw(rowKey)
  return out.toUint8Array()
}

/** All keys that begin with what `write` writes, which does not end in 0xff alone. */
function rangeOf(write: (out: ByteWriter) => void): KeyRange {
  const out = new ByteWriter(64)
  write(out)
  const from = out.toUint8Array()
  const to = new Uint8Array(from)
  let last = to.length - 1
  while (to[last] === 0xff) last--
  to[last]!++
  return { from, to: to.subarray(0, last + 1) }
}

/** The first key behind `key`. */
function after(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1)
  next.set(key)
  return next
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}
