/**
 * Generates the columnar batch encoder of a schema (code.ts says why code, column.ts what a batch is).
 *
 * Scopes: the columns of a record's fields, nested objects and tuples included, have one value per record. A
 * list, map, optional or nullable value or union variant opens a scope of its own, whose columns have one value
 * per element, entry, present value or object of that variant. The counts of nested scopes follow from the
 * columns around them, so only the number of records travels beside a batch.
 *
 * The format is the columns in the order in which this file numbers them: a parent before its parts, fields in
 * declaration order. batch-decoder-code.ts numbers them alike.
 */
import { AnyColumnWriter } from './any-column.ts'
import { avroCodec } from './avro-codec.ts'
import { bigintCodec } from './bigint-codec.ts'
import { BitColumnWriter } from './bit-column.ts'
import { type ByteCodec, bytesCodec } from './byte-codec.ts'
import { emitCheck, emitIndexOf } from './check-code.ts'
import { Code, PathCode, property } from './code.ts'
import { CodecColumnWriter } from './codec-column.ts'
import type { ColumnWriter } from './column.ts'
import { FloatColumnWriter } from './float-column.ts'
import { IntColumnWriter } from './int-column.ts'
import { mismatchAt } from './mismatch.ts'
import type { FieldSchema, PrimitiveKind, Schema, SchemaOf } from './schema.ts'
import { minimumBits } from './schema-size.ts'
import { StringColumnWriter } from './string-column.ts'
import type { BatchEncoder } from './type.ts'
import { UintColumnWriter } from './uint-column.ts'

type Opener = () => ColumnWriter

const openUint: Opener = () => new UintColumnWriter()
const openBit: Opener = () => new BitColumnWriter()
const openAny: Opener = () => new AnyColumnWriter()

const SCALAR_COLUMNS: Record<Exclude<PrimitiveKind, 'any'>, Opener> = {
  string: () => new StringColumnWriter(),
  boolean: openBit,
  int32: () => new IntColumnWriter(),
  int64: () => new IntColumnWriter(),
  float64: () => new FloatColumnWriter(),
  bigint: openCodec(bigintCodec),
  timestamp: () => new IntColumnWriter(),
  bytes: openCodec(bytesCodec),
}

/** A class of encoders for values of `schema`; each instance has columns of its own. */
export function generateBatchEncoder<T>(schema: Schema): new () => BatchEncoder<T> {
  return new EncoderGenerator().generate(schema)
}

class EncoderGenerator {
  readonly #code = new Code()
  readonly #openers: Opener[] = []

  generate<T>(schema: Schema): new () => BatchEncoder<T> {
    this.#emit(schema, 'v', PathCode.root)
    const body = this.#code.take()
    const columns = this.#openers.map((_, i) => `this.c${i}`)
    const each = (call: string) => columns.map((column) => `${column}.${call}`).join('\n')
    const opened = this.#openers.map((open, i) => `this.c${i} = ${this.#code.constant(open)}()`).join('\n')
    const sizes = columns.map((column) => `${column}.byteLength`).join(' + ') || '0'
    return this.#code.evaluate(`class {
      constructor() {\nthis.count = 0\n${opened}\n}
      write(v) {\n${body}\nthis.count++\n}
      get byteLength() { return ${sizes} }
      finish(out) {\n${each('finish(out)')}\nthis.count = 0\n}
      reset() {\n${each('reset()')}\nthis.count = 0\n}
    }`)
  }

  /** Emits what appends the value in variable `value` to its columns. */
  #emit(schema: Schema, value: string, path: PathCode): void {
    emitCheck(this.#code, schema, value, path)
    switch (schema.kind) {
      case 'literal':
        this.#push(openUint, emitIndexOf(this.#code, schema.values, value, path))
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
      case 'any':
        this.#pushOpaque(openAny, value, path)
        break
      case 'avro':
        this.#pushOpaque(openCodec(avroCodec(schema.schema)), value, path)
        break
      default:
        this.#push(SCALAR_COLUMNS[schema.kind], value)
    }
  }

  #column(open: Opener): string {
    return `this.c${this.#openers.push(open) - 1}`
  }

  #push(open: Opener, expression: string): void {
    this.#code.line(`${this.#column(open)}.push(${expression})`)
  }

  /** A value whose own codec checks it and does not know its path. */
  #pushOpaque(open: Opener, value: string, path: PathCode): void {
    const rethrow = `throw ${this.#code.constant(mismatchAt)}(${path.expression}, e)`
    this.#code.line(`try { ${this.#column(open)}.push(${value}) } catch (e) { ${rethrow} }`)
  }

  /** Every element takes a byte at least, so that a decoder can tell a count that cannot be true. */
  #fillElement(bits: number): void {
    if (bits < 8) this.#push(openUint, '0')
  }

  #emitPresence(value: string, absent: 'null' | 'undefined', emitPresent: () => void): void {
    const column = this.#column(openBit)
    this.#code.line(`if (${value} === ${absent}) ${column}.push(false)`)
    this.#code.line(`else {\n${column}.push(true)`)
    emitPresent()
    this.#code.line('}')
  }

  #emitList(schema: SchemaOf<'list'>, value: string, path: PathCode): void {
    const [length, index, element] = [this.#code.fresh(), this.#code.fresh(), this.#code.fresh()]
    this.#code.line(`const ${length} = ${value}.length`)
    this.#push(openUint, length)
    this.#code.line(`for (let ${index} = 0; ${index} < ${length}; ${index}++) {`)
    this.#code.line(`const ${element} = ${value}[${index}]`)
    this.#fillElement(minimumBits(schema.element))
    this.#emit(schema.element, element, path.item(index))
    this.#code.line('}')
  }

  #emitMap(schema: SchemaOf<'map'>, value: string, path: PathCode): void {
    const [key, item] = [this.#code.fresh(), this.#code.fresh()]
    this.#push(openUint, `${value}.size`)
    this.#code.line(`for (const [${key}, ${item}] of ${value}) {`)
    this.#fillElement(minimumBits(schema.key) + minimumBits(schema.value))
    this.#emit(schema.key, key, path.part('key'))
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
    this.#push(openUint, index)
    this.#code.line(`switch (${index}) {`)
    for (const [i, variant] of schema.variants.entries()) {
      this.#code.line(`case ${i}: {`)
      this.#emitFields(variant.fields, value, path)
      this.#code.line('break\n}')
    }
    this.#code.line('}')
  }
}

function openCodec<T>(codec: ByteCodec<T>): Opener {
  return () => new CodecColumnWriter(codec)
}
