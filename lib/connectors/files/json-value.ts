/**
 * How records look in JSON, where JSON has no word for them: bigint as digits in a string, bytes in base64, a Map as
 * an object if all its keys are strings and as a list of pairs otherwise, NaN and infinities as strings. Reading goes
 * by the declared type, and is a little more generous: timestamps may be ISO 8601 text (UTC unless it says otherwise),
 * an absent optional field may be null, objects may have fields nobody declared. -0 is read back as 0.
 */
import { ByteReader } from '../../base/byte-reader.ts'
import { SluiceError } from '../../base/errors.ts'
import { emitCheck, emitIndexOf } from '../../types/check-code.ts'
import { Code, key, PathCode, property, quote } from '../../types/code.ts'
import { mismatch } from '../../types/mismatch.ts'
import type { FieldSchema, Schema, SchemaOf } from '../../types/schema.ts'
import { schemaToType } from '../../types/schema-type.ts'
import type { Type } from '../../types/type.ts'

/** A record as JSON text. Throws TypeError for what has none: undefined, functions, cycles. */
export function toJsonText(value: unknown): string {
  const text: string | undefined = JSON.stringify(toJson(value))
  if (text === undefined) throw new TypeError(`expected a value with a JSON form, found ${typeof value}`)
  return text
}

/** The value itself if JSON has all its parts, otherwise a copy that JSON does have. */
export function toJson(value: unknown): unknown {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'bigint':
      return value.toString()
    case 'object':
      return value === null ? null : objectToJson(value)
    default:
      return value
  }
}

function objectToJson(value: object): unknown {
  if (Array.isArray(value)) return listToJson(value)
  if (value instanceof Map) return mapToJson(value)
  if (value instanceof Set) return listToJson([...value])
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
  if ('toJSON' in value && typeof value.toJSON === 'function') return value
  const source = value as Record<string, unknown>
  let copy: Record<string, unknown> | null = null
  for (const name in source) {
    const part = source[name]
    const json = toJson(part)
    if (json === part) continue
    copy ??= { ...source }
    copy[name] = json
  }
  return copy ?? value
}

function listToJson(list: readonly unknown[]): readonly unknown[] {
  for (let i = 0; i < list.length; i++) {
    if (toJson(list[i]) !== list[i]) return list.map(toJson)
  }
  return list
}

function mapToJson(map: ReadonlyMap<unknown, unknown>): unknown {
  const entries = [...map].map(([name, value]) => [toJson(name), toJson(value)] as const)
  const hasNames = [...map.keys()].every((name) => typeof name === 'string')
  return hasNames ? Object.fromEntries(entries as [string, unknown][]) : entries
}

/** Makes records of a type out of what JSON.parse gives; throws TYPE_MISMATCH naming the part that does not fit. */
export function jsonReader<T>(type: Type<T>): (json: unknown) => T {
  return type.schema.kind === 'any' ? (json) => json as T : new JsonReaderGenerator().generate<T>(type.schema)
}

/** Code for one type: objects come out with their fields in declaration order, all of one hidden class. */
class JsonReaderGenerator {
  readonly #code = new Code()

  generate<T>(schema: Schema): (json: unknown) => T {
    const result = this.#emit(schema, 'v', PathCode.root)
    const body = this.#code.take()
    return this.#code.evaluate(`function fromJson(v) {\n${body}\nreturn ${result}\n}`)
  }

  /** Emits what reads the JSON in variable `value` and returns the expression of the result. */
  #emit(schema: Schema, value: string, path: PathCode): string {
    switch (schema.kind) {
      case 'any':
        return value
      case 'float64':
        return this.#emitConverted(value, `typeof ${value} === "number"`, floatOf, 'float64', path)
      case 'timestamp':
        return this.#emitConverted(
          value,
          `Number.isSafeInteger(${value})`,
          timestampOf,
          'timestamp (ms or ISO 8601)',
          path,
        )
      case 'bigint':
        return this.#emitConverted(
          value,
          'false',
          bigintOf,
          'bigint (an integer, or digits in a string)',
          path,
        )
      case 'bytes':
        return this.#emitConverted(value, 'false', bytesOf, 'bytes (base64)', path)
      case 'literal':
        emitIndexOf(this.#code, schema.values, value, path)
        return value
      case 'nullable':
        return this.#emitUnless(value, `${value} === null`, 'null', schema.of, path)
      case 'list':
        return this.#emitList(schema, value, path)
      case 'tuple':
        emitCheck(this.#code, schema, value, path)
        return this.#hold(
          `[${schema.elements.map((element, i) => this.#emitItem(element, value, i, path)).join(', ')}]`,
        )
      case 'map':
        return this.#emitMap(schema, value, path)
      case 'object':
        emitCheck(this.#code, schema, value, path)
        return this.#hold(`{ ${this.#emitFields(schema.fields, value, path).join(', ')} }`)
      case 'union':
        return this.#emitUnion(schema, value, path)
      case 'avro':
        throw new SluiceError(
          'UNSUPPORTED',
          'values of an Avro type have no JSON form here; declare the fields with t.object',
        )
      default:
        emitCheck(this.#code, schema, value, path)
        return value
    }
  }

  #hold(expression: string): string {
    const name = this.#code.fresh()
    this.#code.line(`const ${name} = ${expression}`)
    return name
  }

  /** The value itself if it `fits`, otherwise what `convert` makes of it; undefined from there is a mismatch. */
  #emitConverted(
    value: string,
    fits: string,
    convert: (json: unknown) => unknown,
    expected: string,
    path: PathCode,
  ): string {
    const result = this.#hold(`${fits} ? ${value} : ${this.#code.constant(convert)}(${value})`)
    this.#code.line(
      `if (${result} === undefined) throw ${this.#code.constant(mismatch)}(${path.expression}, ${quote(expected)}, ${value})`,
    )
    return result
  }

  #emitUnless(value: string, condition: string, otherwise: string, schema: Schema, path: PathCode): string {
    const result = this.#code.fresh()
    this.#code.line(`let ${result}`)
    this.#code.line(`if (${condition}) ${result} = ${otherwise}\nelse {`)
    this.#code.line(`${result} = ${this.#emit(schema, value, path)}\n}`)
    return result
  }

  #emitItem(schema: Schema, value: string, index: number, path: PathCode): string {
    return this.#emit(schema, this.#hold(`${value}[${index}]`), path.item(String(index)))
  }

  #emitList(schema: SchemaOf<'list'>, value: string, path: PathCode): string {
    emitCheck(this.#code, schema, value, path)
    const [list, index] = [this.#hold('[]'), this.#code.fresh()]
    this.#code.line(`for (let ${index} = 0; ${index} < ${value}.length; ${index}++) {`)
    const element = this.#hold(`${value}[${index}]`)
    this.#code.line(`${list}.push(${this.#emit(schema.element, element, path.item(index))})\n}`)
    return list
  }

  #emitMap(schema: SchemaOf<'map'>, value: string, path: PathCode): string {
    const entries = this.#emitConverted(
      value,
      'false',
      entriesOf,
      'a map (an object, or a list of pairs)',
      path,
    )
    const [map, entry] = [this.#hold('new Map()'), this.#code.fresh()]
    this.#code.line(`for (const ${entry} of ${entries}) {`)
    const mapKey = this.#emit(schema.key, this.#hold(`${entry}[0]`), path.part('key'))
    const item = this.#emit(schema.value, this.#hold(`${entry}[1]`), path.part('value'))
    this.#code.line(`${map}.set(${mapKey}, ${item})\n}`)
    return map
  }

  /** Each `name: value`. */
  #emitFields(fields: readonly FieldSchema[], value: string, path: PathCode): string[] {
    return fields.map((field) => {
      const { name, schema } = field
      const variable = this.#hold(property(value, name))
      const isAbsent = schema.kind === 'nullable' ? `${variable} === undefined` : `${variable} == null`
      const result =
        field.isOptional === true
          ? this.#emitUnless(variable, isAbsent, 'undefined', schema, path.field(name))
          : field.default === undefined
            ? this.#emit(schema, variable, path.field(name))
            : this.#emitUnless(
                variable,
                isAbsent,
                `${this.#code.constant(defaultOf(field))}()`,
                schema,
                path.field(name),
              )
      return `${key(name)}: ${result}`
    })
  }

  #emitUnion(schema: SchemaOf<'union'>, value: string, path: PathCode): string {
    emitCheck(this.#code, schema, value, path)
    const tag = this.#hold(property(value, schema.tag))
    const names = schema.variants.map(({ name }) => name)
    const index = emitIndexOf(this.#code, names, tag, path.field(schema.tag))
    const result = this.#code.fresh()
    this.#code.line(`let ${result}`)
    this.#code.line(`switch (${index}) {`)
    for (const [i, variant] of schema.variants.entries()) {
      this.#code.line(`case ${i}: {`)
      const fields = [
        `${key(schema.tag)}: ${quote(variant.name)}`,
        ...this.#emitFields(variant.fields, value, path),
      ]
      this.#code.line(`${result} = { ${fields.join(', ')} }\nbreak\n}`)
    }
    this.#code.line('}')
    return result
  }
}

/** What a field is when it is absent; a new value each time, since some are mutable. */
export function defaultOf(field: FieldSchema): () => unknown {
  const { row } = schemaToType(field.schema)
  const bytes = Buffer.from(field.default!, 'base64')
  return () => row.read(new ByteReader(bytes))
}

function floatOf(json: unknown): number | undefined {
  return json === 'NaN' || json === 'Infinity' || json === '-Infinity' ? Number(json) : undefined
}

/** Digits beyond what a JSON number keeps come as text. */
export function bigintOf(json: unknown): bigint | undefined {
  if (typeof json === 'number') return Number.isSafeInteger(json) ? BigInt(json) : undefined
  return typeof json === 'string' && /^[+-]?\d+$/.test(json) ? BigInt(json.replace('+', '')) : undefined
}

export function bytesOf(json: unknown): Uint8Array | undefined {
  if (typeof json !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(json)) return undefined
  return new Uint8Array(Buffer.from(json, 'base64'))
}

const DATE = /^\d{4}-\d\d-\d\d$/
const DATE_TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$/

/** ISO 8601 text as ms. Without a zone it is UTC: what a host's clock is set to must not change results. */
export function timestampOf(json: unknown): number | undefined {
  if (typeof json !== 'string') return undefined
  const match = DATE_TIME.exec(json)
  if (match === null && !DATE.test(json)) return undefined
  const ms = Date.parse(match === null || match[3] !== undefined ? json : `${json}Z`)
  return Number.isNaN(ms) ? undefined : ms
}

function entriesOf(json: unknown): readonly (readonly [unknown, unknown])[] | undefined {
  if (typeof json !== 'object' || json === null) return undefined
  if (!Array.isArray(json)) return Object.entries(json)
  return json.every((pair) => Array.isArray(pair) && pair.length === 2) ? json : undefined
}
