/** Float64 values, bit by bit: NaN, infinities and -0 come back as they were. */
import type { ByteReader } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import {
  COLUMN_CAPACITY,
  COLUMN_CAPACITY_KEPT_MAX,
  type ColumnReader,
  type ColumnWriter,
  roomFor,
} from './column.ts'

export class FloatColumnWriter implements ColumnWriter {
  #values = new Float64Array(COLUMN_CAPACITY)
  #count = 0

  push(value: number): void {
    const index = this.#count
    if (index === this.#values.length) this.#grow()
    this.#values[index] = value
    this.#count = index + 1
  }

  get byteLength(): number {
    return this.#count * 8
  }

  finish(out: ByteWriter): void {
    writeFloats(out, this.#values, this.#count)
    this.reset()
  }

  reset(): void {
    this.#count = 0
    if (this.#values.length > COLUMN_CAPACITY_KEPT_MAX) this.#values = new Float64Array(COLUMN_CAPACITY)
  }

  #grow(): void {
    const grown = new Float64Array(this.#values.length * 2)
    grown.set(this.#values)
    this.#values = grown
  }
}

export class FloatColumnReader implements ColumnReader {
  values = new Float64Array(COLUMN_CAPACITY)

  load(input: ByteReader, count: number): void {
    this.values = readFloats(input, this.values, count)
  }

  release(): void {}
}

/** Appends the first `count` of `values`, eight bytes each. */
export function writeFloats(out: ByteWriter, values: Float64Array, count: number): void {
  out.raw(new Uint8Array(values.buffer, 0, count * 8))
}

/** Reads `count` values into `room`, or into a new array if that has not the right size. Returns the array. */
export function readFloats(
  input: ByteReader,
  room: Float64Array<ArrayBuffer>,
  count: number,
): Float64Array<ArrayBuffer> {
  // Copied as bytes: the input need not be aligned to eight, which a Float64Array on it would have to be.
  const bytes = input.view(count * 8)
  const length = roomFor(room.length, count)
  const values = length === room.length ? room : new Float64Array(length)
  new Uint8Array(values.buffer).set(bytes)
  return values
}
