/** When the size of a batch is looked at while it grows: to look costs as much as a field of a record. */

/** After so many values at most. */
const INTERVAL_MAX = 8

/**
 * The count at which the size of a batch is due, which has `count` values and `byteLength` bytes and is to be closed at
 * `bytesMax`. Large values are looked at one by one, or a few of them would make a batch beyond all limits.
 */
export function nextSizeCheck(count: number, byteLength: number, bytesMax: number): number {
  const room = Math.floor(((bytesMax - byteLength) * count) / Math.max(1, byteLength))
  return count + Math.min(Math.max(1, room), INTERVAL_MAX)
}
