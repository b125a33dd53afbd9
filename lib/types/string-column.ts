/**
 * Strings: their lengths, then one heap with the characters of all. A heap has one byte per character; from
 * the first character above 255 on it is UTF-16, which is twice as large, as fast, and keeps unpaired
 * surrogates. So a column of text beyond Latin-1 costs space, and one odd string costs it for its batch only.
 *
 * Writing: appending to a JavaScript string only ties a knot into a rope, and copying a rope of many strings
 * out in one call is several times cheaper than one call per string. So strings are gathered in `#rope`, which
 * goes straight into the output; only when it becomes very long it is moved to a heap in between.
 *
 * Reading: the whole heap becomes one string, from which the generated decoder takes substrings; see type.ts
 * for what that does to their lifetime.
 */
import type { ByteReader } from '../base/byte-reader.ts'
import {
  latin1Slice,
  latin1Write,
  TEXT_LENGTH_MAX,
  utf16Slice,
  utf16Write,
  WIDE_CHARACTER,
} from '../base/byte-text.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import { SluiceError } from '../base/errors.ts'
import type { ColumnReader, ColumnWriter } from './column.ts'
import { UintColumnReader, UintColumnWriter } from './uint-column.ts'

/** Characters gathered before they are moved to the heap; most batches end before that. */
const ROPE_LENGTH_MAX = 65_536
const HEAP_BYTES_KEPT_MAX = 2 ** 20
/** So that even with a full rope after it the text is one that {@link StringColumnReader} accepts. */
const HEAP_BYTES_MAX = TEXT_LENGTH_MAX - ROPE_LENGTH_MAX
const NO_HEAP = new Uint8Array(0)

export class StringColumnWriter implements ColumnWriter {
  readonly #lengths = new UintColumnWriter()
  #rope = ''
  #heap = NO_HEAP
  /** Bytes of the heap in use. */
  #used = 0
  #isWide = false
  /** Whether the batch before was wide: most likely this one will be. */
  #wasWide = false

  push(value: string): void {
    this.#lengths.push(value.length)
    this.#rope += value
    if (this.#rope.length >= ROPE_LENGTH_MAX) this.#moveRope()
  }

  /** Exact but for the width of what is still gathered, which is guessed from before. */
  get byteLength(): number {
    const gathered = this.#isWide || this.#wasWide ? this.#rope.length * 2 : this.#rope.length
    return 1 + this.#lengths.byteLength + this.#used + gathered
  }

  finish(out: ByteWriter): void {
    const rope = this.#rope
    if (!this.#isWide && WIDE_CHARACTER.test(rope)) this.#widenHeap()
    this.#lengths.finish(out)
    out.u8(this.#isWide ? 1 : 0)
    out.raw(this.#heap.subarray(0, this.#used))
    const size = this.#sizeOf(rope)
    const at = out.claim(size)
    this.#write(rope, out.buffer, at)
    this.#wasWide = this.#isWide
    this.reset()
  }

  reset(): void {
    this.#lengths.reset()
    this.#rope = ''
    this.#used = 0
    this.#isWide = false
    if (this.#heap.length > HEAP_BYTES_KEPT_MAX) this.#heap = NO_HEAP
  }

  #moveRope(): void {
    const rope = this.#rope
    this.#rope = ''
    if (!this.#isWide && WIDE_CHARACTER.test(rope)) this.#widenHeap()
    const end = this.#used + this.#sizeOf(rope)
    if (end > this.#heap.length) this.#growHeap(end)
    this.#write(rope, this.#heap, this.#used)
    this.#used = end
  }

  #sizeOf(text: string): number {
    return this.#isWide ? text.length * 2 : text.length
  }

  #write(text: string, bytes: Uint8Array, at: number): void {
    if (this.#isWide) utf16Write(bytes, text, at)
    else latin1Write(bytes, text, at)
  }

  #widenHeap(): void {
    const used = this.#used
    const narrow = this.#heap
    this.#heap = new Uint8Array(used * 2)
    for (let i = 0; i < used; i++) this.#heap[i * 2] = narrow[i]!
    this.#used = used * 2
    this.#isWide = true
  }

  #growHeap(needed: number): void {
    if (needed > HEAP_BYTES_MAX) {
      throw new SluiceError(
        'RECORD_TOO_LARGE',
        `expected at most ${HEAP_BYTES_MAX} bytes of text per field of a batch: write smaller batches`,
      )
    }
    const grown = new Uint8Array(Math.max(needed, this.#heap.length * 2))
    grown.set(this.#heap.subarray(0, this.#used))
    this.#heap = grown
  }
}

export class StringColumnReader implements ColumnReader {
  readonly #lengths = new UintColumnReader()
  /** All strings, one after the other. */
  heap = ''

  /** Length of each string. */
  get lengths(): Uint32Array {
    return this.#lengths.values
  }

  load(input: ByteReader, count: number): void {
    this.#lengths.load(input, count)
    const length = this.#lengths.sum
    const isWide = input.u8()
    if (isWide > 1) input.fail(`expected a heap of one or two bytes per character, found ${isWide}`)
    if (length > TEXT_LENGTH_MAX)
      input.fail(`expected at most ${TEXT_LENGTH_MAX} characters, found ${length}`)
    const size = isWide === 1 ? length * 2 : length
    const at = input.claim(size)
    this.heap = (isWide === 1 ? utf16Slice : latin1Slice)(input.buffer, at, at + size)
  }

  release(): void {
    this.heap = ''
  }
}
