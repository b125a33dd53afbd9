/**
 * Timers as keyed state: a set of (timestamp, namespace, key), ordered by timestamp. Registering twice is
 * registering once, as in Flink's InternalTimerServiceImpl. The structure is sorted buckets: a Map from timestamp to
 * the timers due then, and a heap of the distinct timestamps, which are few compared to the timers; registering and
 * firing are then Map accesses without any sifting.
 *
 * Within one timestamp timers fire in the order of registration, grouped by namespace (a window's id).
 *
 * In the heap timers are rows (TimerRows), and a bucket is a list of them. The bookkeeping of StateTable is done here
 * again, in row numbers; its promises T1 to T6 hold. Timers come and go but do not change, so:
 *
 * L1. Of timers that go, only those registered before the last base or delta have to be named in the next delta.
 * L2. A bucket of few timers does not look for doubles: to register adds a row, and a timer that was registered twice
 *     has two. They are dropped before one of the bucket fires or is written down (`isDistinct`). To delete one, to
 *     register in a distinct bucket, and to have more than ROWS_MAX take an index by key.
 */
import { assert } from '../base/assert.ts'
import { MinHeap } from '../base/min-heap.ts'
import { Entry, type SubKey } from './entry.ts'
import type { KeyContext } from './key-context.ts'
import { KeyIndex } from './key-index.ts'
import type { MapKey } from './map-key.ts'
import type { EntryWriter, SnapshotKind, SnapshotTable } from './state-table.ts'
import { NO_ROW, type RowList, TimerRows } from './timer-rows.ts'

export class Timer extends Entry<null> {
  readonly timestamp: number

  constructor(timestamp: number, namespace: SubKey, key: MapKey, keyGroup: number, epoch: number) {
    super(key, namespace, keyGroup, epoch, null)
    this.timestamp = timestamp
  }
}

/** After this many timers a firing pass asks whether it should make room for something else. */
const PAUSE_CHECK_INTERVAL = 64
/** Timestamps without timers that are tolerated before the heap is made anew. */
const STALE_TIMESTAMPS_MAX = 1024
/** What a bucket without an index may have; its doubles are found at once. */
const ROWS_MAX = 256
/** Rows of timers that have gone which a list of changes may have, besides some for each row there is. */
const STALE_ROWS_MAX = 1024
/** In place of a row: the first of its bucket, whichever that is by then. */
const FIRST_ROW = -2
/** So many rows are kept when the last timer has gone. */
const IDLE_ROWS_MAX = 1024

export interface TimerTable extends SnapshotTable<null> {
  entries(): Iterable<Timer>
  restore(entry: Timer): void
  restoreDeleted(entry: Timer): void
  /** When the next timer is due; Infinity if there is none. */
  nextTimestamp(): number
  /** Registers a timer of the current key. */
  register(timestamp: number, namespace: SubKey): void
  /** Registers a timer of a key, which becomes the current one. */
  registerOf(key: MapKey, keyGroup: number, timestamp: number, namespace: SubKey): void
  /** Deletes a timer of the current key; absent ones are ignored. */
  delete(timestamp: number, namespace: SubKey): void
  /**
   * Fires every timer with timestamp <= `until` in order, those registered meanwhile included. Each is removed and
   * made the current key before `onTimer` sees it. Returns false if `shouldPause` said so before the last one.
   */
  fire(until: number, onTimer: (timer: Timer) => void, shouldPause: () => boolean): boolean
}

/** The timers of a timestamp and namespace, in the order of registration. See L2 for what it goes through. */
class Bucket implements RowList {
  readonly timestamp: number
  readonly sub: SubKey
  /** Until there is an index, the rows. */
  readonly rows: number[]
  /** How many of them have been taken out, from the beginning. */
  takenCount = 0
  /** There are no doubles in `rows`. */
  isDistinct = false
  /** Key to row, where it may be that of a timer that has gone. Where there is one, the rows are a list. */
  index: KeyIndex | null = null
  first = NO_ROW
  last = NO_ROW
  /** The next namespace of the same timestamp. */
  sibling: Bucket | null = null

  constructor(timestamp: number, sub: SubKey, rows: number[]) {
    this.timestamp = timestamp
    this.sub = sub
    this.rows = rows
  }

  get isEmpty(): boolean {
    return this.index === null ? this.takenCount === this.rows.length : this.first === NO_ROW
  }
}

interface Freeze {
  /** What was registered after this epoch and up to `epoch` is in the snapshot. */
  readonly afterEpoch: number
  readonly epoch: number
  readonly write: EntryWriter<null>
  readonly rows: TimerRows
  /** Of a delta, and how far it has come. */
  readonly dirty: readonly number[]
  next: number
  /** Of others: the buckets that have not been begun. */
  readonly buckets: Iterator<number | Bucket> | null
  /** The bucket that comes next and, if it is a list, the row. */
  bucket: Bucket | null
  row: number
}

export class HeapTimerTable implements TimerTable {
  readonly #context: KeyContext
  #rows = new TimerRows()
  /** By timestamp: the row of a timer that is alone, or the first namespace. */
  readonly #buckets = new Map<number, number | Bucket>()
  /** Every timestamp in #buckets, and some whose bucket has been emptied by deletions, at most about as many again. */
  #timestamps = new MinHeap()
  /** Rows in use, doubles included. */
  #rowCount = 0
  /** The bucket that was registered in last, if it is still there. */
  #last: Bucket | null = null
  #epoch = 2
  #isTracking = false
  /** Rows of timers that were registered since the last base or delta, and may have gone again. */
  #dirty: number[] = []
  #deleted: Timer[] = []
  #freeze: Freeze | null = null
  /** Of the last snapshot of any kind. */
  #frozenEpoch = 0
  /** Of the last base or delta. */
  #listedEpoch = 0

  constructor(context: KeyContext) {
    this.#context = context
  }

  /** Drops all doubles. */
  get size(): number {
    for (const bucket of this.#buckets.values()) {
      for (let each = typeof bucket === 'number' ? null : bucket; each !== null; each = each.sibling)
        this.#dropDoubles(each)
    }
    return this.#rowCount
  }

  get sizeMax(): number {
    return this.#rowCount
  }

  nextTimestamp(): number {
    while (this.#timestamps.size > 0 && !this.#buckets.has(this.#timestamps.peek())) this.#timestamps.pop()
    return this.#timestamps.peek()
  }

  register(timestamp: number, namespace: SubKey): void {
    let bucket = this.#last
    if (bucket === null || timestamp !== bucket.timestamp || namespace !== bucket.sub) {
      const found = this.#buckets.get(timestamp)
      if (found === undefined) {
        this.#buckets.set(timestamp, this.#add(timestamp, namespace))
        this.#pushTimestamp(timestamp)
        return
      }
      if (typeof found === 'number' && this.#isCurrent(found, timestamp, namespace)) return
      bucket = this.#select(timestamp, found, namespace)
      this.#last = bucket
    }
    if (bucket.isDistinct && this.#findIn(bucket, this.#indexOf(bucket)) !== NO_ROW) return
    const row = this.#add(timestamp, namespace)
    if (bucket.index === null) {
      if (bucket.rows.push(row) > ROWS_MAX) this.#indexOf(bucket)
    } else {
      bucket.index.set(row)
      this.#rows.append(bucket, row)
    }
  }

  registerOf(key: MapKey, keyGroup: number, timestamp: number, namespace: SubKey): void {
    this.#context.setMapKey(key, keyGroup)
    this.register(timestamp, namespace)
  }

  delete(timestamp: number, namespace: SubKey): void {
    const found = this.#buckets.get(timestamp)
    if (found === undefined) return
    if (typeof found === 'number') {
      if (!this.#isCurrent(found, timestamp, namespace)) return
      this.#buckets.delete(timestamp)
      this.#take(found)
      return
    }
    const bucket = bucketOf(found, namespace)
    if (bucket === null) return
    const index = this.#indexOf(bucket)
    const row = this.#findIn(bucket, index)
    if (row === NO_ROW) return
    index.remove()
    this.#rows.unlink(bucket, row)
    if (bucket.isEmpty) this.#drop(bucket)
    this.#take(row)
  }

  fire(until: number, onTimer: (timer: Timer) => void, shouldPause: () => boolean): boolean {
    let fired = 0
    for (;;) {
      const timestamp = this.nextTimestamp()
      if (this.#timestamps.size === 0 || timestamp > until) return true
      const bucket = this.#buckets.get(timestamp)!
      if (typeof bucket === 'number') {
        this.#buckets.delete(timestamp)
        this.#fireRow(bucket, onTimer)
        if (++fired % PAUSE_CHECK_INTERVAL === 0 && shouldPause()) return false
        continue
      }
      this.#dropDoubles(bucket)
      while (!bucket.isEmpty) {
        this.#fireRow(this.#shift(bucket), onTimer)
        if (this.#timestamps.peek() < timestamp) break
        if (++fired % PAUSE_CHECK_INTERVAL === 0 && shouldPause()) return false
      }
      if (bucket.isEmpty) this.#drop(bucket)
    }
  }

  *entries(): Generator<Timer> {
    const rows = this.#rows
    for (let row = 0; row < rows.length; row++) if (this.#isTimer(rows, row)) yield timerAt(rows, row)
  }

  restore(entry: Timer): void {
    this.registerOf(entry.key, entry.keyGroup, entry.timestamp, entry.sub)
  }

  restoreDeleted(entry: Timer): void {
    this.#context.setMapKey(entry.key, entry.keyGroup)
    this.delete(entry.timestamp, entry.sub)
  }

  get changedCount(): number {
    return this.#dirty.length + this.#deleted.length
  }

  track(): void {
    if (this.#isTracking) return
    this.#isTracking = true
    this.#epoch += 2
  }

  freeze(kind: SnapshotKind, write: EntryWriter<null>): readonly Timer[] {
    assert(this.#freeze === null, 'one snapshot of a table at a time')
    assert(kind !== 'delta' || this.#isTracking, 'changes were tracked since the last snapshot')
    const isDelta = kind === 'delta'
    const deleted = isDelta ? this.#deleted : []
    this.#freeze = {
      afterEpoch: isDelta ? this.#listedEpoch : Number.NEGATIVE_INFINITY,
      epoch: this.#epoch,
      write,
      rows: this.#rows,
      dirty: isDelta ? this.#dirty : [],
      next: 0,
      buckets: isDelta ? null : this.#buckets.values(),
      bucket: null,
      row: FIRST_ROW,
    }
    this.#frozenEpoch = this.#epoch
    if (kind !== 'savepoint') {
      this.#listedEpoch = this.#epoch + 1
      this.#dirty = []
      this.#deleted = []
    }
    this.#epoch += 2
    return deleted
  }

  drain(count: number): boolean {
    const freeze = this.#freeze
    if (freeze === null) return true
    const isDone =
      freeze.buckets === null
        ? this.#drainChanged(freeze, count)
        : this.#drainAll(freeze, freeze.buckets, count)
    if (isDone) this.#freeze = null
    return isDone
  }

  abandon(): void {
    this.#freeze = null
  }

  isOlder(entry: Timer): boolean {
    return entry.epoch <= this.#frozenEpoch
  }

  #drainChanged(freeze: Freeze, count: number): boolean {
    const { rows, dirty } = freeze
    const end = Math.min(dirty.length, freeze.next + count)
    for (; freeze.next < end; freeze.next++) {
      const row = dirty[freeze.next]!
      if (isPending(freeze, row) && this.#isTimer(rows, row)) write(freeze, row)
    }
    return end === dirty.length
  }

  /** Bucket by bucket, in the order of registration: timers that are restored fire in it. */
  #drainAll(freeze: Freeze, buckets: Iterator<number | Bucket>, count: number): boolean {
    let left = count
    while (left > 0) {
      if (freeze.bucket !== null) {
        left -= this.#drainBucket(freeze, freeze.bucket, left)
        continue
      }
      const next = buckets.next()
      if (next.done === true) return true
      if (typeof next.value === 'number') {
        writePending(freeze, next.value)
        left--
      } else freeze.bucket = next.value
    }
    return false
  }

  /** Writes up to `count` timers of a bucket, or all that has no index. Returns how many. */
  #drainBucket(freeze: Freeze, bucket: Bucket, count: number): number {
    let drained = 0
    if (bucket.index === null) {
      this.#dropDoubles(bucket)
      for (let i = bucket.takenCount; i < bucket.rows.length; i++, drained++)
        writePending(freeze, bucket.rows[i]!)
    } else {
      if (freeze.row === FIRST_ROW) freeze.row = bucket.first
      for (; drained < count && freeze.row !== NO_ROW; drained++) {
        writePending(freeze, freeze.row)
        freeze.row = freeze.rows.nextOf(freeze.row)
      }
      if (freeze.row !== NO_ROW) return drained
    }
    freeze.bucket = bucket.sibling
    freeze.row = FIRST_ROW
    return drained
  }

  /** A new timer of the current key. */
  #add(timestamp: number, namespace: SubKey): number {
    const { ownMapKey, knownKeyGroup } = this.#context
    const row = this.#rows.add(timestamp, namespace, ownMapKey, knownKeyGroup, this.#epoch)
    this.#rowCount++
    if (this.#isTracking) this.#noteDirty(row)
    return row
  }

  #noteDirty(row: number): void {
    this.#dirty.push(row)
    // Timers that come and go between two snapshots: their rows are listed again and again.
    if (this.#dirty.length > 2 * this.#rows.length + STALE_ROWS_MAX) this.#relist()
  }

  #relist(): void {
    const rows = this.#rows
    this.#dirty = []
    for (let row = 0; row < rows.length; row++) {
      if (rows.keyOf(row) !== undefined && rows.epochOf(row) > this.#listedEpoch) this.#dirty.push(row)
    }
  }

  /** Whether a row is the current key's timer of that time and namespace. */
  #isCurrent(row: number, timestamp: number, namespace: SubKey): boolean {
    return this.#rows.isAt(row, timestamp, namespace, this.#context.mapKey)
  }

  #findIn({ timestamp, sub }: Bucket, index: KeyIndex): number {
    const row = index.get()
    return row !== undefined && this.#isCurrent(row, timestamp, sub) ? row : NO_ROW
  }

  #fireRow(row: number, onTimer: (timer: Timer) => void): void {
    const timer = this.#take(row)
    this.#context.setMapKey(timer.key, timer.keyGroup)
    onTimer(timer)
  }

  /** Frees the row of a timer that goes, and is in no bucket any more. */
  #take(row: number): Timer {
    const rows = this.#rows
    const timer = timerAt(rows, row)
    const freeze = this.#freeze
    if (freeze !== null && freeze.rows === rows) {
      writePending(freeze, row)
      if (freeze.row === row) freeze.row = rows.nextOf(row)
    }
    if (this.#isTracking && rows.epochOf(row) <= this.#listedEpoch) this.#deleted.push(timer)
    rows.free(row)
    this.#rowCount--
    if (this.#rowCount === 0 && rows.length > IDLE_ROWS_MAX) {
      this.#rows = new TimerRows()
      this.#dirty = []
    }
    return timer
  }

  /** Takes the first row out of a bucket without doubles, which has one. */
  #shift(bucket: Bucket): number {
    if (bucket.index === null) return bucket.rows[bucket.takenCount++]!
    const row = bucket.first
    this.#rows.unlink(bucket, row)
    return row
  }

  #dropDoubles(bucket: Bucket): void {
    if (bucket.isDistinct) return
    bucket.isDistinct = true
    const { rows } = bucket
    const keys = rows.map((row) => this.#rows.keyOf(row))
    const distinct = new Set(keys)
    if (distinct.size === keys.length) return
    let keptCount = 0
    for (const [i, row] of [...rows].entries()) {
      // The first of a key stays.
      if (distinct.delete(keys[i])) rows[keptCount++] = row
      else {
        this.#rows.free(row)
        this.#rowCount--
      }
    }
    rows.length = keptCount
  }

  #indexOf(bucket: Bucket): KeyIndex {
    if (bucket.index !== null) return bucket.index
    this.#dropDoubles(bucket)
    const byKey = new Map<MapKey, number>()
    for (const row of bucket.rows.slice(bucket.takenCount)) {
      byKey.set(this.#rows.keyOf(row)!, row)
      this.#rows.append(bucket, row)
    }
    bucket.rows.length = 0
    bucket.index = new KeyIndex(this.#context, byKey)
    return bucket.index
  }

  /** Whether there is a timer in the row, and not a double. */
  #isTimer(rows: TimerRows, row: number): boolean {
    if (rows.keyOf(row) === undefined) return false
    const { timestamp, sub } = rows.read(row)
    const found = this.#buckets.get(timestamp)!
    if (typeof found === 'number') return true
    this.#dropDoubles(bucketOf(found, sub)!)
    return rows.keyOf(row) !== undefined
  }

  /** The bucket of a namespace; a timer that was alone gets one too. */
  #select(timestamp: number, found: number | Bucket, namespace: SubKey): Bucket {
    let first = found
    if (typeof first === 'number') {
      const alone = first
      first = new Bucket(timestamp, this.#rows.read(alone).sub, [alone])
      this.#buckets.set(timestamp, first)
    }
    for (let bucket = first; ; bucket = bucket.sibling) {
      if (bucket.sub === namespace) return bucket
      bucket.sibling ??= new Bucket(timestamp, namespace, [])
    }
  }

  /** Takes out a bucket that is empty, if it is still there. */
  #drop(bucket: Bucket): void {
    if (this.#last === bucket) this.#last = null
    const first = this.#buckets.get(bucket.timestamp)
    if (first === undefined || typeof first === 'number') return
    if (first === bucket) {
      if (bucket.sibling === null) this.#buckets.delete(bucket.timestamp)
      else this.#buckets.set(bucket.timestamp, bucket.sibling)
      return
    }
    for (let each: Bucket | null = first; each !== null; each = each.sibling) {
      if (each.sibling === bucket) each.sibling = bucket.sibling
    }
  }

  #pushTimestamp(timestamp: number): void {
    this.#timestamps.push(timestamp)
    if (this.#timestamps.size > 2 * this.#buckets.size + STALE_TIMESTAMPS_MAX) this.#dropStaleTimestamps()
  }

  /** Timeouts that are put off again and again would fill the heap long before they are due. */
  #dropStaleTimestamps(): void {
    this.#timestamps = new MinHeap()
    for (const timestamp of this.#buckets.keys()) this.#timestamps.push(timestamp)
  }
}

function bucketOf(first: Bucket, namespace: SubKey): Bucket | null {
  let bucket: Bucket | null = first
  while (bucket !== null && bucket.sub !== namespace) bucket = bucket.sibling
  return bucket
}

function timerAt(rows: TimerRows, row: number): Timer {
  const { timestamp, sub, key, keyGroup, epoch } = rows.read(row)
  return new Timer(timestamp, sub, key, keyGroup, epoch)
}

/** Whether the row has a timer that is in the snapshot and has not been written. */
function isPending({ rows, afterEpoch, epoch }: Freeze, row: number): boolean {
  const registered = rows.epochOf(row)
  return (
    rows.keyOf(row) !== undefined &&
    registered > afterEpoch &&
    registered <= epoch &&
    rows.writtenOf(row) !== epoch + 1
  )
}

function writePending(freeze: Freeze, row: number): void {
  if (isPending(freeze, row)) write(freeze, row)
}

function write({ rows, write: writeEntry, epoch }: Freeze, row: number): void {
  const timer = timerAt(rows, row)
  writeEntry(timer)
  rows.noteWritten(row, epoch + 1, timer.keyGroup)
}
