/**
 * The write-back cache between the tables of one operator and the store: which entries stay in memory, and when the
 * others are written and dropped. Second chance (the CLOCK algorithm): the hand goes round the entries, spares those
 * used since it last came by, and takes the others: clean ones leave at once, changed ones are written first, in
 * batches.
 *
 * C1. An entry leaves only when the store has its value. Until a batch is done, what is in it stays.
 * C2. One batch at a time, so that writes of one key keep their order.
 * C3. Sweeping begins at SOFT_SHARE of the limit, so that clean entries are at hand when room is needed. Between two
 *     records the cache may pass the limit, by what one of them brings in; from there on the operator is not `ready`
 *     and gets no more records until a batch is done and what was in it has left.
 *
 * Sizes are estimates: the encoded bytes of key and value, and what the objects around them take.
 */
import type { KeyValueStore, StoreWrite } from '../storage/key-value-store.ts'
import type { StoredEntry, WriteBatch } from './stored-entry.ts'

/** Of an entry, its place in a Map and in the ring, and objects in its value; in bytes. */
export const ENTRY_OVERHEAD = 200
const SOFT_SHARE = 7 / 8
/** A batch is sent when so many entries wait; while one is under way more may come together. */
const BATCH_ENTRIES_MIN = 512
const BATCH_BYTES = 2 ** 20
/** So many may wait; then the hand waits, too. Writes are done between two slices of a task, which are long. */
const QUEUE_MAX = 8192
/** How far the hand goes at most to find one that can go when an entry comes in; a faster one would not see use. */
const SWEEP_STEPS = 6

type AnyEntry = StoredEntry<unknown>

class Batch implements WriteBatch {
  readonly writes: StoreWrite[] = []
  readonly entries: AnyEntry[] = []
  bytes = 0

  put(key: Uint8Array, value: Uint8Array): void {
    this.writes.push({ type: 'put', key, value })
    this.bytes += key.length + value.length
  }

  delete(key: Uint8Array): void {
    this.writes.push({ type: 'del', key })
    this.bytes += key.length
  }
}

export class EntryCache {
  readonly store: KeyValueStore
  /** See C3. */
  readonly bytesMax: number
  readonly #softLimit: number
  readonly #ring: (AnyEntry | null)[] = []
  readonly #free: number[] = []
  #hand = 0
  #bytes = 0
  /** Entries to be written; at most QUEUE_MAX, and what has been removed since the last batch. */
  #queue: AnyEntry[] = []
  #inFlight: Batch | null = null
  #isPumping = false
  #error: Error | null = null
  #waiting: { readonly promise: Promise<void>; settle(error: Error | null): void } | null = null
  /** Grows when a batch is sent and when it is done: what was read before may be stale. */
  writeCount = 0

  constructor(store: KeyValueStore, bytesMax: number) {
    this.store = store
    this.bytesMax = bytesMax
    this.#softLimit = bytesMax * SOFT_SHARE
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Entries in the cache. */
  get count(): number {
    return this.#ring.length - this.#free.length
  }

  get isReady(): boolean {
    return this.#error === null && (this.#bytes <= this.bytesMax || this.#inFlight === null)
  }

  /** Undefined if records may come; else a promise of when. Rejected if the store has failed. */
  whenReady(): Promise<void> | undefined {
    if (this.#error !== null) return Promise.reject(this.#error)
    if (this.isReady) return undefined
    if (this.#waiting === null) {
      let settle!: (error: Error | null) => void
      const promise = new Promise<void>((resolve, reject) => {
        settle = (error) => (error === null ? resolve() : reject(error))
      })
      this.#waiting = { promise, settle }
    }
    return this.#waiting.promise
  }

  /** `bytes`: of key and value, encoded. */
  add(entry: AnyEntry, bytes: number): void {
    const slot = this.#free.pop() ?? this.#ring.length
    this.#ring[slot] = entry
    entry.slot = slot
    entry.bytes = bytes + ENTRY_OVERHEAD
    this.#bytes += entry.bytes
    if (this.#bytes <= this.#softLimit) return
    this.#sweep(SWEEP_STEPS, 1, entry)
    this.#pump(entry)
  }

  /** Takes out an entry that its table has dropped. */
  drop(entry: AnyEntry): void {
    this.#ring[entry.slot] = null
    this.#free.push(entry.slot)
    entry.slot = -1
    this.#bytes -= entry.bytes
  }

  /** Has an entry written that need not stay, a removed one. */
  writeSoon(entry: AnyEntry): void {
    entry.isReferenced = false
    this.#enqueue(entry)
    this.#pump(entry)
  }

  #resize(entry: AnyEntry, bytes: number): void {
    this.#bytes += bytes + ENTRY_OVERHEAD - entry.bytes
    entry.bytes = bytes + ENTRY_OVERHEAD
  }

  #enqueue(entry: AnyEntry): void {
    if (entry.isQueued || entry.isInFlight) return
    entry.isQueued = true
    this.#queue.push(entry)
  }

  /** Moves the hand by up to `steps`, or to the last of so many victims; `kept` is in somebody's hands. */
  #sweep(steps: number, victims: number, kept: AnyEntry | null): void {
    const ring = this.#ring
    let found = 0
    for (let i = 0; i < steps && this.#bytes > this.#softLimit && this.#queue.length < QUEUE_MAX; i++) {
      if (found === victims) return
      if (this.#hand >= ring.length) this.#hand = 0
      const entry = ring[this.#hand++]
      if (entry === null || entry === undefined || entry === kept) continue
      if (entry.isReferenced) entry.isReferenced = false
      else if (!entry.table.mayLeave(entry)) continue
      else if (entry.isQueued || entry.isInFlight) continue
      else {
        if (entry.isDirty) this.#enqueue(entry)
        else this.#evict(entry)
        found++
      }
    }
  }

  #evict(entry: AnyEntry): void {
    entry.table.evict(entry)
    this.drop(entry)
  }

  /** Sends batches while there is reason to and none is under way. */
  #pump(kept: AnyEntry | null): void {
    if (this.#isPumping) return
    this.#isPumping = true
    while (this.#inFlight === null && this.#error === null && this.#wantsBatch(kept)) this.#send(kept)
    this.#isPumping = false
  }

  #wantsBatch(kept: AnyEntry | null): boolean {
    if (this.#queue.length >= BATCH_ENTRIES_MIN) return true
    if (this.#bytes <= this.bytesMax) return false
    // Twice round: the first time spares what was used.
    if (this.#queue.length === 0) this.#sweep(2 * this.#ring.length, BATCH_ENTRIES_MIN, kept)
    return this.#queue.length > 0 && this.#bytes > this.bytesMax
  }

  #send(kept: AnyEntry | null): void {
    const batch = new Batch()
    const queue = this.#queue
    let next = 0
    for (; next < queue.length && batch.bytes < BATCH_BYTES; next++) {
      const entry = queue[next]!
      entry.isQueued = false
      // Gone meanwhile, or in use again: it would soon have to be written once more.
      if (entry.slot < 0 || !entry.isDirty || entry.isReferenced || entry === kept) continue
      this.#resize(entry, entry.table.save(entry, batch))
      entry.isDirty = false
      entry.isInFlight = true
      batch.entries.push(entry)
    }
    this.#queue = next === queue.length ? [] : queue.slice(next)
    if (batch.entries.length === 0) return
    this.#inFlight = batch
    this.writeCount++
    this.store.write(batch.writes, (error) => this.#onWritten(batch, error))
  }

  #onWritten({ entries }: Batch, error: Error | null): void {
    this.#inFlight = null
    this.writeCount++
    if (error !== null) this.#error = error
    else {
      for (const entry of entries) {
        entry.table.saved(entry)
        entry.isInFlight = false
        if (entry.slot < 0 || entry.isDirty || entry.isReferenced) continue
        if (this.#bytes > this.#softLimit && entry.table.mayLeave(entry)) this.#evict(entry)
      }
      this.#pump(null)
      if (this.#bytes > this.bytesMax && this.#inFlight !== null) return
    }
    this.#waiting?.settle(error)
    this.#waiting = null
  }
}
