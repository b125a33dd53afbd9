/**
 * What a type looks like as plain JSON. Snapshots carry it beside the bytes, so that they can be read without
 * the code that wrote them and compared with the code that is to read them.
 *
 * Codecs are generated from schemas alone, and names from a schema end up inside generated code; so a schema
 * is checked once, in {@link parseSchema}, and nothing else builds code from an unchecked one.
 */
import { SluiceError } from '../base/errors.ts'

export type PrimitiveKind =
  | 'string'
  | 'boolean'
  | 'int32'
  | 'int64'
  | 'float64'
  | 'bigint'
  | 'timestamp'
  | 'bytes'
  | 'any'

export type Schema =
  | { readonly kind: PrimitiveKind }
  | { readonly kind: 'literal'; readonly values: readonly string[] }
  | { readonly kind: 'list'; readonly element: Schema }
  | { readonly kind: 'map'; readonly key: Schema; readonly value: Schema }
  | { readonly kind: 'tuple'; readonly elements: readonly Schema[] }
  | { readonly kind: 'object'; readonly fields: readonly FieldSchema[] }
  | { readonly kind: 'nullable'; readonly of: Schema }
  | { readonly kind: 'union'; readonly tag: string; readonly variants: readonly VariantSchema[] }
  | { readonly kind: 'avro'; readonly schema: AvroSchema }

export type SchemaOf<K extends Schema['kind']> = Extract<Schema, { kind: K }>

/** One field of an object, in declaration order. At most one of `isOptional` and `default` is there. */
export interface FieldSchema {
  readonly name: string
  readonly schema: Schema
  /** The field may be absent or undefined. */
  readonly isOptional?: true
  /** What the field is when data was written without it: the value's row encoding in base64. */
  readonly default?: string
}

export interface VariantSchema {
  readonly name: string
  readonly fields: readonly FieldSchema[]
}

/** An Avro schema: a name or a JSON structure that `avsc` understands. */
export type AvroSchema = string | readonly unknown[] | { readonly [name: string]: unknown }

/** Types nest at most this deep. Encoders and decoders recurse no deeper than their type. */
export const SCHEMA_DEPTH_MAX = 32
/** A type has at most this many parts, every nested one counted. */
export const SCHEMA_PARTS_MAX = 10_000

const PRIMITIVE_KINDS: ReadonlySet<string> = new Set<PrimitiveKind>([
  'string',
  'boolean',
  'int32',
  'int64',
  'float64',
  'bigint',
  'timestamp',
  'bytes',
  'any',
])

/**
 * The schema in a piece of JSON, without whatever else was in there. Throws TYPE_MISMATCH naming the place
 * where it is not a schema: an unknown kind, a name given twice, `__proto__`, nesting past the limits.
 */
export function parseSchema(json: unknown): Schema {
  return new SchemaParser().schema(json, 'type', 1)
}

/** Whether values of this schema are primitives, which nobody can change under their holder. */
export function isImmutableSchema(schema: Schema): boolean {
  switch (schema.kind) {
    case 'nullable':
      return isImmutableSchema(schema.of)
    case 'literal':
      return true
    default:
      return PRIMITIVE_KINDS.has(schema.kind) && schema.kind !== 'bytes' && schema.kind !== 'any'
  }
}

type Json = { readonly [name: string]: unknown }

class SchemaParser {
  #parts = 0

  schema(json: unknown, path: string, depth: number): Schema {
    if (depth > SCHEMA_DEPTH_MAX) refuse(path, `at most ${SCHEMA_DEPTH_MAX} levels of nesting`)
    if (++this.#parts > SCHEMA_PARTS_MAX) refuse(path, `at most ${SCHEMA_PARTS_MAX} parts`)
    if (!isObject(json) || typeof json.kind !== 'string') return refuse(path, 'a schema with a kind')
    if (PRIMITIVE_KINDS.has(json.kind)) return { kind: json.kind as PrimitiveKind }
    switch (json.kind) {
      case 'literal':
        return { kind: 'literal', values: names(json.values, path) }
      case 'list':
        return { kind: 'list', element: this.schema(json.element, `${path}[]`, depth + 1) }
      case 'map': {
        const key = this.schema(json.key, `${path}{key}`, depth + 1)
        return { kind: 'map', key, value: this.schema(json.value, `${path}{value}`, depth + 1) }
      }
      case 'tuple': {
        const elements = array(json.elements, path)
        return { kind: 'tuple', elements: elements.map((e, i) => this.schema(e, `${path}[${i}]`, depth + 1)) }
      }
      case 'object':
        return { kind: 'object', fields: this.#fields(json.fields, path, depth) }
      case 'nullable':
        return this.#nullable(json.of, path, depth)
      case 'union':
        return this.#union(json, path, depth)
      case 'avro':
        return avroSchema(json.schema, path)
      default:
        return refuse(path, `a kind of type that exists, found ${JSON.stringify(json.kind)}`)
    }
  }

  #nullable(json: unknown, path: string, depth: number): Schema {
    const of = this.schema(json, path, depth + 1)
    if (of.kind === 'nullable') refuse(path, 'nullable once, not twice')
    return { kind: 'nullable', of }
  }

  #union(json: Json, path: string, depth: number): Schema {
    const tag = json.tag
    if (typeof tag !== 'string' || tag === '__proto__')
      return refuse(path, 'the name of the tag field of a union')
    const variants = array(json.variants, path).map((variant) => {
      if (!isObject(variant) || typeof variant.name !== 'string') return refuse(path, 'variants with a name')
      const fields = this.#fields(variant.fields, `${path}<${variant.name}>`, depth)
      if (fields.some((field) => field.name === tag)) {
        refuse(path, `variants without a field named as the tag, '${tag}'`)
      }
      return { name: variant.name, fields }
    })
    const tags = variants.map((variant) => variant.name)
    names(tags, path)
    return { kind: 'union', tag, variants }
  }

  #fields(json: unknown, path: string, depth: number): FieldSchema[] {
    const fields = array(json, path).map((field): FieldSchema => {
      if (!isObject(field) || typeof field.name !== 'string') return refuse(path, 'fields with a name')
      const { name, isOptional, default: byDefault } = field
      // As a key of an object literal it would set the prototype instead of a field.
      if (name === '__proto__') refuse(path, "no field named '__proto__'")
      const schema = this.schema(field.schema, `${path}.${name}`, depth + 1)
      if (isOptional === true) return { name, schema, isOptional }
      return typeof byDefault === 'string' ? { name, schema, default: byDefault } : { name, schema }
    })
    if (new Set(fields.map((field) => field.name)).size < fields.length)
      refuse(path, 'fields with distinct names')
    return fields
  }
}

function avroSchema(json: unknown, path: string): Schema {
  if (typeof json !== 'string' && !isObject(json) && !Array.isArray(json)) refuse(path, 'an Avro schema')
  return { kind: 'avro', schema: json as AvroSchema }
}

/** At least one and at most 65,536 strings, no two alike. */
function names(json: unknown, path: string): string[] {
  const list = array(json, path)
  const isFine = list.every((name) => typeof name === 'string') && new Set(list).size === list.length
  if (!isFine || list.length === 0 || list.length > 0x10000) refuse(path, '1 to 65536 distinct strings')
  return list as string[]
}

function array(json: unknown, path: string): readonly unknown[] {
  return Array.isArray(json) ? json : refuse(path, 'a list')
}

function isObject(json: unknown): json is Json {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function refuse(path: string, expected: string): never {
  throw new SluiceError('TYPE_MISMATCH', `${path}: expected ${expected}`, { details: { path } })
}
