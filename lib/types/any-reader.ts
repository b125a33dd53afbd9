/** Reads values of unknown shape from bytes nobody vouches for: any-format.ts says what and how. */
import type { ByteReader } from '../base/byte-reader.ts'
import {
  ANY_DEPTH_MAX,
  BINARY_CLASSES,
  ERROR_CLASSES,
  SHAPE_FIELDS_MAX,
  SHAPES_MAX,
  TAG,
} from './any-format.ts'
import { bigintCodec } from './bigint-codec.ts'
import { Code, key } from './code.ts'
import { MAP_SIZE_MAX } from './schema-size.ts'

/** Makes an object from the values that follow. */
export type ShapeReader = (input: ByteReader, shapes: readonly ShapeReader[], depth: number) => object

/** One value. `shapes` are those listed in front of its batch. Throws DECODE_FAILED. */
export function readAny(input: ByteReader, shapes: readonly ShapeReader[], depth = 0): unknown {
  const tag = input.u8()
  switch (tag) {
    case TAG.undefined:
      return undefined
    case TAG.null:
      return null
    case TAG.false:
      return false
    case TAG.true:
      return true
    case TAG.int:
      return input.zigzag()
    case TAG.float:
      return input.f64()
    case TAG.string:
      return input.text()
    case TAG.bigint:
      return bigintCodec.decode(input.view(input.count()))
    case TAG.date:
      return new Date(input.f64())
    case TAG.bytes:
      return input.bytes()
    case TAG.binary:
      return readBinary(input)
    case TAG.regExp:
      return readRegExp(input)
    default:
      if (depth === ANY_DEPTH_MAX) input.fail(`expected at most ${ANY_DEPTH_MAX} levels of nesting`)
      return readContainer(tag, input, shapes, depth + 1)
  }
}

function readContainer(
  tag: number,
  input: ByteReader,
  shapes: readonly ShapeReader[],
  depth: number,
): unknown {
  switch (tag) {
    case TAG.shaped: {
      const number = input.varint()
      const shape = shapes[number]
      if (shape === undefined) return input.fail(`expected one of ${shapes.length} shapes, found ${number}`)
      return shape(input, shapes, depth)
    }
    case TAG.object:
      return readObject(input, shapes, depth)
    case TAG.list:
      return readItems(input, shapes, depth)
    case TAG.set:
      return readSet(input, shapes, depth)
    case TAG.map:
      return readMap(input, shapes, depth)
    case TAG.error:
      return readError(input, shapes, depth)
    default:
      return input.fail(`expected the tag of a value, found ${tag}`)
  }
}

function readObject(input: ByteReader, shapes: readonly ShapeReader[], depth: number): object {
  const object: Record<string, unknown> = {}
  for (let left = input.count(); left > 0; left--) {
    const name = input.text()
    const value = readAny(input, shapes, depth)
    if (name === '__proto__') defineField(object, name, value)
    else object[name] = value
  }
  return object
}

/** A field even if assigning to the name would do something else. */
function defineField(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
}

function readItems(input: ByteReader, shapes: readonly ShapeReader[], depth: number): unknown[] {
  const items: unknown[] = []
  for (let left = input.count(); left > 0; left--) items.push(readAny(input, shapes, depth))
  return items
}

function readSet(input: ByteReader, shapes: readonly ShapeReader[], depth: number): Set<unknown> {
  const set = new Set<unknown>()
  for (let left = readSize(input); left > 0; left--) set.add(readAny(input, shapes, depth))
  return set
}

function readMap(input: ByteReader, shapes: readonly ShapeReader[], depth: number): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>()
  for (let left = readSize(input); left > 0; left--) {
    const mapKey = readAny(input, shapes, depth)
    map.set(mapKey, readAny(input, shapes, depth))
  }
  return map
}

function readSize(input: ByteReader): number {
  const size = input.count()
  return size <= MAP_SIZE_MAX ? size : input.fail(`expected at most ${MAP_SIZE_MAX} entries, found ${size}`)
}

function readBinary(input: ByteReader): object {
  const number = input.u8()
  const Class = BINARY_CLASSES[number]
  if (Class === undefined) return input.fail(`expected a class of binary data, found ${number}`)
  const { buffer } = input.bytes()
  if (Class === ArrayBuffer) return buffer
  if ('BYTES_PER_ELEMENT' in Class && buffer.byteLength % Class.BYTES_PER_ELEMENT !== 0) {
    input.fail(`expected whole elements of ${Class.name}`)
  }
  return new (Class as new (buffer: ArrayBuffer) => object)(buffer)
}

function readRegExp(input: ByteReader): RegExp {
  const source = input.text()
  const flags = input.text()
  try {
    return new RegExp(source, flags)
  } catch {
    return input.fail('expected a regular expression')
  }
}

function readError(input: ByteReader, shapes: readonly ShapeReader[], depth: number): Error {
  const name = input.text()
  const message = input.text()
  const cause = readAny(input, shapes, depth)
  const Class = ERROR_CLASSES.get(name)
  const error = new (Class ?? Error)(message, cause === undefined ? undefined : { cause })
  if (Class === undefined) defineField(error, 'name', name)
  return error
}

/** Shapes for which code is kept; at the bound all of it is dropped and made again as needed. */
const KEPT_SHAPES_MAX = 1024

/**
 * Reads the shapes in front of a batch and makes a reader for each: an object literal, so that all objects of
 * a shape have one hidden class. Batches of a channel mostly have the same shapes, so readers are kept.
 */
export class ShapeLibrary {
  readonly #kept = new Map<string, ShapeReader>()

  read(input: ByteReader): ShapeReader[] {
    const count = input.varint()
    if (count > SHAPES_MAX) input.fail(`expected at most ${SHAPES_MAX} shapes of objects, found ${count}`)
    const shapes: ShapeReader[] = []
    for (let i = 0; i < count; i++) shapes.push(this.#readShape(input))
    return shapes
  }

  #readShape(input: ByteReader): ShapeReader {
    const size = input.varint()
    if (size > SHAPE_FIELDS_MAX)
      input.fail(`expected at most ${SHAPE_FIELDS_MAX} fields of a shape, found ${size}`)
    const names: string[] = []
    for (let i = 0; i < size; i++) names.push(input.text())
    const id = JSON.stringify(names)
    let reader = this.#kept.get(id)
    if (reader === undefined) {
      reader = generateShapeReader(names)
      if (this.#kept.size === KEPT_SHAPES_MAX) this.#kept.clear()
      this.#kept.set(id, reader)
    }
    return reader
  }
}

function generateShapeReader(names: readonly string[]): ShapeReader {
  const code = new Code()
  const read = code.constant(readAny)
  // A computed name is a field even if it is `__proto__`.
  const fields = names.map(
    (name) => `${name === '__proto__' ? '["__proto__"]' : key(name)}: ${read}(input, shapes, depth)`,
  )
  return code.evaluate(`(input, shapes, depth) => ({ ${fields.join(', ')} })`)
}
