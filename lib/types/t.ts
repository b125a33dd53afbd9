/**
 * How users say what their records look like:
 *
 *     const trade = t.object({ symbol: t.string, price: t.float64, at: t.timestamp, note: t.optional(t.string) })
 *     type Trade = Infer<typeof trade>   // { symbol: string; price: number; at: number; note?: string }
 *
 * Types are values without state; build them once, at module level. Building one checks it (TYPE_MISMATCH);
 * code for it is generated when a codec is first used.
 */
import { ByteWriter } from '../base/byte-writer.ts'
import { avroCodec } from './avro-codec.ts'
import type { AvroSchema, FieldSchema, PrimitiveKind, Schema } from './schema.ts'
import { SchemaType } from './schema-type.ts'
import type { Infer, Type } from './type.ts'

/** A field that may be absent or undefined. Not a type by itself: only objects have optional parts. */
export interface OptionalField<T> {
  readonly optional: Type<T>
}

/** A field with a value for data that was written before the field existed. */
export interface DefaultedField<T> {
  readonly defaulted: Type<T>
  /** The row encoding of the value, in base64: any value of any type survives in JSON that way. */
  readonly bytes: string
}

export type Field = Type<unknown> | OptionalField<unknown> | DefaultedField<unknown>
export type Fields = Readonly<Record<string, Field>>

/** The type of an object; its fields can be used again in other types. */
export interface ObjectType<T> extends Type<T> {
  readonly fields: readonly FieldSchema[]
}

type FieldValue<F> = F extends OptionalField<infer T> ? T : F extends DefaultedField<infer T> ? T : Infer<F>
type OptionalNames<F> = { [K in keyof F]: F[K] extends OptionalField<unknown> ? K : never }[keyof F]
type Flat<T> = { [K in keyof T]: T[K] }

/** What an object with such fields is. */
export type ObjectOf<F> = Flat<
  { -readonly [K in Exclude<keyof F, OptionalNames<F>>]: FieldValue<F[K]> } & {
    -readonly [K in OptionalNames<F>]?: FieldValue<F[K]>
  }
>

/** What a union of such variants is. */
export type UnionOf<K extends string, V> = {
  [N in keyof V]: Flat<{ [_ in K]: N } & Infer<V[N]>>
}[keyof V]

class ObjectSchemaType<T> extends SchemaType<T> implements ObjectType<T> {
  readonly fields: readonly FieldSchema[]

  constructor(fields: readonly FieldSchema[]) {
    super({ kind: 'object', fields })
    this.fields = fields
  }
}

const primitive = <T>(kind: PrimitiveKind): Type<T> => new SchemaType<T>({ kind })

export const t = {
  /** Any JavaScript string, unpaired surrogates included. */
  string: primitive<string>('string'),
  boolean: primitive<boolean>('boolean'),
  /** An integer in [-2^31, 2^31). -0 is read back as 0. */
  int32: primitive<number>('int32'),
  /** A safe integer: up to 2^53 - 1 either way. -0 is read back as 0. */
  int64: primitive<number>('int64'),
  /** Any number, with NaN, infinities and -0. */
  float64: primitive<number>('float64'),
  /** An integer of any size up to 128 million bits. */
  bigint: primitive<bigint>('bigint'),
  /** Milliseconds since the Unix epoch, a safe integer. */
  timestamp: primitive<number>('timestamp'),
  /** Decoded values have memory of their own. */
  bytes: primitive<Uint8Array>('bytes'),
  /** A value of unknown shape: several times slower. See any-format.ts for what is kept. */
  any: primitive<unknown>('any'),

  /** One of a closed set of strings; a byte each for up to 256 of them. */
  literal<const V extends readonly [string, ...string[]]>(...values: V): Type<V[number]> {
    return new SchemaType({ kind: 'literal', values })
  },

  list<T>(element: Type<T>): Type<T[]> {
    return new SchemaType({ kind: 'list', element: element.schema })
  },

  /** A JavaScript Map; keys that are objects are decoded as new objects. */
  map<K, V>(key: Type<K>, value: Type<V>): Type<Map<K, V>> {
    return new SchemaType({ kind: 'map', key: key.schema, value: value.schema })
  },

  /** A list of fixed length with a type for each place. */
  tuple<E extends readonly Type<unknown>[]>(...elements: E): Type<{ -readonly [I in keyof E]: Infer<E[I]> }> {
    return new SchemaType({ kind: 'tuple', elements: elements.map((element) => element.schema) })
  },

  /** An object; properties beyond the declared ones are not written. */
  object<F extends Fields>(fields: F): ObjectType<ObjectOf<F>> {
    return new ObjectSchemaType(Object.entries(fields).map(([name, field]) => fieldSchema(name, field)))
  },

  /** A field that may be absent or undefined; decoded objects have it, as undefined. */
  optional<T>(type: Type<T>): OptionalField<T> {
    return { optional: type }
  },

  /** A value or null. */
  nullable<T>(type: Type<T>): Type<T | null> {
    return new SchemaType({ kind: 'nullable', of: type.schema })
  },

  /** A field that reads as `value` from data written without it. */
  defaulted<T>(type: Type<T>, value: NoInfer<T>): DefaultedField<T> {
    const out = new ByteWriter()
    type.row.write(out, value)
    return { defaulted: type, bytes: Buffer.from(out.view()).toString('base64') }
  },

  /** Objects of several kinds, told apart by the string in field `tag`, which the variants do not declare. */
  union<const K extends string, V extends Readonly<Record<string, ObjectType<unknown>>>>(
    tag: K,
    variants: V,
  ): Type<UnionOf<K, V>> {
    const list = Object.entries(variants).map(([name, variant]) => ({ name, fields: variant.fields }))
    return new SchemaType({ kind: 'union', tag, variants: list })
  },

  /** Values of an Avro schema, as the package `avsc` represents them. UNSUPPORTED if it is not installed. */
  avro<T = unknown>(schema: AvroSchema): Type<T> {
    const own = structuredClone(schema)
    avroCodec(own)
    return new SchemaType({ kind: 'avro', schema: own })
  },
}

function fieldSchema(name: string, field: Field): FieldSchema {
  if ('optional' in field) return { name, schema: field.optional.schema, isOptional: true }
  if ('defaulted' in field) return { name, schema: field.defaulted.schema, default: field.bytes }
  const schema: Schema = field.schema
  return { name, schema }
}
