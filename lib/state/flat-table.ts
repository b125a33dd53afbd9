/**
 * One value per key: value, list, reducing and aggregating state. The row of the current key is looked up once
 * per record, however often the user reads and writes it.
 *
 * In the heap a table is a set of columns, with a row per key. So the bookkeeping of StateTable is done here again, in
 * row numbers; its promises T1 to T3 and T5 to T8 hold with these additions.
 *
 * F1. A snapshot goes through the rows from the first to the last, and passes over runs in which nothing has changed.
 *     A row is yet to be written while it lies ahead and its epoch is one of the snapshot's. So changes need no list.
 * F2. Rows stay where they are. An empty one is used again, in the epoch of that time, so that no snapshot under way
 *     has to do with it. Columns get no shorter, unless a table of more than one block becomes empty.
 */
import { assert } from '../base/assert.ts'
import type { Cell } from './cell.ts'
import { DELETED, Entry, LentEntry } from './entry.ts'
import type { KeyContext } from './key-context.ts'
import { BLOCK_ROWS, blockOf, placeOf, RowBlock, RUN_ROWS } from './row-block.ts'
import { ShardedMap } from './sharded-map.ts'
import type { EntryWriter, SnapshotKind, SnapshotTable } from './state-table.ts'

/** One value per key, that of the current one. A mutable value may be changed in place before it is put back. */
export interface FlatTable<V> extends SnapshotTable<V>, Cell<V> {}

interface Freeze<V> {
  /** What has changed after this epoch and up to `epoch` is in the snapshot. */
  readonly afterEpoch: number
  readonly epoch: number
  readonly write: EntryWriter<V>
  /** The row that is written next, unless it has been already. */
  next: number
  /** Behind the last. */
  readonly end: number
}

/** No epoch is as early. */
const BEFORE_ALL = -1
const NO_ROW = -1

export class HeapFlatTable<V> implements FlatTable<V> {
  readonly #context: KeyContext
  /** Key to row. */
  readonly #rows: ShardedMap<number>
  readonly #isMutable: boolean
  readonly #blocks: RowBlock<V>[] = []
  /** Rows that are, or have been, in use. */
  #rowCount = 0
  /** An empty row; each has the number of the next one in place of its key. */
  #emptyRow = NO_ROW
  #turn = -1
  #current = NO_ROW
  #epoch = 2
  #isTracking = false
  /** Rows that have changed since the last base or delta; 0 unless tracked. */
  #changedRows = 0
  #deleted: Entry<V>[] = []
  #freeze: Freeze<V> | null = null
  /** What has changed in this epoch or before, and not since, is in no part of the last snapshot. */
  #olderEpoch = BEFORE_ALL
  /** Of the last base or delta. */
  #listedEpoch = 0
  /** What is lent to those who write. */
  readonly #lent = new LentEntry<V>()

  /** `isMutable`: values are objects a reader might change in place. */
  constructor(context: KeyContext, isMutable: boolean) {
    this.#context = context
    this.#rows = new ShardedMap(context)
    this.#isMutable = isMutable
  }

  get size(): number {
    return this.#rows.size
  }

  get sizeMax(): number {
    return this.size
  }

  get changedCount(): number {
    return this.#changedRows + this.#deleted.length
  }

  get(): V | undefined {
    const row = this.#find()
    if (row === NO_ROW) return undefined
    const block = this.#blocks[blockOf(row)]!
    if (this.#isMutable && this.#freeze !== null) this.#beforeLook(this.#freeze, block, row)
    return block.cells[2 * placeOf(row)] as V
  }

  put(value: V): void {
    const row = this.#find()
    if (row === NO_ROW) this.#insert(value)
    else {
      const block = this.#blocks[blockOf(row)]!
      this.#beforeChange(block, row)
      block.cells[2 * placeOf(row)] = value
    }
  }

  remove(): void {
    const row = this.#find()
    if (row === NO_ROW) return
    const block = this.#blocks[blockOf(row)]!
    const place = placeOf(row)
    this.#beforeChange(block, row)
    const key = block.keys[place]!
    if (this.#isTracking) {
      if (block.filledIn[place]! > this.#listedEpoch) this.#changedRows--
      else this.#deleted.push(new Entry(key, undefined, block.keyGroups[place]!, this.#epoch, DELETED as V))
    }
    this.#rows.delete(key)
    block.cells[2 * place] = DELETED
    block.keys[place] = this.#emptyRow
    this.#emptyRow = row
    this.#current = NO_ROW
    if (this.size === 0 && this.#rowCount > BLOCK_ROWS && this.#freeze === null) this.#forgetRows()
  }

  *entries(): Generator<Entry<V>> {
    for (let row = 0; row < this.#rowCount; row++) {
      const block = this.#blocks[blockOf(row)]!
      const place = placeOf(row)
      const value = block.cells[2 * place] as V | typeof DELETED
      if (value === DELETED) continue
      yield new Entry(block.keys[place]!, undefined, block.keyGroups[place]!, block.epochAt(place), value)
    }
  }

  restore(entry: Entry<V>): void {
    this.#context.setMapKey(entry.key, entry.keyGroup)
    this.put(entry.value as V)
  }

  restoreDeleted(entry: Entry<V>): void {
    this.#context.setMapKey(entry.key, entry.keyGroup)
    this.remove()
  }

  track(): void {
    if (this.#isTracking) return
    this.#isTracking = true
    this.#listedEpoch = this.#epoch + 1
    this.#epoch += 2
  }

  freeze(kind: SnapshotKind, write: EntryWriter<V>): readonly Entry<V>[] {
    assert(this.#freeze === null, 'one snapshot of a table at a time')
    assert(kind !== 'delta' || this.#isTracking, 'changes were tracked since the last snapshot')
    const isDelta = kind === 'delta'
    const deleted = isDelta ? this.#deleted : []
    const afterEpoch = isDelta ? this.#listedEpoch : BEFORE_ALL
    this.#freeze = { afterEpoch, epoch: this.#epoch, write, next: 0, end: this.#rowCount }
    this.#olderEpoch = afterEpoch
    if (kind !== 'savepoint') {
      // Odd: what a snapshot has written and marked so has not changed since.
      this.#listedEpoch = this.#epoch + 1
      this.#changedRows = 0
      this.#deleted = []
    }
    this.#epoch += 2
    return deleted
  }

  drain(count: number): boolean {
    const freeze = this.#freeze
    if (freeze === null) return true
    let left = count
    while (left > 0 && freeze.next < freeze.end) left -= this.#drainRun(freeze, left)
    if (freeze.next < freeze.end) return false
    this.#freeze = null
    return true
  }

  abandon(): void {
    this.#freeze = null
  }

  isOlder(entry: Entry<V>): boolean {
    return entry.epoch <= this.#olderEpoch && entry.value !== DELETED
  }

  /** Up to `count` rows of one run; returns how many that was, or 1 for a run that is passed over. */
  #drainRun(freeze: Freeze<V>, count: number): number {
    const { next } = freeze
    const block = this.#blocks[blockOf(next)]!
    const first = placeOf(next)
    const runEnd = next - (next % RUN_ROWS) + RUN_ROWS
    if (block.isOlder(first, freeze.afterEpoch)) {
      freeze.next = Math.min(freeze.end, runEnd)
      return 1
    }
    freeze.next = Math.min(freeze.end, runEnd, next + count)
    const end = first + freeze.next - next
    for (let place = first; place < end; place++) this.#writeFrozen(freeze, block, place)
    return end - first
  }

  #find(): number {
    const turn = this.#context.turn
    if (this.#turn !== turn) {
      this.#turn = turn
      this.#current = this.#rows.get() ?? NO_ROW
    }
    return this.#current
  }

  #insert(value: V): void {
    const { ownMapKey, knownKeyGroup } = this.#context
    const row = this.#takeRow()
    this.#rows.insert(row)
    this.#blocks[blockOf(row)]!.fill(placeOf(row), ownMapKey, knownKeyGroup, value, this.#epoch)
    this.#current = row
    if (this.#isTracking) this.#changedRows++
  }

  /** Nothing is in a row any more, and no snapshot goes through them. */
  #forgetRows(): void {
    this.#blocks.length = 0
    this.#rowCount = 0
    this.#emptyRow = NO_ROW
  }

  #takeRow(): number {
    const row = this.#emptyRow
    if (row !== NO_ROW) {
      this.#emptyRow = this.#blocks[blockOf(row)]!.keys[placeOf(row)] as number
      return row
    }
    if (this.#rowCount === this.#blocks.length * BLOCK_ROWS) {
      this.#blocks.push(new RowBlock(this.#rowCount === 0))
    }
    return this.#rowCount++
  }

  /** Must precede each look at a value that the looker may change before it is put back: so far it is no change. */
  #beforeLook(freeze: Freeze<V>, block: RowBlock<V>, row: number): void {
    if (row < freeze.next) return
    const place = placeOf(row)
    if (this.#writeFrozen(freeze, block, place)) block.setEpoch(place, freeze.epoch + 1)
  }

  /** Must precede each change of a value. */
  #beforeChange(block: RowBlock<V>, row: number): void {
    if (block.epochAt(placeOf(row)) !== this.#epoch) this.#enterEpoch(block, row)
  }

  #enterEpoch(block: RowBlock<V>, row: number): void {
    const freeze = this.#freeze
    const place = placeOf(row)
    if (freeze !== null && row >= freeze.next) this.#writeFrozen(freeze, block, place)
    block.setEpoch(place, this.#epoch)
    if (this.#isTracking) this.#changedRows++
  }

  /** Writes a row that has not been written, if it is in the snapshot; returns whether it was. */
  #writeFrozen(freeze: Freeze<V>, block: RowBlock<V>, place: number): boolean {
    const epoch = block.epochAt(place)
    if (epoch <= freeze.afterEpoch || epoch > freeze.epoch) return false
    const value = block.cells[2 * place] as V | typeof DELETED
    if (value === DELETED) return false
    const entry = this.#lent
    entry.key = block.keys[place]!
    entry.keyGroup = block.keyGroups[place]!
    entry.value = value
    freeze.write(entry)
    // Who writes it has to know the key group.
    block.keyGroups[place] = entry.keyGroup
    return true
  }
}
