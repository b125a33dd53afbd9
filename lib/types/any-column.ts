/**
 * Values of unknown shape. In a batch the names of objects' fields are listed once, in front; a row, on its
 * own, spells them out.
 */
import { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { readAny, ShapeLibrary, type ShapeReader } from './any-reader.ts'
import { ShapeBook, writeAny } from './any-writer.ts'
import type { ColumnReader, ColumnWriter } from './column.ts'

const HEAP_BYTES = 1024
const NOTHING = new Uint8Array(0)
const NO_SHAPES: readonly ShapeReader[] = []

export function writeAnyRow(out: ByteWriter, value: unknown): void {
  writeAny(out, value, undefined)
}

export function readAnyRow(input: ByteReader): unknown {
  return readAny(input, NO_SHAPES)
}

export class AnyColumnWriter implements ColumnWriter {
  readonly #book = new ShapeBook()
  readonly #heap = new ByteWriter(HEAP_BYTES)

  push(value: unknown): void {
    writeAny(this.#heap, value, this.#book)
  }

  /** Without the names of fields, which are written once. */
  get byteLength(): number {
    return 8 + this.#heap.length
  }

  finish(out: ByteWriter): void {
    this.#book.writeTo(out)
    out.bytes(this.#heap.view())
    this.reset()
  }

  reset(): void {
    this.#book.clear()
    this.#heap.reset()
  }
}

export class AnyColumnReader implements ColumnReader {
  readonly #library = new ShapeLibrary()
  readonly #heap = new ByteReader(NOTHING)
  #shapes = NO_SHAPES

  load(input: ByteReader, count: number): void {
    this.#shapes = this.#library.read(input)
    this.#heap.reset(input.view(input.count()))
    if (count > this.#heap.remaining)
      input.fail(`expected ${count} values, found ${this.#heap.remaining} bytes`)
  }

  /** The values in order; called once for each. */
  next(): unknown {
    return readAny(this.#heap, this.#shapes)
  }

  release(): void {
    this.#heap.reset(NOTHING)
  }
}
