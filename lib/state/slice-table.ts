/**
 * Values grouped by sub-key first and key second: the state of aligned windows, where a whole slice of time falls
 * due at once. Adding to the newest slice is one Map access, a due slice is read from its first key to its last, and it
 * is dropped as a whole.
 *
 * In the heap a slice is a set of columns, with a row per key: no object stands between a record and its value. So the
 * bookkeeping of StateTable is done here again, in row numbers; its promises T1 to T6 hold with these additions.
 *
 * L1. Rows stay where they are. What is removed singly, which only restoring does, leaves an empty one.
 * L2. The columns of a slice that has been removed do not change any more: a snapshot it belongs to goes on to read
 *     them, and so does the next delta, which names what has gone.
 * L3. A slice that has come and gone between two deltas is in none of them.
 */
import { assert, present } from '../base/assert.ts'
import { Entry } from './entry.ts'
import { HELD_MAX, type HeldRecords } from './held-records.ts'
import type { KeyContext } from './key-context.ts'
import { KeyIndex } from './key-index.ts'
import type { MapKey } from './map-key.ts'
import type { EntryWriter, SnapshotKind, SnapshotTable } from './state-table.ts'

/** Values by sub-key, the slice, and key, the current one. */
export interface SliceTable<V> extends SnapshotTable<V> {
  /** The sub-keys that have entries, in no particular order. */
  slices(): Iterable<number>
  hasSlice(sub: number): boolean
  /** The value of the current key in slice `sub`, to be looked at only. */
  peek(sub: number): V | undefined
  /** The same; a mutable value may be changed in place before it is put back. */
  get(sub: number): V | undefined
  put(sub: number, value: V): void
  /** Walks the entries of a slice. Live: tolerates changes. */
  ofSlice(sub: number): Iterable<Entry<V>>
  removeSlice(sub: number): void
}

/** One slice: a row per key. */
class Slice<V> {
  readonly sub: number
  readonly createdIn: number
  /** The epoch in which the slice was removed. */
  removedIn = Number.POSITIVE_INFINITY
  /** Key to row. */
  readonly index: KeyIndex
  /** Undefined: the row is empty. */
  readonly keys: (MapKey | undefined)[] = []
  /** -1 until somebody needs it. */
  readonly keyGroups: number[] = []
  /**
   * The values. From when a row has changed in another epoch (see StateTable) than that in which the slice was made,
   * value and epoch in turn: neighbours, since both are needed for every record and each would be a cache miss.
   */
  #cells: (V | number)[] = []
  /** From a row to the place of its value: how far to shift. */
  #shift: 0 | 1
  /** Rows that are not empty. */
  size = 0

  /** `hasEpochs`: from the beginning, since they will be needed. */
  constructor(sub: number, createdIn: number, hasEpochs: boolean, context: KeyContext) {
    this.sub = sub
    this.createdIn = createdIn
    this.#shift = hasEpochs ? 1 : 0
    this.index = new KeyIndex(context)
  }

  /** What is in a row, which must not be empty. */
  entryAt(row: number): Entry<V> {
    return new Entry(this.keys[row]!, this.sub, this.keyGroups[row]!, this.epochAt(row), this.valueAt(row))
  }

  valueAt(row: number): V {
    return this.#cells[row << this.#shift] as V
  }

  setValue(row: number, value: V): void {
    this.#cells[row << this.#shift] = value
  }

  epochAt(row: number): number {
    return this.#shift === 0 ? this.createdIn : (this.#cells[2 * row + 1] as number)
  }

  setEpoch(row: number, epoch: number): void {
    if (this.#shift === 0) this.#addEpochs()
    this.#cells[2 * row + 1] = epoch
  }

  /** The next row. */
  push(value: V, epoch: number): void {
    if (this.#shift === 0) {
      if (epoch === this.createdIn) {
        this.#cells.push(value)
        return
      }
      this.#addEpochs()
    }
    this.#cells.push(value, epoch)
  }

  /** Once per slice at most: 1 ms for a million rows. */
  #addEpochs(): void {
    const values = this.#cells
    const cells = new Array<V | number>(2 * values.length)
    for (let row = 0; row < values.length; row++) {
      cells[2 * row] = values[row]!
      cells[2 * row + 1] = this.createdIn
    }
    this.#cells = cells
    this.#shift = 1
  }
}

/** What becomes of a value with one more record; undefined: there is none yet. */
interface Addition<I, V> {
  add(record: I, before: V | undefined): V
}

interface Freeze<V> {
  /** What has changed after this epoch and up to `epoch` is in the snapshot. */
  readonly afterEpoch: number
  readonly epoch: number
  readonly write: EntryWriter<V>
  /** In a delta, the slice and the row of each change; else every slice, and no rows. */
  readonly slices: readonly Slice<V>[]
  readonly rows: readonly number[] | null
  next: number
  /** Within slice `next`, where there are no rows. */
  nextRow: number
}

export class HeapSliceTable<V> implements SliceTable<V> {
  readonly #context: KeyContext
  readonly #slices = new Map<number, Slice<V>>()
  readonly #isMutable: boolean
  /** The slice used last: consecutive records mostly fall into the same one. */
  #lastSub = Number.NaN
  #last: Slice<V> | undefined
  /** The row that the current key was found to have there when this was the turn; -1: none. */
  #row = -1
  #turn = -1
  /** Where addAll has found the records' keys. */
  readonly #rows = new Int32Array(HELD_MAX)
  #epoch = 2
  #isTracking = false
  #dirtySlices: Slice<V>[] = []
  #dirtyRows: number[] = []
  #removedSlices: Slice<V>[] = []
  #removedEntries: Entry<V>[] = []
  #freeze: Freeze<V> | null = null
  /** Of the last snapshot of any kind. */
  #frozenEpoch = 0
  /** Of the last base or delta. */
  #listedEpoch = 0

  constructor(context: KeyContext, isMutable: boolean) {
    this.#context = context
    this.#isMutable = isMutable
  }

  get size(): number {
    let size = 0
    for (const slice of this.#slices.values()) size += slice.size
    return size
  }

  get sizeMax(): number {
    return this.size
  }

  slices(): Iterable<number> {
    return this.#slices.keys()
  }

  hasSlice(sub: number): boolean {
    return this.#slices.has(sub)
  }

  peek(sub: number): V | undefined {
    const row = this.#find(sub)
    return row < 0 ? undefined : this.#last!.valueAt(row)
  }

  get(sub: number): V | undefined {
    const row = this.#find(sub)
    if (row < 0) return undefined
    const slice = this.#last!
    if (this.#isMutable) this.#beforeChange(slice, row)
    return slice.valueAt(row)
  }

  put(sub: number, value: V): void {
    const isFound = this.#turn === this.#context.turn && this.#lastSub === sub
    const row = isFound ? this.#row : this.#find(sub)
    if (row < 0) this.#insert(sub, value)
    else {
      const slice = this.#last!
      this.#beforeChange(slice, row)
      slice.setValue(row, value)
    }
  }

  /** Adds records from..to, which are all of slice `sub`. Another key may be the current one afterwards. */
  addAll<I>(sub: number, records: HeldRecords<I>, from: number, to: number, { add }: Addition<I, V>): void {
    const { keys, keyGroups, values } = records
    const rows = this.#rows
    const found = sub === this.#lastSub ? this.#last : this.#select(sub)
    if (found === undefined) rows.fill(-1, from, to)
    else found.index.getAll(keys, from, to, rows)
    for (let i = from; i < to; i++) {
      let row = rows[i]!
      if (row < 0) {
        // New in this slice, unless one of the records before was of the same key.
        this.#context.setMapKey(keys[i]!, keyGroups[i]!)
        row = this.#find(sub)
      }
      if (row < 0) this.#insert(sub, add(values[i]!, undefined))
      else {
        const slice = this.#last!
        this.#beforeChange(slice, row)
        slice.setValue(row, add(values[i]!, slice.valueAt(row)))
      }
    }
  }

  ofSlice(sub: number): Iterable<Entry<V>> {
    const slice = this.#slices.get(sub)
    return slice === undefined ? [] : liveEntries(slice)
  }

  removeSlice(sub: number): void {
    const slice = this.#slices.get(sub)
    if (slice === undefined) return
    this.#slices.delete(sub)
    if (this.#lastSub === sub) this.#forgetLast()
    slice.removedIn = this.#epoch
    if (this.#isTracking && slice.createdIn <= this.#listedEpoch) this.#removedSlices.push(slice)
  }

  *entries(): Generator<Entry<V>> {
    for (const slice of this.#slices.values()) yield* liveEntries(slice)
  }

  restore(entry: Entry<V>): void {
    this.#context.setMapKey(entry.key, entry.keyGroup)
    this.put(entry.sub as number, entry.value as V)
  }

  restoreDeleted(entry: Entry<V>): void {
    this.#context.setMapKey(entry.key, entry.keyGroup)
    const row = this.#find(entry.sub as number)
    if (row < 0) return
    const slice = present(this.#last, 'slice of a found entry')
    this.#beforeChange(slice, row)
    if (this.#isTracking) this.#removedEntries.push(slice.entryAt(row))
    slice.index.remove()
    slice.keys[row] = undefined
    slice.size--
    this.#forgetLast()
    if (slice.size === 0) this.removeSlice(slice.sub)
  }

  get changedCount(): number {
    let count = this.#dirtyRows.length + this.#removedEntries.length
    for (const slice of this.#removedSlices) count += slice.size
    return count
  }

  track(): void {
    if (this.#isTracking) return
    this.#isTracking = true
    this.#epoch += 2
  }

  freeze(kind: SnapshotKind, write: EntryWriter<V>): Iterable<Entry<V>> {
    assert(this.#freeze === null, 'one snapshot of a table at a time')
    assert(kind !== 'delta' || this.#isTracking, 'changes were tracked since the last snapshot')
    const isDelta = kind === 'delta'
    const removed = isDelta ? removedEntries(this.#removedEntries, this.#removedSlices) : []
    this.#freeze = {
      afterEpoch: isDelta ? this.#listedEpoch : Number.NEGATIVE_INFINITY,
      epoch: this.#epoch,
      write,
      slices: isDelta ? this.#dirtySlices : [...this.#slices.values()],
      rows: isDelta ? this.#dirtyRows : null,
      next: 0,
      nextRow: 0,
    }
    this.#frozenEpoch = this.#epoch
    if (kind !== 'savepoint') {
      this.#listedEpoch = this.#epoch + 1
      this.#dirtySlices = []
      this.#dirtyRows = []
      this.#removedSlices = []
      this.#removedEntries = []
    }
    this.#epoch += 2
    return removed
  }

  drain(count: number): boolean {
    const freeze = this.#freeze
    if (freeze === null) return true
    const isDone = freeze.rows === null ? drainAll(freeze, count) : drainChanged(freeze, freeze.rows, count)
    if (isDone) this.#freeze = null
    return isDone
  }

  abandon(): void {
    this.#freeze = null
  }

  isOlder(entry: Entry<V>): boolean {
    return entry.epoch <= this.#frozenEpoch
  }

  /** The row of the current key in a slice, which becomes the last one; -1: it has none. */
  #find(sub: number): number {
    const slice = sub === this.#lastSub ? this.#last : this.#select(sub)
    const row = slice === undefined ? -1 : (slice.index.get() ?? -1)
    this.#row = row
    this.#turn = this.#context.turn
    return row
  }

  #select(sub: number): Slice<V> | undefined {
    this.#lastSub = sub
    this.#last = this.#slices.get(sub)
    return this.#last
  }

  #forgetLast(): void {
    this.#lastSub = Number.NaN
    this.#last = undefined
  }

  /** Adds a value for the current key, which has none in this slice, the last one. */
  #insert(sub: number, value: V): void {
    let slice = this.#last
    if (slice === undefined) {
      slice = new Slice(sub, this.#epoch, this.#isTracking, this.#context)
      this.#slices.set(sub, slice)
      this.#last = slice
    }
    const row = slice.keys.length
    slice.index.set(row)
    slice.keys.push(this.#context.ownMapKey)
    slice.keyGroups.push(this.#context.knownKeyGroup)
    slice.push(value, this.#epoch)
    slice.size++
    this.#row = row
    if (this.#isTracking) this.#noteDirty(slice, row)
  }

  /** Must precede each change of a value, and each look at a value that the looker may mutate. */
  #beforeChange(slice: Slice<V>, row: number): void {
    if (slice.epochAt(row) !== this.#epoch) this.#enterEpoch(slice, row)
  }

  #enterEpoch(slice: Slice<V>, row: number): void {
    if (this.#freeze !== null) write(this.#freeze, slice, row)
    slice.setEpoch(row, this.#epoch)
    if (this.#isTracking) this.#noteDirty(slice, row)
  }

  #noteDirty(slice: Slice<V>, row: number): void {
    this.#dirtySlices.push(slice)
    this.#dirtyRows.push(row)
  }
}

/** Ends where the slice is removed. */
function* liveEntries<V>(slice: Slice<V>): Generator<Entry<V>> {
  for (let row = 0; row < slice.keys.length && slice.removedIn === Number.POSITIVE_INFINITY; row++) {
    if (slice.keys[row] !== undefined) yield slice.entryAt(row)
  }
}

function* removedEntries<V>(entries: readonly Entry<V>[], slices: readonly Slice<V>[]): Generator<Entry<V>> {
  yield* entries
  for (const slice of slices) {
    for (let row = 0; row < slice.keys.length; row++) {
      if (slice.keys[row] !== undefined) yield slice.entryAt(row)
    }
  }
}

/** Writes a row if it is in the snapshot and has not been written; after this it counts as written and unchanged. */
function write<V>(freeze: Freeze<V>, slice: Slice<V>, row: number): void {
  const epoch = slice.epochAt(row)
  if (epoch <= freeze.afterEpoch || epoch > freeze.epoch) return
  if (slice.keys[row] === undefined || slice.removedIn <= freeze.epoch) return
  const entry = slice.entryAt(row)
  freeze.write(entry)
  // Who writes it has to know the key group.
  slice.keyGroups[row] = entry.keyGroup
  slice.setEpoch(row, freeze.epoch + 1)
}

function drainChanged<V>(freeze: Freeze<V>, rows: readonly number[], count: number): boolean {
  const end = Math.min(rows.length, freeze.next + count)
  for (; freeze.next < end; freeze.next++) write(freeze, freeze.slices[freeze.next]!, rows[freeze.next]!)
  return end === rows.length
}

function drainAll<V>(freeze: Freeze<V>, count: number): boolean {
  let left = count
  for (; freeze.next < freeze.slices.length; freeze.next++, freeze.nextRow = 0) {
    const slice = freeze.slices[freeze.next]!
    const end = Math.min(slice.keys.length, freeze.nextRow + left)
    left -= end - freeze.nextRow
    for (; freeze.nextRow < end; freeze.nextRow++) write(freeze, slice, freeze.nextRow)
    if (end < slice.keys.length || left === 0) return false
  }
  return true
}
