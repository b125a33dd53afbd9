/** A stretch of the rows of a table in the heap, as columns: no object stands between a key and its value. */
import { DELETED } from './entry.ts'
import type { MapKey } from './map-key.ts'

const BLOCK_BITS = 14
/** Its arrays are large enough to have pages of their own, which are not copied when they get old. */
export const BLOCK_ROWS = 1 << BLOCK_BITS
/** The first block grows from here: most tables are small. */
const FIRST_ROWS = 16
const RUN_BITS = 8
/** Rows that are passed over together where none has changed. */
export const RUN_ROWS = 1 << RUN_BITS

/** The number of the block of a row. */
export function blockOf(row: number): number {
  return row >>> BLOCK_BITS
}

/** The place of a row in its block. */
export function placeOf(row: number): number {
  return row & (BLOCK_ROWS - 1)
}

export class RowBlock<V> {
  /**
   * Value and epoch (see StateTable) in turn: neighbours, since both are needed for every record and each would be a
   * cache miss. The value of an empty row is DELETED, and all are before they are used: an array that has only seen
   * numbers would be another kind of array to the compiler.
   */
  cells: (V | number | typeof DELETED)[] = []
  /** Of an empty row whatever the table likes. */
  keys: MapKey[] = []
  /** -1 until somebody needs it. */
  keyGroups = new Int16Array(0)
  /** The epoch in which the row was filled. */
  filledIn = new Int32Array(0)
  /** Per run of rows, the last epoch in which one has changed. */
  readonly #changedIn = new Int32Array(BLOCK_ROWS / RUN_ROWS)

  constructor(isFirst: boolean) {
    this.#grow(isFirst ? FIRST_ROWS : BLOCK_ROWS)
  }

  /** Makes a row that is empty into one of this key. */
  fill(place: number, key: MapKey, keyGroup: number, value: V, epoch: number): void {
    if (place === this.keys.length) this.#grow(2 * place)
    this.keys[place] = key
    this.keyGroups[place] = keyGroup
    this.filledIn[place] = epoch
    this.cells[2 * place] = value
    this.setEpoch(place, epoch)
  }

  epochAt(place: number): number {
    return this.cells[2 * place + 1] as number
  }

  setEpoch(place: number, epoch: number): void {
    this.cells[2 * place + 1] = epoch
    this.#changedIn[place >>> RUN_BITS] = epoch
  }

  /** No row of the run that this one is in has changed after `epoch`. */
  isOlder(place: number, epoch: number): boolean {
    return this.#changedIn[place >>> RUN_BITS]! <= epoch
  }

  #grow(rows: number): void {
    this.cells = enlarged(this.cells, 2 * rows, DELETED)
    this.keys = enlarged(this.keys, rows, '')
    const keyGroups = new Int16Array(rows)
    keyGroups.set(this.keyGroups)
    this.keyGroups = keyGroups
    const filledIn = new Int32Array(rows)
    filledIn.set(this.filledIn)
    this.filledIn = filledIn
  }
}

function enlarged<T>(before: readonly T[], length: number, rest: T): T[] {
  const after = new Array<T>(length).fill(rest)
  for (let i = 0; i < before.length; i++) after[i] = before[i]!
  return after
}
