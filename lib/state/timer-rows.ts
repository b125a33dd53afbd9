/**
 * Timers as rows of columns: no object per timer, which the garbage collector would have to copy and follow, since most
 * timers outlive several of its rounds. A row is in one list, which is linked both ways, or free.
 *
 * Arrays that grow are copied, 4 ms for a million rows. Rows are used again; memory is given back when all are free.
 */
import type { SubKey } from './entry.ts'
import type { MapKey } from './map-key.ts'

/** In place of a row: none. */
export const NO_ROW = -1

export class TimerRows {
  readonly timestamps: number[] = []
  /** The namespaces. */
  readonly subs: SubKey[] = []
  /** Undefined: the row is free. */
  readonly keys: (MapKey | undefined)[] = []
  /** -1 until somebody needs it. */
  readonly keyGroups: number[] = []
  /** The epoch of the registration; see StateTable. */
  readonly epochs: number[] = []
  /** The next row of the list, or of the free ones. */
  readonly next: number[] = []
  readonly #previous: number[] = []
  #firstFree = NO_ROW

  /** Free ones included. */
  get length(): number {
    return this.keys.length
  }

  /** A row in no list. */
  add(timestamp: number, sub: SubKey, key: MapKey, keyGroup: number, epoch: number): number {
    const row = this.#firstFree
    if (row === NO_ROW) {
      this.timestamps.push(timestamp)
      this.subs.push(sub)
      this.keys.push(key)
      this.keyGroups.push(keyGroup)
      this.epochs.push(epoch)
      this.next.push(NO_ROW)
      return this.#previous.push(NO_ROW) - 1
    }
    this.#firstFree = this.next[row]!
    this.timestamps[row] = timestamp
    this.subs[row] = sub
    this.keys[row] = key
    this.keyGroups[row] = keyGroup
    this.epochs[row] = epoch
    this.next[row] = NO_ROW
    this.#previous[row] = NO_ROW
    return row
  }

  /** Frees a row that is in no list any more. */
  free(row: number): void {
    this.keys[row] = undefined
    this.subs[row] = undefined
    this.next[row] = this.#firstFree
    this.#firstFree = row
  }

  /** Whether it is the timer of this place. */
  isAt(row: number, timestamp: number, sub: SubKey, key: MapKey): boolean {
    return this.timestamps[row] === timestamp && this.subs[row] === sub && isSameKey(this.keys[row], key)
  }

  append(list: RowList, row: number): void {
    if (list.last === NO_ROW) list.first = row
    else {
      this.next[list.last] = row
      this.#previous[row] = list.last
    }
    list.last = row
  }

  unlink(list: RowList, row: number): void {
    const [previous, next] = [this.#previous[row]!, this.next[row]!]
    if (previous === NO_ROW) list.first = next
    else this.next[previous] = next
    if (next === NO_ROW) list.last = previous
    else this.#previous[next] = previous
  }
}

/** The ends of a list of rows. */
export interface RowList {
  first: number
  last: number
}

/** As Maps compare keys. */
function isSameKey(a: MapKey | undefined, b: MapKey): boolean {
  return a === b || (Number.isNaN(a) && Number.isNaN(b))
}
