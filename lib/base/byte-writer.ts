/**
 * A growable buffer that numbers and strings are appended to; little endian. Codecs, frames and snapshots
 * write through it, {@link ByteReader} is its mirror.
 *
 * W1  `length` never passes `bytesMax`: the write that would throws RECORD_TOO_LARGE. Part of the field may
 *     have been appended by then: truncate to a length known to be good, or reset.
 * W2  Nothing is allocated per write; the buffer grows to the next power of two when it is full.
 */
import { assert } from './assert.ts'
import { latin1Write, TEXT_LENGTH_MAX, utf8Write, utf16Write, WIDE_CHARACTER } from './byte-text.ts'
import { SluiceError } from './errors.ts'

/** Where a writer stops growing unless told otherwise: 1 GiB, well inside what one Buffer may hold. */
const WRITER_BYTES_MAX = 2 ** 30

/** `reset` gives a buffer larger than this back, so that one giant record is not paid for ever. */
const KEEP_BYTES_MAX = 4 * 2 ** 20

/** Up to this length a loop over the characters beats the call into native code. */
const SHORT_TEXT_MAX = 32

assert(new Uint8Array(new Uint16Array([1]).buffer)[0] === 1, 'a little-endian machine')

export class ByteWriter {
  #buffer: Uint8Array
  #view: DataView
  #length = 0
  readonly #capacity: number
  readonly #bytesMax: number

  /** `capacity`: bytes allocated at once, default 256. `bytesMax`: bound of `length`, default 1 GiB. */
  constructor(capacity = 256, bytesMax = WRITER_BYTES_MAX) {
    this.#capacity = Math.min(Math.max(16, capacity), bytesMax)
    this.#bytesMax = bytesMax
    this.#buffer = new Uint8Array(this.#capacity)
    this.#view = new DataView(this.#buffer.buffer)
  }

  /** Bytes written since the last reset. */
  get length(): number {
    return this.#length
  }

  /**
   * The store behind the writer, for code that fills what {@link claim} gave it. It is another one after the
   * next claim: read it after claiming, never keep it.
   */
  get buffer(): Uint8Array {
    return this.#buffer
  }

  /** Appends `count` bytes of unspecified content and returns the offset of the first. */
  claim(count: number): number {
    const offset = this.#length
    if (offset + count > this.#buffer.length) this.#grow(offset + count)
    this.#length = offset + count
    return offset
  }

  /** The low 8 bits of `value`. */
  u8(value: number): void {
    const offset = this.claim(1)
    this.#buffer[offset] = value
  }

  /** The low 16 bits of `value`. */
  u16(value: number): void {
    const offset = this.claim(2)
    this.#view.setUint16(offset, value, true)
  }

  /** The low 32 bits of `value`. */
  u32(value: number): void {
    const offset = this.claim(4)
    this.#view.setUint32(offset, value, true)
  }

  i32(value: number): void {
    const offset = this.claim(4)
    this.#view.setInt32(offset, value, true)
  }

  f64(value: number): void {
    const offset = this.claim(8)
    this.#view.setFloat64(offset, value, true)
  }

  /** Overwrites four bytes written before: how a length gets in front of what it measures. */
  setU32(offset: number, value: number): void {
    assert(offset + 4 <= this.#length, 'a patched field was written before')
    this.#view.setUint32(offset, value, true)
  }

  /** LEB128 of an integer in [0, 2^53). One byte below 128, at most eight. */
  varint(value: number): void {
    if (value >= 0 && value < 0x80) this.u8(value)
    else this.#longVarint(value)
  }

  /** LEB128 of a safe integer, the sign in the lowest bit: small magnitudes are short. -0 is written as 0. */
  zigzag(value: number): void {
    const isNegative = value < 0
    const magnitude = isNegative ? -(value + 1) : value
    if (magnitude < 0x40) {
      this.u8((magnitude << 1) | (isNegative ? 1 : 0))
      return
    }
    // 2 * magnitude may pass 2^53, so the first seven bits are taken off before anything is doubled.
    assert(Number.isSafeInteger(value), 'zigzag takes a safe integer')
    this.u8(0x80 | ((magnitude % 0x40) << 1) | (isNegative ? 1 : 0))
    this.varint(Math.floor(magnitude / 0x40))
  }

  /** The bytes, their length in front as a varint. */
  bytes(value: Uint8Array): void {
    this.varint(value.length)
    this.raw(value)
  }

  /** The bytes alone. */
  raw(value: Uint8Array): void {
    const offset = this.claim(value.length)
    this.#buffer.set(value, offset)
  }

  /**
   * UTF-8, its length in bytes in front as a varint: for names and messages, which others may read too.
   * Unpaired surrogates become U+FFFD; {@link text} keeps them.
   */
  string(value: string): void {
    const size = Buffer.byteLength(value, 'utf8')
    this.varint(size)
    const offset = this.claim(size)
    utf8Write(this.#buffer, value, offset)
  }

  /**
   * Any JavaScript string, exactly: one byte per character while all are below 256, else two. In front a
   * varint: the length in characters, doubled, plus one if they are wide.
   */
  text(value: string): void {
    const count = value.length
    if (count > SHORT_TEXT_MAX) {
      this.#longText(value)
      return
    }
    const start = this.claim(1 + count)
    const offset = start + 1
    const buffer = this.#buffer
    buffer[start] = count << 1
    for (let i = 0; i < count; i++) {
      const code = value.charCodeAt(i)
      if (code > 0xff) {
        this.truncate(start)
        this.#longText(value)
        return
      }
      buffer[offset + i] = code
    }
  }

  /** A copy of what was written, with an ArrayBuffer of its own: may be transferred. */
  toUint8Array(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.view())
  }

  /** What was written, without a copy: valid until the next write or reset. */
  view(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  /** Forgets what was written after the first `length` bytes. */
  truncate(length: number): void {
    assert(length <= this.#length, 'a writer is only ever cut')
    this.#length = length
  }

  /** Empty again; the buffer is kept unless it has grown past 4 MiB. */
  reset(): void {
    this.#length = 0
    if (this.#buffer.length <= KEEP_BYTES_MAX || this.#capacity > KEEP_BYTES_MAX) return
    this.#buffer = new Uint8Array(this.#capacity)
    this.#view = new DataView(this.#buffer.buffer)
  }

  #longVarint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'varint takes an integer in [0, 2^53)')
    while (value > 0x7fffffff) {
      this.u8(0x80 | (value % 0x80))
      value = Math.floor(value / 0x80)
    }
    while (value >= 0x80) {
      this.u8(0x80 | (value & 0x7f))
      value >>>= 7
    }
    this.u8(value)
  }

  #longText(value: string): void {
    const isWide = WIDE_CHARACTER.test(value)
    const size = isWide ? value.length * 2 : value.length
    if (value.length > TEXT_LENGTH_MAX) this.#refuse(size)
    this.varint(value.length * 2 + (isWide ? 1 : 0))
    const offset = this.claim(size)
    if (isWide) utf16Write(this.#buffer, value, offset)
    else latin1Write(this.#buffer, value, offset)
  }

  #grow(needed: number): void {
    if (needed > this.#bytesMax) this.#refuse(needed)
    // A power of two: so that what fits into KEEP_BYTES_MAX does not make the buffer larger than that.
    const grown = new Uint8Array(Math.min(this.#bytesMax, 2 ** Math.ceil(Math.log2(needed))))
    grown.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = grown
    this.#view = new DataView(grown.buffer)
  }

  #refuse(needed: number): never {
    throw new SluiceError(
      'RECORD_TOO_LARGE',
      `expected at most ${this.#bytesMax} bytes, found at least ${needed}: raise the limit or split the record`,
      { details: { bytesMax: this.#bytesMax, bytes: needed } },
    )
  }
}
