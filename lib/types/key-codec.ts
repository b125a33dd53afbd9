/**
 * Keys as bytes whose order, byte by byte, is the order of the keys: what LevelDB iterates by. A tag per type,
 * then the payload, so that keys of different types sort by type: boolean, number, bigint, string, tuple.
 *
 *   boolean   the tag says which
 *   number    float64, big endian, sign flipped (all bits of negative ones); -0 is 0; NaN is last
 *   bigint    a tag for the sign, the length of the magnitude in four bytes, the magnitude; negative ones
 *             with length and magnitude inverted
 *   string    UTF-8; 0x00 becomes 0x00 0xff, and 0x00 ends the string, so that a prefix sorts first. An
 *             unpaired surrogate is written as the three bytes UTF-8 would use if it could (WTF-8) and so
 *             survives; strings sort by code points, not by UTF-16 units as `<` has it
 *   tuple     its elements, then 0x00, which is below every tag: a prefix sorts first
 *
 * FoundationDB's tuple layer works alike. Numbers all take nine bytes: shorter ones for small integers would
 * have to sort between fractions.
 */
import type { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import type { Key } from '../base/hash.ts'
import { BIGINT_BYTES_MAX, bigintOfMagnitude, magnitudeBytes } from './bigint-codec.ts'
import { mismatch } from './mismatch.ts'

/** Tuples in keys nest at most this deep. */
export const KEY_DEPTH_MAX = 16

const END = 0x00
const ESCAPE = 0xff
const TAG = {
  false: 0x10,
  true: 0x11,
  number: 0x20,
  negativeBigint: 0x30,
  bigint: 0x31,
  string: 0x40,
  tuple: 0x50,
} as const

const scratch = new ByteWriter(256)
const float = new Float64Array(1)
const floatHalves = new Uint32Array(float.buffer)
/** Of the one NaN that is written; processors make others, with the sign bit set. */
const NAN_HIGH = 0x7ff80000

/** A key alone, in memory of its own. Throws TYPE_MISMATCH for what is no key. */
export function encodeKey(key: Key): Uint8Array<ArrayBuffer> {
  scratch.reset()
  writeKey(scratch, key)
  return scratch.toUint8Array()
}

export function writeKey(out: ByteWriter, key: Key, depth = 0): void {
  switch (typeof key) {
    case 'string':
      out.u8(TAG.string)
      writeString(out, key)
      break
    case 'number':
      writeNumber(out, key)
      break
    case 'bigint':
      writeBigint(out, key)
      break
    case 'boolean':
      out.u8(key ? TAG.true : TAG.false)
      break
    default:
      writeTuple(out, key, depth)
  }
}

/** Reads one key. Throws DECODE_FAILED. */
export function readKey(input: ByteReader): Key {
  return readTagged(input, input.u8(), 0)
}

/** Negative, zero or positive: the order of the encodings. */
export function compareKeys(a: Key, b: Key): number {
  const rank = keyRank(a) - keyRank(b)
  if (rank !== 0) return rank
  if (typeof a === 'string') return compareStrings(a, b as string)
  if (typeof a === 'number') return compareNumbers(a, b as number)
  if (typeof a === 'object') return compareTuples(a, b as readonly Key[])
  return a < b ? -1 : a > b ? 1 : 0
}

function readTagged(input: ByteReader, tag: number, depth: number): Key {
  switch (tag) {
    case TAG.false:
      return false
    case TAG.true:
      return true
    case TAG.number:
      return readNumber(input)
    case TAG.negativeBigint:
      return readBigint(input, ESCAPE)
    case TAG.bigint:
      return readBigint(input, 0)
    case TAG.string:
      return readString(input)
    case TAG.tuple:
      return readTuple(input, depth)
    default:
      return input.fail(`expected the tag of a key, found ${tag}`)
  }
}

function writeTuple(out: ByteWriter, key: readonly Key[], depth: number): void {
  if (!Array.isArray(key)) throw mismatch('key', 'a string, number, bigint, boolean or tuple of them', key)
  if (depth === KEY_DEPTH_MAX) throw mismatch('key', `tuples nested at most ${KEY_DEPTH_MAX} deep`, key)
  out.u8(TAG.tuple)
  for (const element of key) writeKey(out, element, depth + 1)
  out.u8(END)
}

function readTuple(input: ByteReader, depth: number): Key[] {
  if (depth === KEY_DEPTH_MAX) input.fail(`expected tuples nested at most ${KEY_DEPTH_MAX} deep`)
  const key: Key[] = []
  for (let tag = input.u8(); tag !== END; tag = input.u8()) key.push(readTagged(input, tag, depth + 1))
  return key
}

/** With its tag. Big endian, the sign bit flipped, and all others if it was set: the order is that of floats. */
function writeNumber(out: ByteWriter, value: number): void {
  float[0] = value + 0
  let high = Number.isNaN(value) ? NAN_HIGH : floatHalves[1]!
  let low = Number.isNaN(value) ? 0 : floatHalves[0]!
  if (high >>> 31 === 1) {
    high = ~high
    low = ~low
  } else {
    high ^= 0x80000000
  }
  // One claim: numbers are the keys of most rows of a snapshot.
  const at = out.claim(9)
  const bytes = out.buffer
  bytes[at] = TAG.number
  bytes[at + 1] = high >>> 24
  bytes[at + 2] = high >>> 16
  bytes[at + 3] = high >>> 8
  bytes[at + 4] = high
  bytes[at + 5] = low >>> 24
  bytes[at + 6] = low >>> 16
  bytes[at + 7] = low >>> 8
  bytes[at + 8] = low
}

function readNumber(input: ByteReader): number {
  let high = readWord(input)
  let low = readWord(input)
  if (high >>> 31 === 1) {
    high ^= 0x80000000
  } else {
    high = ~high
    low = ~low
  }
  floatHalves[1] = high
  floatHalves[0] = low
  return float[0]! + 0
}

function writeBigint(out: ByteWriter, value: bigint): void {
  const isNegative = value < 0n
  const invert = isNegative ? ESCAPE : 0
  const magnitude = magnitudeBytes(isNegative ? -value : value)
  out.u8(isNegative ? TAG.negativeBigint : TAG.bigint)
  writeWord(out, isNegative ? ~magnitude.length : magnitude.length)
  const at = out.claim(magnitude.length)
  const bytes = out.buffer
  for (let i = 0; i < magnitude.length; i++) bytes[at + i] = magnitude[i]! ^ invert
}

function readBigint(input: ByteReader, invert: number): bigint {
  const word = readWord(input)
  const size = (invert === 0 ? word : ~word) >>> 0
  if (size > BIGINT_BYTES_MAX)
    input.fail(`expected a bigint of at most ${BIGINT_BYTES_MAX} bytes, found ${size}`)
  const magnitude = input.raw(size)
  if (invert === 0) return bigintOfMagnitude(magnitude)
  for (let i = 0; i < size; i++) magnitude[i]! ^= invert
  return -bigintOfMagnitude(magnitude)
}

function writeWord(out: ByteWriter, word: number): void {
  const at = out.claim(4)
  const bytes = out.buffer
  bytes[at] = word >>> 24
  bytes[at + 1] = word >>> 16
  bytes[at + 2] = word >>> 8
  bytes[at + 3] = word
}

function readWord(input: ByteReader): number {
  const at = input.claim(4)
  const bytes = input.buffer
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

function writeString(out: ByteWriter, text: string): void {
  const start = out.claim(text.length + 1)
  const bytes = out.buffer
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === END || code >= 0x80) {
      out.truncate(start)
      writeLongString(out, text)
      return
    }
    bytes[start + i] = code
  }
  bytes[start + text.length] = END
}

/** With characters of several bytes: at most three per UTF-16 unit, four per pair, two for an escaped 0x00. */
function writeLongString(out: ByteWriter, text: string): void {
  let at = out.claim(text.length * 3 + 1)
  const bytes = out.buffer
  for (let i = 0; i < text.length; i++) {
    const code = text.codePointAt(i)!
    if (code < 0x80) {
      bytes[at++] = code
      if (code === END) bytes[at++] = ESCAPE
    } else if (code < 0x800) {
      bytes[at++] = 0xc0 | (code >> 6)
      bytes[at++] = 0x80 | (code & 0x3f)
    } else if (code <= 0xffff) {
      bytes[at++] = 0xe0 | (code >> 12)
      bytes[at++] = 0x80 | ((code >> 6) & 0x3f)
      bytes[at++] = 0x80 | (code & 0x3f)
    } else {
      i++
      bytes[at++] = 0xf0 | (code >> 18)
      bytes[at++] = 0x80 | ((code >> 12) & 0x3f)
      bytes[at++] = 0x80 | ((code >> 6) & 0x3f)
      bytes[at++] = 0x80 | (code & 0x3f)
    }
  }
  bytes[at++] = END
  out.truncate(at)
}

/** Code units gathered before they are made into a string. */
const UNITS_MAX = 1024

function readString(input: ByteReader): string {
  let text = ''
  let units: number[] = []
  for (;;) {
    const first = input.u8()
    if (first === END && !takesEscape(input)) break
    pushCodePoint(units, first < 0x80 ? first : readCodePoint(input, first))
    if (units.length < UNITS_MAX) continue
    text += String.fromCharCode(...units)
    units = []
  }
  return text + String.fromCharCode(...units)
}

/** Whether the 0x00 just read is part of the string: then passes over what marks it so. */
function takesEscape(input: ByteReader): boolean {
  const isEscaped = input.remaining > 0 && input.buffer[input.offset] === ESCAPE
  if (isEscaped) input.skip(1)
  return isEscaped
}

function readCodePoint(input: ByteReader, first: number): number {
  const extra = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1
  let code = first & (0x3f >> extra)
  for (let i = 0; i < extra; i++) {
    const byte = input.u8()
    if (byte >> 6 !== 2) input.fail('expected the continuation of a character')
    code = (code << 6) | (byte & 0x3f)
  }
  if (first < 0xc2 || code > 0x10ffff) input.fail('expected a character')
  return code
}

function pushCodePoint(units: number[], code: number): void {
  if (code <= 0xffff) units.push(code)
  else units.push(0xd7c0 + (code >> 10), 0xdc00 | (code & 0x3ff))
}

function keyRank(key: Key): number {
  switch (typeof key) {
    case 'boolean':
      return 0
    case 'number':
      return 1
    case 'bigint':
      return 2
    case 'string':
      return 3
    default:
      return 4
  }
}

function compareNumbers(a: number, b: number): number {
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : 1
  if (Number.isNaN(b)) return -1
  return a < b ? -1 : a > b ? 1 : 0
}

function compareTuples(a: readonly Key[], b: readonly Key[]): number {
  const shorter = Math.min(a.length, b.length)
  for (let i = 0; i < shorter; i++) {
    const order = compareKeys(a[i]!, b[i]!)
    if (order !== 0) return order
  }
  return a.length - b.length
}

/** By code points, as UTF-8 sorts. */
function compareStrings(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length)
  let i = 0
  while (i < shorter && a.charCodeAt(i) === b.charCodeAt(i)) i++
  if (i === shorter) return a.length - b.length
  // After a common first half of a surrogate pair it is the whole characters that differ.
  const start = i > 0 && isLeadSurrogate(a.charCodeAt(i - 1)) ? i - 1 : i
  return a.codePointAt(start)! - b.codePointAt(start)! || a.codePointAt(i)! - b.codePointAt(i)!
}

function isLeadSurrogate(unit: number): boolean {
  return (unit & 0xfc00) === 0xd800
}
