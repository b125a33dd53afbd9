/**
 * Timers as rows of columns: no object per timer, which the garbage collector would have to copy and follow, since most
 * timers outlive several of its rounds. A row is in one list, which is linked both ways, or free.
 *
 * Columns come in pages, since to copy a column that grows takes its thread some ms. Rows are used again; memory is
 * given back when all of them are free.
 */
import type { SubKey } from './entry.ts'
import type { MapKey } from './map-key.ts'

/** In place of a row: none. */
export const NO_ROW = -1

/** A power of two. */
const PAGE_ROWS = 4096
const PAGE_SHIFT = Math.log2(PAGE_ROWS)
const PAGE_MASK = PAGE_ROWS - 1

/** Values per row: the key, undefined if the row is free, and the namespace. */
const [VALUES, KEY, SUB] = [2, 0, 1]
/** Of eight integers per row the first two are the timestamp. */
const [INTS, GROUP, EPOCH, WRITTEN, NEXT, PREVIOUS] = [8, 2, 3, 4, 5, 6]
const [TIMES, TIME] = [INTS / 2, 0]

/**
 * The fields of a row are neighbours: timers that fire one after the other have rows far apart, and to read such a row
 * should be two cache misses, not one per field.
 */
class Page {
  /** KEY and SUB of each row. */
  readonly values: (SubKey | undefined)[] = new Array(PAGE_ROWS * VALUES).fill(undefined)
  /** GROUP, EPOCH, WRITTEN, NEXT and PREVIOUS of each row. */
  readonly ints: Int32Array
  /** The same memory: TIME of each row. */
  readonly times: Float64Array

  constructor() {
    const memory = new ArrayBuffer(PAGE_ROWS * TIMES * Float64Array.BYTES_PER_ELEMENT)
    this.times = new Float64Array(memory)
    this.ints = new Int32Array(memory)
  }
}

/** A timer that is somewhere in the rows. */
export interface TimerRow {
  readonly timestamp: number
  /** The namespace. */
  readonly sub: SubKey
  readonly key: MapKey
  /** -1 until somebody needs it. */
  readonly keyGroup: number
  /** Of its registration or, if that was later, of its writing. */
  readonly epoch: number
}

/** The ends of a list of rows. */
export interface RowList {
  first: number
  last: number
}

export class TimerRows {
  readonly #pages: Page[] = []
  #length = 0
  #firstFree = NO_ROW

  /** Free ones included. */
  get length(): number {
    return this.#length
  }

  /** A row in no list. */
  add(timestamp: number, sub: SubKey, key: MapKey, keyGroup: number, epoch: number): number {
    let row = this.#firstFree
    if (row === NO_ROW) {
      row = this.#length++
      if ((row & PAGE_MASK) === 0) this.#pages.push(new Page())
    } else this.#firstFree = this.nextOf(row)
    const page = this.#pages[row >> PAGE_SHIFT]!
    const at = row & PAGE_MASK
    page.values[at * VALUES + KEY] = key
    page.values[at * VALUES + SUB] = sub
    page.times[at * TIMES + TIME] = timestamp
    page.ints[at * INTS + GROUP] = keyGroup
    page.ints[at * INTS + EPOCH] = epoch
    page.ints[at * INTS + WRITTEN] = 0
    page.ints[at * INTS + NEXT] = NO_ROW
    page.ints[at * INTS + PREVIOUS] = NO_ROW
    return row
  }

  /** Frees a row that is in no list any more. */
  free(row: number): void {
    const page = this.#pages[row >> PAGE_SHIFT]!
    const at = row & PAGE_MASK
    page.values[at * VALUES + KEY] = undefined
    page.values[at * VALUES + SUB] = undefined
    page.ints[at * INTS + NEXT] = this.#firstFree
    this.#firstFree = row
  }

  /** Undefined: the row is free. */
  keyOf(row: number): MapKey | undefined {
    return this.#pages[row >> PAGE_SHIFT]!.values[(row & PAGE_MASK) * VALUES + KEY]
  }

  /** Of the registration. */
  epochOf(row: number): number {
    return this.#int(row, EPOCH)
  }

  /** What {@link noteWritten} was told last; 0: nothing. */
  writtenOf(row: number): number {
    return this.#int(row, WRITTEN)
  }

  /** A snapshot has written the timer; who does it has to know the key group. */
  noteWritten(row: number, written: number, keyGroup: number): void {
    this.#setInt(row, WRITTEN, written)
    this.#setInt(row, GROUP, keyGroup)
  }

  /** The row after this one in its list, also when it has just been unlinked. */
  nextOf(row: number): number {
    return this.#int(row, NEXT)
  }

  /** What is in a row, which must not be free. */
  read(row: number): TimerRow {
    const page = this.#pages[row >> PAGE_SHIFT]!
    const at = row & PAGE_MASK
    return {
      timestamp: page.times[at * TIMES + TIME]!,
      sub: page.values[at * VALUES + SUB],
      key: page.values[at * VALUES + KEY]!,
      keyGroup: page.ints[at * INTS + GROUP]!,
      epoch: Math.max(page.ints[at * INTS + EPOCH]!, page.ints[at * INTS + WRITTEN]!),
    }
  }

  /** Whether there is such a row, and it has this timer. */
  isAt(row: number, timestamp: number, sub: SubKey, key: MapKey): boolean {
    if (row >= this.#length) return false
    const page = this.#pages[row >> PAGE_SHIFT]!
    const at = row & PAGE_MASK
    return (
      isSameKey(page.values[at * VALUES + KEY], key) &&
      page.values[at * VALUES + SUB] === sub &&
      page.times[at * TIMES + TIME] === timestamp
    )
  }

  append(list: RowList, row: number): void {
    const { last } = list
    list.last = row
    if (last === NO_ROW) list.first = row
    else {
      this.#setInt(last, NEXT, row)
      this.#setInt(row, PREVIOUS, last)
    }
  }

  unlink(list: RowList, row: number): void {
    const [previous, next] = [this.#int(row, PREVIOUS), this.#int(row, NEXT)]
    if (previous === NO_ROW) list.first = next
    else this.#setInt(previous, NEXT, next)
    if (next === NO_ROW) list.last = previous
    else this.#setInt(next, PREVIOUS, previous)
  }

  #int(row: number, field: number): number {
    return this.#pages[row >> PAGE_SHIFT]!.ints[(row & PAGE_MASK) * INTS + field]!
  }

  #setInt(row: number, field: number, value: number): void {
    this.#pages[row >> PAGE_SHIFT]!.ints[(row & PAGE_MASK) * INTS + field] = value
  }
}

/** As Maps compare keys. */
function isSameKey(a: MapKey | undefined, b: MapKey): boolean {
  return a === b || (Number.isNaN(a) && Number.isNaN(b))
}
