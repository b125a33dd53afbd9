/**
 * Generates the columnar batch decoder of a schema: first all columns are loaded, each checked as a whole, then
 * one loop over the records puts them together. Object literals with the fields in declaration order, so that
 * all records have one hidden class. batch-encoder-code.ts explains scopes and the order of columns.
 *
 * Loading checks every length, count and index, so that in the loop only opaque values (any, Avro, bigint) can
 * still turn out not to be any.
 */
import { AnyColumnReader } from './any-column.ts'
import { avroCodec } from './avro-codec.ts'
import { bigintCodec } from './bigint-codec.ts'
import { BitColumnReader } from './bit-column.ts'
import { type ByteCodec, bytesCodec } from './byte-codec.ts'
import { Code, key, quote } from './code.ts'
import { CodecColumnReader } from './codec-column.ts'
import type { ColumnReader } from './column.ts'
import { FloatColumnReader } from './float-column.ts'
import { INT32, IntColumnReader, SAFE_INTEGER } from './int-column.ts'
import type { FieldSchema, Schema, SchemaOf } from './schema.ts'
import { LIST_LENGTH_MAX, MAP_SIZE_MAX, minimumBits } from './schema-size.ts'
import { StringColumnReader } from './string-column.ts'
import type { BatchDecoder } from './type.ts'
import { UintColumnReader } from './uint-column.ts'

type Opener = () => ColumnReader

const openUint: Opener = () => new UintColumnReader()
const openBit: Opener = () => new BitColumnReader()

/** A class of decoders for values of `schema`; each instance has columns of its own. */
export function generateBatchDecoder<T>(schema: Schema): new () => BatchDecoder<T> {
  return new DecoderGenerator().generate(schema)
}

/**
 * A part of the type once its columns are numbered: emits statements that need to come first and returns the
 * expression of the part's value. `index` is the variable that counts in the part's scope.
 */
type EmitRead = (index: string) => string

class DecoderGenerator {
  readonly #code = new Code()
  readonly #openers: Opener[] = []

  generate<T>(schema: Schema): new () => BatchDecoder<T> {
    const emitRead = this.#emitLoad(schema, 'count')
    const loading = this.#code.take()
    const value = emitRead('i')
    const reading = this.#code.take()
    const columns = this.#openers.map((_, i) => `c${i}`)
    const opened = this.#openers.map((open, i) => `this.c${i} = ${this.#code.constant(open)}()`).join('\n')
    return this.#code.evaluate(`class {
      constructor() {\n${opened}\n}
      decode(input, count, into) {
        const { ${columns.join(', ')} } = this
        ${loading}
        for (let i = 0; i < count; i++) {\n${reading}\ninto[i] = ${value}\n}
        ${columns.map((column) => `${column}.release()`).join('\n')}
      }
    }`)
  }

  /** Emits what loads the columns of `schema` with `count` values each, and prepares reading from them. */
  #emitLoad(schema: Schema, count: string): EmitRead {
    switch (schema.kind) {
      case 'string':
        return this.#loadStrings(count)
      case 'boolean': {
        const values = this.#loadValues(openBit, count)
        return (index) => `${values}[${index}] === 1`
      }
      case 'int32':
        return this.#loadNumbers(() => new IntColumnReader(INT32), count)
      case 'int64':
      case 'timestamp':
        return this.#loadNumbers(() => new IntColumnReader(SAFE_INTEGER), count)
      case 'float64':
        return this.#loadNumbers(() => new FloatColumnReader(), count)
      case 'bytes':
        return this.#loadOpaque(openCodec(bytesCodec), count)
      case 'bigint':
        return this.#loadOpaque(openCodec(bigintCodec), count)
      case 'any':
        return this.#loadOpaque(() => new AnyColumnReader(), count)
      case 'avro':
        return this.#loadOpaque(openCodec(avroCodec(schema.schema)), count)
      case 'literal':
        return this.#loadLiterals(schema, count)
      case 'nullable':
        return this.#loadPresence('null', schema.of, count)
      case 'list':
        return this.#loadList(schema, count)
      case 'map':
        return this.#loadMap(schema, count)
      case 'tuple':
        return this.#loadTuple(schema, count)
      case 'object':
        return this.#loadObject(schema, count)
      case 'union':
        return this.#loadUnion(schema, count)
    }
  }

  #column(open: Opener): string {
    return `c${this.#openers.push(open) - 1}`
  }

  /** A variable for something of a column that stays the same while records are read. */
  #hoist(expression: string): string {
    const name = this.#code.fresh()
    this.#code.line(`const ${name} = ${expression}`)
    return name
  }

  /** A variable that counts through a scope. */
  #cursor(): string {
    const name = this.#code.fresh()
    this.#code.line(`let ${name} = 0`)
    return name
  }

  #loadValues(open: Opener, count: string): string {
    const column = this.#column(open)
    this.#code.line(`${column}.load(input, ${count})`)
    return this.#hoist(`${column}.values`)
  }

  #loadNumbers(open: Opener, count: string): EmitRead {
    const values = this.#loadValues(open, count)
    return (index) => `${values}[${index}]`
  }

  #loadStrings(count: string): EmitRead {
    const column = this.#column(() => new StringColumnReader())
    this.#code.line(`${column}.load(input, ${count})`)
    const [heap, lengths, at] = [
      this.#hoist(`${column}.heap`),
      this.#hoist(`${column}.lengths`),
      this.#cursor(),
    ]
    return (index) => `${heap}.substring(${at}, ${at} += ${lengths}[${index}])`
  }

  #loadOpaque(open: Opener, count: string): EmitRead {
    const column = this.#column(open)
    this.#code.line(`${column}.load(input, ${count})`)
    return () => `${column}.next()`
  }

  #loadLiterals(schema: SchemaOf<'literal'>, count: string): EmitRead {
    const column = this.#column(openUint)
    this.#code.line(`${column}.loadIndices(input, ${count}, ${schema.values.length})`)
    const indices = this.#hoist(`${column}.values`)
    const values = this.#code.constant(schema.values)
    return (index) => `${values}[${indices}[${index}]]`
  }

  #loadPresence(absent: 'null' | 'undefined', schema: Schema, count: string): EmitRead {
    const column = this.#column(openBit)
    this.#code.line(`${column}.load(input, ${count})`)
    const [bits, ones, cursor] = [
      this.#hoist(`${column}.values`),
      this.#hoist(`${column}.ones`),
      this.#cursor(),
    ]
    const emitRead = this.#emitLoad(schema, ones)
    return (index) => {
      const result = this.#code.fresh()
      this.#code.line(`let ${result} = ${absent}`)
      this.#code.line(`if (${bits}[${index}] === 1) {`)
      this.#code.line(`${result} = ${emitRead(cursor)}`)
      this.#code.line(`${cursor}++\n}`)
      return result
    }
  }

  #loadList(schema: SchemaOf<'list'>, count: string): EmitRead {
    const { counts, sum, cursor } = this.#loadCounts(count, LIST_LENGTH_MAX)
    if (minimumBits(schema.element) < 8) this.#loadValues(openUint, sum)
    const emitRead = this.#emitLoad(schema.element, sum)
    return (index) => {
      const [list, left] = [this.#code.fresh(), this.#code.fresh()]
      this.#code.line(`const ${list} = []`)
      this.#code.line(`for (let ${left} = ${counts}[${index}]; ${left} > 0; ${left}--) {`)
      this.#code.line(`${list}.push(${emitRead(cursor)})`)
      this.#code.line(`${cursor}++\n}`)
      return list
    }
  }

  #loadMap(schema: SchemaOf<'map'>, count: string): EmitRead {
    const { counts, sum, cursor } = this.#loadCounts(count, MAP_SIZE_MAX)
    if (minimumBits(schema.key) + minimumBits(schema.value) < 8) this.#loadValues(openUint, sum)
    const emitKey = this.#emitLoad(schema.key, sum)
    const emitValue = this.#emitLoad(schema.value, sum)
    return (index) => {
      const [map, left] = [this.#code.fresh(), this.#code.fresh()]
      this.#code.line(`const ${map} = new Map()`)
      this.#code.line(`for (let ${left} = ${counts}[${index}]; ${left} > 0; ${left}--) {`)
      const mapKey = emitKey(cursor)
      this.#code.line(`${map}.set(${mapKey}, ${emitValue(cursor)})`)
      this.#code.line(`${cursor}++\n}`)
      return map
    }
  }

  #loadCounts(count: string, max: number): { counts: string; sum: string; cursor: string } {
    const column = this.#column(openUint)
    this.#code.line(`${column}.loadCounts(input, ${count}, ${max})`)
    return {
      counts: this.#hoist(`${column}.values`),
      sum: this.#hoist(`${column}.sum`),
      cursor: this.#cursor(),
    }
  }

  #loadTuple(schema: SchemaOf<'tuple'>, count: string): EmitRead {
    const emitters = schema.elements.map((element) => this.#emitLoad(element, count))
    return (index) => `[${emitters.map((emitRead) => emitRead(index)).join(', ')}]`
  }

  #loadObject(schema: SchemaOf<'object'>, count: string): EmitRead {
    const emitters = this.#loadFields(schema.fields, count)
    return (index) => `({ ${emitters.map((emitRead) => emitRead(index)).join(', ')} })`
  }

  /** Each yields `name: value`. */
  #loadFields(fields: readonly FieldSchema[], count: string): EmitRead[] {
    return fields.map((field) => {
      const emitRead =
        field.isOptional === true
          ? this.#loadPresence('undefined', field.schema, count)
          : this.#emitLoad(field.schema, count)
      return (index) => `${key(field.name)}: ${emitRead(index)}`
    })
  }

  #loadUnion(schema: SchemaOf<'union'>, count: string): EmitRead {
    const column = this.#column(openUint)
    const choices = schema.variants.length
    this.#code.line(`${column}.loadIndices(input, ${count}, ${choices})`)
    const indices = this.#hoist(`${column}.values`)
    const tally = this.#hoist(`${column}.tally(${count}, ${choices})`)
    const variants = schema.variants.map((variant, i) => {
      const cursor = this.#cursor()
      return { cursor, name: variant.name, emitters: this.#loadFields(variant.fields, `${tally}[${i}]`) }
    })
    return (index) => {
      const result = this.#code.fresh()
      this.#code.line(`let ${result}`)
      this.#code.line(`switch (${indices}[${index}]) {`)
      for (const [i, { cursor, name, emitters }] of variants.entries()) {
        this.#code.line(`case ${i}: {`)
        const tag = `${key(schema.tag)}: ${quote(name)}`
        const fields = [tag, ...emitters.map((emitRead) => emitRead(cursor))].join(', ')
        this.#code.line(`${result} = { ${fields} }\n${cursor}++\nbreak\n}`)
      }
      this.#code.line('}')
      return result
    }
  }
}

function openCodec<T>(codec: ByteCodec<T>): Opener {
  return () => new CodecColumnReader(codec)
}
