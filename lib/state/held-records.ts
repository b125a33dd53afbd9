/**
 * Records on their way into slices, a handful at a time. To find the row of a key is three or four cache misses, each
 * of which waits for the one before, and the way of one record from source to state is longer than a processor looks
 * ahead. In a loop that does nothing but look up, the misses of several keys overlap; so records wait here until there
 * are enough for one, see HeapSliceTable.addAll.
 */
import type { KeyContext } from './key-context.ts'
import type { MapKey } from './map-key.ts'

/** Misses of three or four lookups overlap at most; 256 were no faster. */
export const HELD_MAX = 32

export class HeldRecords<I> {
  count = 0
  readonly values: I[] = []
  readonly slices = new Float64Array(HELD_MAX)
  readonly keys: MapKey[] = []
  /** -1: not known. */
  readonly keyGroups = new Int32Array(HELD_MAX)

  /** A record of the current key. True: no more fit. */
  push(slice: number, value: I, { mapKey, knownKeyGroup }: KeyContext): boolean {
    const at = this.count++
    this.slices[at] = slice
    this.values[at] = value
    this.keys[at] = mapKey
    this.keyGroups[at] = knownKeyGroup
    return this.count === HELD_MAX
  }

  /** Where the records end, from `from` on, that are of the same slice. */
  endOfSlice(from: number): number {
    const slice = this.slices[from]
    let end = from + 1
    while (end < this.count && this.slices[end] === slice) end++
    return end
  }
}
