/**
 * Hash codes of keys, as Flink computes them: Java's `hashCode` of the key, then MathUtils#murmurHash.
 * The same key therefore falls into the same key group in both systems, and cases written for one hold for
 * the other.
 */

import { SluiceError } from './errors.ts'

/** What a stream may be keyed by. Tuples are compared by content; -0 equals 0, NaN equals NaN. */
export type Key = string | number | bigint | boolean | readonly Key[]

/** Java's hash code of a key: String, Integer (int32), Long (other integers), Double, Boolean, List. */
export function keyHash(key: Key): number {
  switch (typeof key) {
    case 'string':
      return stringHash(key)
    case 'number':
      return numberHash(key)
    case 'boolean':
      return key ? 1231 : 1237
    case 'bigint':
      return bigintHash(key)
    default: {
      if (!Array.isArray(key)) throw notAKey(key)
      let hash = 1
      for (let i = 0; i < key.length; i++) hash = (Math.imul(31, hash) + keyHash(key[i]!)) | 0
      return hash
    }
  }
}

/** The error of a key selector that returned something else. */
export function notAKey(found: unknown): SluiceError {
  return new SluiceError(
    'USER_FUNCTION_FAILED',
    `a key must be a string, number, bigint, boolean or an array of these, found ${found === null ? 'null' : typeof found}`,
  )
}

/** String#hashCode over UTF-16 code units. */
export function stringHash(text: string): number {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (Math.imul(31, hash) + text.charCodeAt(i)) | 0
  return hash
}

const doubleBits = new Float64Array(1)
const doubleHalves = new Int32Array(doubleBits.buffer)

function numberHash(value: number): number {
  const int = value | 0
  if (int === value) return int
  if (Number.isSafeInteger(value)) return (value | 0) ^ Math.floor(value / 2 ** 32)
  doubleBits[0] = Number.isNaN(value) ? Number.NaN : value
  return doubleHalves[0]! ^ doubleHalves[1]!
}

function bigintHash(value: bigint): number {
  const low = BigInt.asUintN(64, value)
  return Number(BigInt.asIntN(32, low ^ (low >> 32n)))
}

/** MathUtils#murmurHash: the finished 32-bit murmur3 of one integer, made non-negative. */
export function murmurHash(code: number): number {
  code = Math.imul(code, 0xcc9e2d51)
  code = (code << 15) | (code >>> 17)
  code = Math.imul(code, 0x1b873593)
  code = (code << 13) | (code >>> 19)
  code = (Math.imul(code, 5) + 0xe6546b64) | 0
  code ^= 4
  code ^= code >>> 16
  code = Math.imul(code, 0x85ebca6b)
  code ^= code >>> 13
  code = Math.imul(code, 0xc2b2ae35)
  code ^= code >>> 16
  if (code >= 0) return code
  return code === -2147483648 ? 0 : -code
}
