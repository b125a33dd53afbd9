/** One bit per value: booleans, and which of the optional and nullable values are there. */
import type { ByteReader } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import {
  COLUMN_CAPACITY,
  COLUMN_CAPACITY_KEPT_MAX,
  type ColumnReader,
  type ColumnWriter,
  roomFor,
} from './column.ts'

export class BitColumnWriter implements ColumnWriter {
  #bytes = new Uint8Array(COLUMN_CAPACITY)
  #count = 0

  push(isSet: boolean): void {
    const bit = isSet ? 1 : 0
    const index = this.#count >>> 3
    if (index === this.#bytes.length) this.#grow()
    const shift = this.#count & 7
    this.#bytes[index] = shift === 0 ? bit : this.#bytes[index]! | (bit << shift)
    this.#count++
  }

  get byteLength(): number {
    return (this.#count + 7) >>> 3
  }

  finish(out: ByteWriter): void {
    out.raw(this.#bytes.subarray(0, this.byteLength))
    this.reset()
  }

  reset(): void {
    this.#count = 0
    if (this.#bytes.length > COLUMN_CAPACITY_KEPT_MAX) this.#bytes = new Uint8Array(COLUMN_CAPACITY)
  }

  #grow(): void {
    const grown = new Uint8Array(this.#bytes.length * 2)
    grown.set(this.#bytes)
    this.#bytes = grown
  }
}

export class BitColumnReader implements ColumnReader {
  /** Each 0 or 1. */
  values = new Uint8Array(COLUMN_CAPACITY)
  /** How many of the bits loaded last are 1. */
  ones = 0

  load(input: ByteReader, count: number): void {
    let at = input.claim(Math.ceil(count / 8))
    const bytes = input.buffer
    const room = roomFor(this.values.length, count)
    if (room !== this.values.length) this.values = new Uint8Array(room)
    const values = this.values
    let ones = 0
    for (let i = 0; i < count; i += 8) {
      const byte = bytes[at++]!
      const end = Math.min(8, count - i)
      for (let shift = 0; shift < end; shift++) {
        const bit = (byte >>> shift) & 1
        values[i + shift] = bit
        ones += bit
      }
    }
    this.ones = ones
  }

  release(): void {}
}
