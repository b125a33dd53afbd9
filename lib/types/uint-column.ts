/**
 * Small non-negative integers: lengths of strings and lists, indices of literals and union variants. One, two
 * or four bytes each, whatever the largest of the batch needs; the width is the first byte.
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

export class UintColumnWriter implements ColumnWriter {
  #values = new Uint32Array(COLUMN_CAPACITY)
  #count = 0
  /** All values or-ed together: has the width of the largest. */
  #bits = 0

  push(value: number): void {
    const index = this.#count
    this.#values[index] = value
    this.#count = index + 1
    this.#bits |= value
    if (index + 1 === this.#values.length) this.#grow()
  }

  get byteLength(): number {
    return 1 + this.#count * widthOf(this.#bits)
  }

  finish(out: ByteWriter): void {
    const width = widthOf(this.#bits)
    out.u8(width)
    const at = out.claim(this.#count * width)
    writeUints(this.#values, this.#count, width, out.buffer, at)
    this.reset()
  }

  reset(): void {
    this.#count = 0
    this.#bits = 0
    if (this.#values.length > COLUMN_CAPACITY_KEPT_MAX) this.#values = new Uint32Array(COLUMN_CAPACITY)
  }

  #grow(): void {
    const grown = new Uint32Array(this.#values.length * 2)
    grown.set(this.#values)
    this.#values = grown
  }
}

function widthOf(bits: number): number {
  return bits >>> 16 > 0 ? 4 : bits >= 0x100 ? 2 : 1
}

function writeUints(values: Uint32Array, count: number, width: number, bytes: Uint8Array, at: number): void {
  if (width === 1) {
    for (let i = 0; i < count; i++) bytes[at++] = values[i]!
    return
  }
  for (let i = 0; i < count; i++) {
    const value = values[i]!
    bytes[at++] = value
    bytes[at++] = value >>> 8
    if (width === 2) continue
    bytes[at++] = value >>> 16
    bytes[at++] = value >>> 24
  }
}

export class UintColumnReader implements ColumnReader {
  values = new Uint32Array(COLUMN_CAPACITY)
  /** Of the values loaded last. Exact: 2^32 values of 2^32 stay far below 2^64, and lengths are bounded long before. */
  sum = 0

  load(input: ByteReader, count: number): void {
    const width = input.u8()
    if (width !== 1 && width !== 2 && width !== 4) input.fail(`expected a width of 1, 2 or 4, found ${width}`)
    const at = input.claim(count * width)
    const room = roomFor(this.values.length, count)
    if (room !== this.values.length) this.values = new Uint32Array(room)
    this.sum = readUints(input.buffer, at, width, this.values, count)
  }

  /** The same for indices into `choices` things: an index past the last is DECODE_FAILED. */
  loadIndices(input: ByteReader, count: number, choices: number): void {
    this.load(input, count)
    for (let i = 0; i < count; i++) {
      if (this.values[i]! >= choices)
        input.fail(`expected one of ${choices} choices, found ${this.values[i]}`)
    }
  }

  /** How many of the `count` indices loaded last are 0, 1, ... `choices` - 1. */
  tally(count: number, choices: number): Uint32Array {
    const tally = new Uint32Array(choices)
    for (let i = 0; i < count; i++) tally[this.values[i]!]!++
    return tally
  }

  /**
   * The same for numbers of list elements and map entries, at most `max` each. Every element takes a byte at
   * least, so a sum the rest of the input cannot hold is refused before anything is allocated for it.
   */
  loadCounts(input: ByteReader, count: number, max: number): void {
    this.load(input, count)
    if (this.sum > input.remaining)
      input.fail(`expected ${this.sum} elements, found ${input.remaining} bytes`)
    if (this.sum <= max) return
    for (let i = 0; i < count; i++) if (this.values[i]! > max) input.fail(`expected at most ${max} elements`)
  }

  release(): void {}
}

/** Fills `values`; returns their sum. */
function readUints(bytes: Uint8Array, at: number, width: number, values: Uint32Array, count: number): number {
  let sum = 0
  if (width === 1) {
    for (let i = 0; i < count; i++) {
      const value = bytes[at + i]!
      values[i] = value
      sum += value
    }
    return sum
  }
  for (let i = 0; i < count; i++) {
    let value = bytes[at++]! | (bytes[at++]! << 8)
    if (width === 4) {
      value = (value | (bytes[at]! << 16) | (bytes[at + 1]! << 24)) >>> 0
      at += 2
    }
    values[i] = value
    sum += value
  }
  return sum
}
