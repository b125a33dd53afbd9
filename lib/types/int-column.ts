/**
 * Integers of up to 53 bits: int32, int64 and timestamp. Ids, counters and times of one batch lie close
 * together, so a batch whose range fits into 1, 2 or 4 bytes is written as its minimum and the distances from
 * it; one that does not, as float64. Finding the range costs two comparisons per value.
 */
import type { ByteReader } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import {
  COLUMN_CAPACITY,
  COLUMN_CAPACITY_KEPT_MAX,
  type ColumnReader,
  type ColumnWriter,
  roomFor,
} from './column.ts'
import { readFloats, writeFloats } from './float-column.ts'

/** The values a column may hold; others are DECODE_FAILED. */
export interface IntRange {
  readonly min: number
  readonly max: number
}

export const INT32: IntRange = { min: -(2 ** 31), max: 2 ** 31 - 1 }
export const SAFE_INTEGER: IntRange = { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }

/** Values of this width are float64; narrower ones are distances from the minimum. */
const FLOAT_WIDTH = 8

/** The range is brought up to date, and room made, once for so many values. A power of two. */
const BLOCK = 64

export class IntColumnWriter implements ColumnWriter {
  #values = new Float64Array(COLUMN_CAPACITY)
  #count = 0
  /** Of the values in finished blocks. */
  #min = Number.POSITIVE_INFINITY
  #max = Number.NEGATIVE_INFINITY
  #width = 1

  /** -0 is read back as 0: an integer has no sign of zero. */
  push(value: number): void {
    const index = this.#count
    this.#values[index] = value
    this.#count = index + 1
    if ((index & (BLOCK - 1)) === BLOCK - 1) this.#finishBlock()
  }

  /** Exact but for what the values of the last, unfinished block may add to the range. */
  get byteLength(): number {
    return 9 + this.#count * this.#width
  }

  finish(out: ByteWriter): void {
    const count = this.#count
    this.#measure(count - (count & (BLOCK - 1)), count)
    const width = this.#width
    out.u8(width)
    if (width === FLOAT_WIDTH) {
      writeFloats(out, this.#values, count)
    } else {
      const min = count === 0 ? 0 : this.#min
      out.f64(min)
      const at = out.claim(count * width)
      writeDistances(this.#values, count, min, width, out.buffer, at)
    }
    this.reset()
  }

  reset(): void {
    this.#count = 0
    this.#min = Number.POSITIVE_INFINITY
    this.#max = Number.NEGATIVE_INFINITY
    this.#width = 1
    if (this.#values.length > COLUMN_CAPACITY_KEPT_MAX) this.#values = new Float64Array(COLUMN_CAPACITY)
  }

  #finishBlock(): void {
    const count = this.#count
    this.#measure(count - BLOCK, count)
    if (count < this.#values.length) return
    const grown = new Float64Array(count * 2)
    grown.set(this.#values)
    this.#values = grown
  }

  #measure(start: number, end: number): void {
    const values = this.#values
    let min = this.#min
    let max = this.#max
    for (let i = start; i < end; i++) {
      const value = values[i]!
      if (value < min) min = value
      if (value > max) max = value
    }
    this.#min = min + 0
    this.#max = max
    const range = max - min
    this.#width = range < 0x100 ? 1 : range < 0x10000 ? 2 : range < 0x100000000 ? 4 : FLOAT_WIDTH
  }
}

function writeDistances(
  values: Float64Array,
  count: number,
  min: number,
  width: number,
  bytes: Uint8Array,
  at: number,
): void {
  if (width === 1) {
    for (let i = 0; i < count; i++) bytes[at++] = values[i]! - min
    return
  }
  for (let i = 0; i < count; i++) {
    const distance = values[i]! - min
    bytes[at++] = distance
    bytes[at++] = distance >>> 8
    if (width === 2) continue
    bytes[at++] = distance >>> 16
    bytes[at++] = distance >>> 24
  }
}

export class IntColumnReader implements ColumnReader {
  values = new Float64Array(COLUMN_CAPACITY)
  readonly #min: number
  readonly #max: number

  constructor(range: IntRange) {
    this.#min = range.min
    this.#max = range.max
  }

  load(input: ByteReader, count: number): void {
    const width = input.u8()
    if (width === FLOAT_WIDTH) this.#loadFloats(input, count)
    else if (width === 1 || width === 2 || width === 4) this.#loadDistances(input, count, width)
    else input.fail(`expected a width of 1, 2, 4 or 8, found ${width}`)
  }

  release(): void {}

  #loadFloats(input: ByteReader, count: number): void {
    this.values = readFloats(input, this.values, count)
    const values = this.values
    for (let i = 0; i < count; i++) {
      const value = values[i]!
      if (!(value >= this.#min && value <= this.#max) || Math.floor(value) !== value)
        input.fail('not an integer')
      values[i] = value + 0
    }
  }

  #loadDistances(input: ByteReader, count: number, width: 1 | 2 | 4): void {
    const base = input.f64()
    // Distances are below 2^32, so checking the base and the largest sum checks all of them.
    if (!(base >= this.#min && base <= this.#max) || Math.floor(base) !== base) input.fail('not an integer')
    const at = input.claim(count * width)
    const room = roomFor(this.values.length, count)
    if (room !== this.values.length) this.values = new Float64Array(room)
    const max = readDistances(input.buffer, at, width, base, this.values, count)
    if (base + max > this.#max) input.fail('an integer is out of range')
  }
}

/** Fills `values` with `base` plus each distance; returns the largest distance. */
function readDistances(
  bytes: Uint8Array,
  at: number,
  width: number,
  base: number,
  values: Float64Array,
  count: number,
): number {
  let max = 0
  for (let i = 0; i < count; i++) {
    let distance = bytes[at++]!
    if (width > 1) distance |= bytes[at++]! << 8
    if (width > 2) {
      distance = (distance | (bytes[at]! << 16) | (bytes[at + 1]! << 24)) >>> 0
      at += 2
    }
    values[i] = base + distance
    if (distance > max) max = distance
  }
  return max
}
