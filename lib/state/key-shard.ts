/**
 * Which of several Maps a key is in, for tables too large for one: less than its hash, by which it has a key group,
 * since it is computed for every record where no exchange has. Of long texts at most TEXT_UNITS code units count,
 * evenly spread: keys that differ in none of them meet in one Map, which is slower to grow and no less correct.
 */
import type { MapKey } from './map-key.ts'

export const SHARD_COUNT = 256
const TEXT_UNITS = 32

const double = new Float64Array(1)
const halves = new Int32Array(double.buffer)

/** From 0 to SHARD_COUNT - 1; the same for keys that are the same to a Map. */
export function shardOf(key: MapKey): number {
  return Math.imul(mix(key), 0x9e3779b1) >>> 24
}

function mix(key: MapKey): number {
  if (typeof key === 'number') return (key | 0) === key ? key : mixDouble(key)
  if (typeof key === 'string') return mixText(key)
  return Number(BigInt.asIntN(32, BigInt(key)))
}

function mixDouble(key: number): number {
  double[0] = key
  // Of NaN there are many, and one to a Map.
  return Number.isNaN(key) ? 0 : halves[0]! ^ halves[1]!
}

function mixText(text: string): number {
  const step = text.length <= TEXT_UNITS ? 1 : Math.ceil(text.length / TEXT_UNITS)
  let mixed = text.length
  for (let i = text.length - 1; i >= 0; i -= step) mixed = (Math.imul(mixed, 31) + text.charCodeAt(i)) | 0
  return mixed
}
