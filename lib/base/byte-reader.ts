/**
 * Reads what {@link ByteWriter} wrote, from bytes nobody vouches for.
 *
 * R1  No read passes the end: it throws DECODE_FAILED and says at which byte.
 * R2  Nothing is allocated for a length before that many bytes are known to be there.
 * R3  What is returned never aliases the input, save from {@link view}.
 */
import { latin1Slice, TEXT_LENGTH_MAX, utf8Slice, utf16Slice } from './byte-text.ts'
import { SluiceError } from './errors.ts'

const INTEGER_TOO_LARGE = 'an integer is larger than 2^53'

const TEXT_TOO_LONG = 'a string is longer than 2^28 characters'

const floatBytes = new Uint8Array(8)
const float = new Float64Array(floatBytes.buffer)

export class ByteReader {
  #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Starts over with other bytes: saves an allocation per record where records are read one by one. */
  reset(bytes: Uint8Array): void {
    this.#bytes = bytes
    this.#offset = 0
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  /** Index of the next byte. */
  get offset(): number {
    return this.#offset
  }

  /** The input itself, for code that reads what {@link claim} checked. Must not be written to. */
  get buffer(): Uint8Array {
    return this.#bytes
  }

  /** Checks that `count` more bytes are there, passes over them and returns the offset of the first. */
  claim(count: number): number {
    const offset = this.#offset
    if (count > this.#bytes.length - offset) this.#endOfInput(count)
    this.#offset = offset + count
    return offset
  }

  skip(count: number): void {
    this.claim(count)
  }

  u8(): number {
    return this.#bytes[this.claim(1)]!
  }

  u16(): number {
    const at = this.claim(2)
    return this.#bytes[at]! | (this.#bytes[at + 1]! << 8)
  }

  u32(): number {
    return this.i32() >>> 0
  }

  i32(): number {
    const at = this.claim(4)
    const bytes = this.#bytes
    return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
  }

  f64(): number {
    const at = this.claim(8)
    for (let i = 0; i < 8; i++) floatBytes[i] = this.#bytes[at + i]!
    return float[0]!
  }

  /** An integer in [0, 2^53); more is DECODE_FAILED. */
  varint(): number {
    const first = this.u8()
    return first < 0x80 ? first : this.#longVarint(first)
  }

  /** A safe integer; more is DECODE_FAILED. */
  zigzag(): number {
    const first = this.u8()
    let magnitude = (first & 0x7f) >> 1
    if (first >= 0x80) {
      magnitude += this.varint() * 0x40
      if (magnitude > Number.MAX_SAFE_INTEGER - (first & 1)) this.fail(INTEGER_TOO_LARGE)
    }
    return first & 1 ? -magnitude - 1 : magnitude
  }

  /** A varint that counts things of which each takes a byte or more: cannot exceed `remaining`. */
  count(): number {
    const count = this.varint()
    if (count > this.remaining) this.#endOfInput(count)
    return count
  }

  /** A copy of bytes that have their length in front. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.raw(this.count())
  }

  /** A copy of the next `count` bytes. */
  raw(count: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.view(count))
  }

  /** The next `count` bytes themselves, as a window on the input. */
  view(count: number): Uint8Array {
    const at = this.claim(count)
    return this.#bytes.subarray(at, at + count)
  }

  /** Mirror of {@link ByteWriter.string}: UTF-8. */
  string(): string {
    const size = this.count()
    if (size > TEXT_LENGTH_MAX) this.fail(TEXT_TOO_LONG)
    const at = this.claim(size)
    return utf8Slice(this.#bytes, at, at + size)
  }

  /** Mirror of {@link ByteWriter.text}: any JavaScript string. */
  text(): string {
    const header = this.varint()
    const count = Math.floor(header / 2)
    if (count > TEXT_LENGTH_MAX) this.fail(TEXT_TOO_LONG)
    if (header % 2 === 0) {
      const at = this.claim(count)
      return latin1Slice(this.#bytes, at, at + count)
    }
    const at = this.claim(count * 2)
    return utf16Slice(this.#bytes, at, at + count * 2)
  }

  /** Throws DECODE_FAILED for a reason a decoder found, with the position. */
  fail(reason: string): never {
    throw new SluiceError('DECODE_FAILED', `${reason} (at byte ${this.#offset} of ${this.#bytes.length})`, {
      details: { offset: this.#offset, length: this.#bytes.length },
    })
  }

  #longVarint(first: number): number {
    let value = first & 0x7f
    for (let factor = 0x80; factor < 2 ** 53; factor *= 0x80) {
      const byte = this.u8()
      value += (byte & 0x7f) * factor
      if (value > Number.MAX_SAFE_INTEGER) break
      if (byte < 0x80) return value
    }
    return this.fail(INTEGER_TOO_LARGE)
  }

  #endOfInput(count: number): never {
    return this.fail(`expected ${count} more bytes, found ${this.remaining}`)
  }
}
