/** Writes values of unknown shape: any-format.ts says what and how. */
import type { ByteWriter } from '../base/byte-writer.ts'
import { ANY_DEPTH_MAX, BINARY_CLASSES, SHAPE_FIELDS_MAX, SHAPES_MAX, TAG } from './any-format.ts'
import { bigintCodec } from './bigint-codec.ts'
import { mismatch, mismatchAt } from './mismatch.ts'

type PlainObject = Readonly<Record<string, unknown>>

/** The shapes of objects seen in a batch: their names, numbered in order of appearance. */
export class ShapeBook {
  readonly #shapes: string[][] = []
  readonly #numbers = new Map<string, number>()
  /** The shape that came after each shape (and first of all, at the end) the last time: a good guess. */
  readonly #followers = new Array<number>(SHAPES_MAX + 1).fill(0)
  #previous = SHAPES_MAX

  get count(): number {
    return this.#shapes.length
  }

  /** The number of the shape with these names, a new one if need be; -1 if it should not or cannot have one. */
  numberOf(names: string[]): number {
    const guess = this.#followers[this.#previous]!
    if (guess < this.#shapes.length && isSame(this.#shapes[guess]!, names)) {
      this.#previous = guess
      return guess
    }
    const number = this.#lookUp(names)
    if (number >= 0) {
      this.#followers[this.#previous] = number
      this.#previous = number
    }
    return number
  }

  writeTo(out: ByteWriter): void {
    out.varint(this.#shapes.length)
    for (const names of this.#shapes) {
      out.varint(names.length)
      for (const name of names) out.text(name)
    }
  }

  clear(): void {
    this.#shapes.length = 0
    this.#numbers.clear()
    this.#previous = SHAPES_MAX
  }

  #lookUp(names: string[]): number {
    if (names.length > SHAPE_FIELDS_MAX) return -1
    const id = JSON.stringify(names)
    const known = this.#numbers.get(id)
    if (known !== undefined) return known
    if (this.#shapes.length === SHAPES_MAX) return -1
    this.#numbers.set(id, this.#shapes.length)
    return this.#shapes.push(names) - 1
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/**
 * Appends `value`. With a book, objects refer to shapes in it. Throws TYPE_MISMATCH, its path relative to the
 * value, for functions, symbols and nesting past the limit.
 */
export function writeAny(out: ByteWriter, value: unknown, book: ShapeBook | undefined, depth = 0): void {
  switch (typeof value) {
    case 'string':
      out.u8(TAG.string)
      out.text(value)
      break
    case 'number':
      writeNumber(out, value)
      break
    case 'boolean':
      out.u8(value ? TAG.true : TAG.false)
      break
    case 'undefined':
      out.u8(TAG.undefined)
      break
    case 'bigint':
      out.u8(TAG.bigint)
      out.bytes(bigintCodec.encode(value))
      break
    case 'object':
      if (value === null) out.u8(TAG.null)
      else writeReference(out, value, book, depth)
      break
    default:
      throw mismatch('', 'a value that can be encoded', value)
  }
}

function writeNumber(out: ByteWriter, value: number): void {
  if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
    out.u8(TAG.int)
    out.zigzag(value)
  } else {
    out.u8(TAG.float)
    out.f64(value)
  }
}

function writeReference(out: ByteWriter, value: object, book: ShapeBook | undefined, depth: number): void {
  if (depth === ANY_DEPTH_MAX) throw mismatch('', `at most ${ANY_DEPTH_MAX} levels of nesting`, value)
  if (Object.getPrototypeOf(value) === Object.prototype) writeObject(out, value as PlainObject, book, depth)
  else if (Array.isArray(value)) writeItems(out, TAG.list, value, book, depth)
  else if (value instanceof Map) writeMap(out, value, book, depth)
  else if (value instanceof Set) writeItems(out, TAG.set, Array.from(value), book, depth)
  else if (value instanceof Date) writeDate(out, value)
  else if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) writeBinary(out, value)
  else if (value instanceof RegExp) writeRegExp(out, value)
  else if (value instanceof Error) writeError(out, value, book, depth)
  else if (hasToJson(value)) writeAny(out, value.toJSON(), book, depth + 1)
  else writeObject(out, value as PlainObject, book, depth)
}

function writeObject(out: ByteWriter, value: PlainObject, book: ShapeBook | undefined, depth: number): void {
  const names = Object.keys(value)
  const shape = book === undefined ? -1 : book.numberOf(names)
  let i = 0
  try {
    if (shape >= 0) {
      out.u8(TAG.shaped)
      out.varint(shape)
      for (; i < names.length; i++) writeAny(out, value[names[i]!], book, depth + 1)
    } else {
      out.u8(TAG.object)
      out.varint(names.length)
      for (; i < names.length; i++) {
        out.text(names[i]!)
        writeAny(out, value[names[i]!], book, depth + 1)
      }
    }
  } catch (thrown) {
    throw mismatchAt(names[i] ?? '', thrown)
  }
}

function writeItems(
  out: ByteWriter,
  tag: number,
  items: readonly unknown[],
  book: ShapeBook | undefined,
  depth: number,
): void {
  out.u8(tag)
  out.varint(items.length)
  let i = 0
  try {
    for (; i < items.length; i++) writeAny(out, items[i], book, depth + 1)
  } catch (thrown) {
    throw mismatchAt(`[${i}]`, thrown)
  }
}

function writeMap(
  out: ByteWriter,
  map: ReadonlyMap<unknown, unknown>,
  book: ShapeBook | undefined,
  depth: number,
): void {
  out.u8(TAG.map)
  out.varint(map.size)
  try {
    for (const [key, value] of map) {
      writeAny(out, key, book, depth + 1)
      writeAny(out, value, book, depth + 1)
    }
  } catch (thrown) {
    throw mismatchAt('{entry}', thrown)
  }
}

function writeDate(out: ByteWriter, date: Date): void {
  out.u8(TAG.date)
  out.f64(date.getTime())
}

function writeBinary(out: ByteWriter, value: ArrayBufferView | ArrayBuffer): void {
  if (value instanceof Uint8Array) {
    out.u8(TAG.bytes)
    out.bytes(value)
    return
  }
  out.u8(TAG.binary)
  out.u8(BINARY_CLASSES.findIndex((each) => value instanceof each))
  out.bytes(
    value instanceof ArrayBuffer
      ? new Uint8Array(value)
      : new Uint8Array(value.buffer, value.byteOffset, value.byteLength),
  )
}

function writeRegExp(out: ByteWriter, value: RegExp): void {
  out.u8(TAG.regExp)
  out.text(value.source)
  out.text(value.flags)
}

function writeError(out: ByteWriter, error: Error, book: ShapeBook | undefined, depth: number): void {
  out.u8(TAG.error)
  out.text(String(error.name))
  out.text(String(error.message))
  try {
    writeAny(out, error.cause, book, depth + 1)
  } catch (thrown) {
    throw mismatchAt('cause', thrown)
  }
}

function hasToJson(value: object): value is { toJSON(): unknown } {
  return 'toJSON' in value && typeof value.toJSON === 'function'
}
