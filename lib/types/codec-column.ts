/** Values of a {@link ByteCodec}: the lengths of their encodings, then one heap with all of those. */
import type { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import type { ByteCodec } from './byte-codec.ts'
import type { ColumnReader, ColumnWriter } from './column.ts'
import { UintColumnReader, UintColumnWriter } from './uint-column.ts'

const HEAP_BYTES = 1024
const NOTHING = new Uint8Array(0)

export class CodecColumnWriter<T> implements ColumnWriter {
  readonly #codec: ByteCodec<T>
  readonly #lengths = new UintColumnWriter()
  readonly #heap = new ByteWriter(HEAP_BYTES)

  constructor(codec: ByteCodec<T>) {
    this.#codec = codec
  }

  push(value: T): void {
    const bytes = this.#codec.encode(value)
    this.#heap.raw(bytes)
    this.#lengths.push(bytes.length)
  }

  get byteLength(): number {
    return this.#lengths.byteLength + this.#heap.length
  }

  finish(out: ByteWriter): void {
    this.#lengths.finish(out)
    out.raw(this.#heap.view())
    this.reset()
  }

  reset(): void {
    this.#lengths.reset()
    this.#heap.reset()
  }
}

export class CodecColumnReader<T> implements ColumnReader {
  readonly #codec: ByteCodec<T>
  readonly #lengths = new UintColumnReader()
  #heap: Uint8Array = NOTHING
  #index = 0
  #offset = 0

  constructor(codec: ByteCodec<T>) {
    this.#codec = codec
  }

  load(input: ByteReader, count: number): void {
    this.#lengths.load(input, count)
    this.#heap = input.view(this.#lengths.sum)
    this.#index = 0
    this.#offset = 0
  }

  /** The values in order; called once for each. */
  next(): T {
    const start = this.#offset
    this.#offset = start + this.#lengths.values[this.#index++]!
    return this.#codec.decode(this.#heap.subarray(start, this.#offset))
  }

  release(): void {
    this.#heap = NOTHING
  }
}
