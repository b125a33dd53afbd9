/**
 * Generates the row codec of a schema: one value after the other, self-delimiting, for keyed state and
 * anything else that is read one at a time. code.ts says why code.
 *
 * Format: string = text (byte-writer.ts), int32 and int64 = zigzag varint, float64 and timestamp = float64,
 * boolean and presence = one byte, literal and union tag = varint index, list and map = varint count and the
 * elements, bytes, bigint and Avro = varint length and the bytes, any = any-format.ts; objects and tuples are
 * their parts.
 */
import type { ByteReader } from '../base/byte-reader.ts'
import { readAnyRow, writeAnyRow } from './any-column.ts'
import { avroCodec } from './avro-codec.ts'
import { bigintCodec } from './bigint-codec.ts'
import type { ByteCodec } from './byte-codec.ts'
import { emitCheck, emitIndexOf } from './check-code.ts'
import { Code, key, PathCode, property, quote } from './code.ts'
import { mismatchAt } from './mismatch.ts'
import type { FieldSchema, PrimitiveKind, Schema, SchemaOf } from './schema.ts'
import { isEmptyShape, MAP_SIZE_MAX } from './schema-size.ts'
import type { RowCodec } from './type.ts'

const SCALAR_WRITES: Record<Exclude<PrimitiveKind, 'any' | 'bigint'>, (value: string) => string> = {
  string: (value) => `out.text(${value})`,
  boolean: (value) => `out.u8(${value} ? 1 : 0)`,
  int32: (value) => `out.zigzag(${value})`,
  int64: (value) => `out.zigzag(${value})`,
  float64: (value) => `out.f64(${value})`,
  timestamp: (value) => `out.f64(${value} + 0)`,
  bytes: (value) => `out.bytes(${value})`,
}

export function generateRowCodec<T>(schema: Schema): RowCodec<T> {
  const writing = new RowWriterGenerator()
  const reading = new RowReaderGenerator()
  return { write: writing.generate<T>(schema), read: reading.generate<T>(schema) }
}

class RowWriterGenerator {
  readonly #code = new Code()

  generate<T>(schema: Schema): RowCodec<T>['write'] {
    this.#emit(schema, 'v', PathCode.root)
    const body = this.#code.take()
    return this.#code.evaluate(`function write(out, v) {\n${body}\n}`)
  }

  #emit(schema: Schema, value: string, path: PathCode): void {
    emitCheck(this.#code, schema, value, path)
    switch (schema.kind) {
      case 'literal':
        this.#code.line(`out.varint(${emitIndexOf(this.#code, schema.values, value, path)})`)
        break
      case 'nullable':
        this.#emitPresence(value, 'null', () => this.#emit(schema.of, value, path))
        break
      case 'list':
        this.#emitList(schema, value, path)
        break
      case 'map':
        this.#emitMap(schema, value, path)
        break
      case 'tuple':
        this.#emitTuple(schema, value, path)
        break
      case 'object':
        this.#emitFields(schema.fields, value, path)
        break
      case 'union':
        this.#emitUnion(schema, value, path)
        break
      case 'bigint':
        this.#emitOpaque(bigintCodec, value, path)
        break
      case 'any':
        this.#emitTry(`${this.#code.constant(writeAnyRow)}(out, ${value})`, path)
        break
      case 'avro':
        this.#emitOpaque(avroCodec(schema.schema), value, path)
        break
      default:
        this.#code.line(SCALAR_WRITES[schema.kind](value))
    }
  }

  #emitOpaque<T>(codec: ByteCodec<T>, value: string, path: PathCode): void {
    this.#emitTry(`out.bytes(${this.#code.constant(codec)}.encode(${value}))`, path)
  }

  /** What checks the value by itself and does not know its path. */
  #emitTry(write: string, path: PathCode): void {
    const rethrow = `throw ${this.#code.constant(mismatchAt)}(${path.expression}, e)`
    this.#code.line(`try { ${write} } catch (e) { ${rethrow} }`)
  }

  #emitPresence(value: string, absent: 'null' | 'undefined', emitPresent: () => void): void {
    this.#code.line(`if (${value} === ${absent}) out.u8(0)`)
    this.#code.line('else {\nout.u8(1)')
    emitPresent()
    this.#code.line('}')
  }

  #emitList(schema: SchemaOf<'list'>, value: string, path: PathCode): void {
    const [length, index, element] = [this.#code.fresh(), this.#code.fresh(), this.#code.fresh()]
    this.#code.line(`const ${length} = ${value}.length`)
    this.#code.line(`out.varint(${length})`)
    this.#code.line(`for (let ${index} = 0; ${index} < ${length}; ${index}++) {`)
    this.#code.line(`const ${element} = ${value}[${index}]`)
    if (isEmptyShape(schema.element)) this.#code.line('out.u8(0)')
    this.#emit(schema.element, element, path.item(index))
    this.#code.line('}')
  }

  #emitMap(schema: SchemaOf<'map'>, value: string, path: PathCode): void {
    const [mapKey, item] = [this.#code.fresh(), this.#code.fresh()]
    this.#code.line(`out.varint(${value}.size)`)
    this.#code.line(`for (const [${mapKey}, ${item}] of ${value}) {`)
    if (isEmptyShape(schema.key) && isEmptyShape(schema.value)) this.#code.line('out.u8(0)')
    this.#emit(schema.key, mapKey, path.part('key'))
    this.#emit(schema.value, item, path.part('value'))
    this.#code.line('}')
  }

  #emitTuple(schema: SchemaOf<'tuple'>, value: string, path: PathCode): void {
    for (const [i, element] of schema.elements.entries()) {
      const variable = this.#code.fresh()
      this.#code.line(`const ${variable} = ${value}[${i}]`)
      this.#emit(element, variable, path.item(String(i)))
    }
  }

  #emitFields(fields: readonly FieldSchema[], value: string, path: PathCode): void {
    for (const field of fields) {
      const variable = this.#code.fresh()
      this.#code.line(`const ${variable} = ${property(value, field.name)}`)
      const emitPresent = () => this.#emit(field.schema, variable, path.field(field.name))
      if (field.isOptional === true) this.#emitPresence(variable, 'undefined', emitPresent)
      else emitPresent()
    }
  }

  #emitUnion(schema: SchemaOf<'union'>, value: string, path: PathCode): void {
    const tag = this.#code.fresh()
    this.#code.line(`const ${tag} = ${property(value, schema.tag)}`)
    const tags = schema.variants.map((variant) => variant.name)
    const index = emitIndexOf(this.#code, tags, tag, path.field(schema.tag))
    this.#code.line(`out.varint(${index})`)
    this.#code.line(`switch (${index}) {`)
    for (const [i, variant] of schema.variants.entries()) {
      this.#code.line(`case ${i}: {`)
      this.#emitFields(variant.fields, value, path)
      this.#code.line('break\n}')
    }
    this.#code.line('}')
  }
}

class RowReaderGenerator {
  readonly #code = new Code()

  generate<T>(schema: Schema): RowCodec<T>['read'] {
    const value = this.#emit(schema)
    const body = this.#code.take()
    return this.#code.evaluate(`function read(input) {\n${body}\nreturn ${value}\n}`)
  }

  /** Emits what reads a value and returns the variable that holds it: reading has to happen in order. */
  #emit(schema: Schema): string {
    switch (schema.kind) {
      case 'string':
        return this.#hold('input.text()')
      case 'boolean':
        return this.#hold('input.u8() === 1')
      case 'int32':
        return this.#hold(`${this.#code.constant(readInt32)}(input)`)
      case 'int64':
        return this.#hold('input.zigzag()')
      case 'timestamp':
        return this.#hold(`${this.#code.constant(readTimestamp)}(input)`)
      case 'float64':
        return this.#hold('input.f64()')
      case 'bytes':
        return this.#hold('input.bytes()')
      case 'bigint':
        return this.#emitOpaque(bigintCodec)
      case 'any':
        return this.#hold(`${this.#code.constant(readAnyRow)}(input)`)
      case 'avro':
        return this.#emitOpaque(avroCodec(schema.schema))
      case 'literal':
        return this.#hold(`${this.#code.constant(schema.values)}[${this.#emitIndex(schema.values.length)}]`)
      case 'nullable':
        return this.#emitPresence('null', schema.of)
      case 'list':
        return this.#emitList(schema)
      case 'map':
        return this.#emitMap(schema)
      case 'tuple':
        return this.#hold(`[${schema.elements.map((element) => this.#emit(element)).join(', ')}]`)
      case 'object':
        return this.#hold(`{ ${this.#emitFields(schema.fields).join(', ')} }`)
      case 'union':
        return this.#emitUnion(schema)
    }
  }

  #hold(expression: string): string {
    const name = this.#code.fresh()
    this.#code.line(`const ${name} = ${expression}`)
    return name
  }

  #emitOpaque<T>(codec: ByteCodec<T>): string {
    return this.#hold(`${this.#code.constant(codec)}.decode(input.view(input.count()))`)
  }

  #emitIndex(choices: number): string {
    return this.#hold(`${this.#code.constant(readIndex)}(input, ${choices})`)
  }

  #emitPresence(absent: 'null' | 'undefined', schema: Schema): string {
    const result = this.#code.fresh()
    this.#code.line(`let ${result} = ${absent}`)
    this.#code.line('if (input.u8() === 1) {')
    this.#code.line(`${result} = ${this.#emit(schema)}\n}`)
    return result
  }

  #emitList(schema: SchemaOf<'list'>): string {
    const [list, left] = [this.#hold('[]'), this.#code.fresh()]
    this.#code.line(`for (let ${left} = input.count(); ${left} > 0; ${left}--) {`)
    if (isEmptyShape(schema.element)) this.#code.line('input.skip(1)')
    this.#code.line(`${list}.push(${this.#emit(schema.element)})\n}`)
    return list
  }

  #emitMap(schema: SchemaOf<'map'>): string {
    const [map, left] = [this.#hold('new Map()'), this.#code.fresh()]
    this.#code.line(
      `for (let ${left} = ${this.#code.constant(readMapSize)}(input); ${left} > 0; ${left}--) {`,
    )
    if (isEmptyShape(schema.key) && isEmptyShape(schema.value)) this.#code.line('input.skip(1)')
    const mapKey = this.#emit(schema.key)
    this.#code.line(`${map}.set(${mapKey}, ${this.#emit(schema.value)})\n}`)
    return map
  }

  /** Each `name: value`. */
  #emitFields(fields: readonly FieldSchema[]): string[] {
    return fields.map((field) => {
      const value =
        field.isOptional === true ? this.#emitPresence('undefined', field.schema) : this.#emit(field.schema)
      return `${key(field.name)}: ${value}`
    })
  }

  #emitUnion(schema: SchemaOf<'union'>): string {
    const index = this.#emitIndex(schema.variants.length)
    const result = this.#code.fresh()
    this.#code.line(`let ${result}`)
    this.#code.line(`switch (${index}) {`)
    for (const [i, variant] of schema.variants.entries()) {
      this.#code.line(`case ${i}: {`)
      const fields = [`${key(schema.tag)}: ${quote(variant.name)}`, ...this.#emitFields(variant.fields)]
      this.#code.line(`${result} = { ${fields.join(', ')} }\nbreak\n}`)
    }
    this.#code.line('}')
    return result
  }
}

function readInt32(input: ByteReader): number {
  const value = input.zigzag()
  return (value | 0) === value ? value : input.fail(`expected an int32, found ${value}`)
}

function readTimestamp(input: ByteReader): number {
  const value = input.f64()
  return Number.isSafeInteger(value) ? value + 0 : input.fail(`expected a timestamp, found ${value}`)
}

function readIndex(input: ByteReader, choices: number): number {
  const index = input.varint()
  return index < choices ? index : input.fail(`expected one of ${choices} choices, found ${index}`)
}

function readMapSize(input: ByteReader): number {
  const size = input.count()
  return size <= MAP_SIZE_MAX ? size : input.fail(`expected at most ${MAP_SIZE_MAX} entries, found ${size}`)
}
