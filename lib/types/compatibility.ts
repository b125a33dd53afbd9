/**
 * May values written with one schema be read as another type? Called before a job starts, for every state it
 * restores, so that an incompatible change is refused with all its reasons instead of failing at some record.
 * What Flink's TypeSerializerSchemaCompatibility answers; the rules are those of the design:
 *
 *   the same                                        read as it is
 *   a field is new: optional, defaulted, nullable   undefined, the default, null
 *   a field is gone                                 dropped
 *   int32 -> int64 -> float64                       widened
 *   x -> optional x, x -> nullable x                kept
 *   a literal set or union has more members         kept
 *   parts of lists, maps, tuples, objects           by the same rules
 *   anything else                                   incompatible
 */
import { ByteReader } from '../base/byte-reader.ts'
import { describeSchema } from './describe-schema.ts'
import type { FieldSchema, Schema, SchemaOf, VariantSchema } from './schema.ts'
import { schemaToType } from './schema-type.ts'

export interface SchemaMismatch {
  /** As in TYPE_MISMATCH errors; empty for the value as a whole. */
  readonly path: string
  /** What was written there, as TypeScript would write it. */
  readonly written: string
  readonly current: string
  readonly reason: string
}

export type ValueResolution =
  | { readonly kind: 'same' }
  /** `convert` takes a value of the written schema and gives one of the current type. */
  | { readonly kind: 'migrate'; readonly convert: (value: unknown) => unknown }
  | { readonly kind: 'incompatible'; readonly mismatches: readonly SchemaMismatch[] }

export function resolveValues(written: Schema, current: Schema): ValueResolution {
  if (isSameEncoding(written, current)) return { kind: 'same' }
  const resolver = new Resolver()
  const convert = resolver.resolve(written, current, '')
  if (resolver.mismatches.length > 0) return { kind: 'incompatible', mismatches: resolver.mismatches }
  return { kind: 'migrate', convert }
}

/** Turns a value as it was written into one of the current type. */
type Convert = (value: unknown) => unknown
type PlainObject = Readonly<Record<string, unknown>>

const keep: Convert = (value) => value

/** Which kinds each kind of number may be read as: values are JavaScript numbers before and after. */
const WIDER: Partial<Record<Schema['kind'], readonly Schema['kind'][]>> = {
  int32: ['int64', 'float64'],
  int64: ['float64'],
}

class Resolver {
  readonly mismatches: SchemaMismatch[] = []

  /** The conversion; of no meaning once there are mismatches. */
  resolve(written: Schema, current: Schema, path: string): Convert {
    if (isSameEncoding(written, current)) return keep
    if (current.kind === 'nullable') return this.#resolveNullable(written, current, path)
    if (WIDER[written.kind]?.includes(current.kind)) return keep
    if (written.kind !== current.kind) return this.#refuse(written, current, path, 'another kind of type')
    switch (written.kind) {
      case 'literal':
        return this.#resolveLiteral(written, current as typeof written, path)
      case 'list':
        return this.#resolveList(written, current as typeof written, path)
      case 'map':
        return this.#resolveMap(written, current as typeof written, path)
      case 'tuple':
        return this.#resolveTuple(written, current as typeof written, path)
      case 'object':
        return this.#resolveFields(written.fields, (current as typeof written).fields, path)
      case 'union':
        return this.#resolveUnion(written, current as typeof written, path)
      default:
        return this.#refuse(written, current, path, 'another Avro schema')
    }
  }

  #refuse(written: Schema, current: Schema, path: string, reason: string): Convert {
    const describe = describeSchema
    this.mismatches.push({ path, written: describe(written), current: describe(current), reason })
    return keep
  }

  #resolveNullable(written: Schema, current: SchemaOf<'nullable'>, path: string): Convert {
    const convert = this.resolve(written.kind === 'nullable' ? written.of : written, current.of, path)
    return (value) => (value === null ? null : convert(value))
  }

  #resolveLiteral(written: SchemaOf<'literal'>, current: SchemaOf<'literal'>, path: string): Convert {
    const gone = written.values.filter((value) => !current.values.includes(value))
    if (gone.length === 0) return keep
    return this.#refuse(written, current, path, `no longer one of the literals: ${gone.join(', ')}`)
  }

  #resolveList(written: SchemaOf<'list'>, current: SchemaOf<'list'>, path: string): Convert {
    const convert = this.resolve(written.element, current.element, `${path}[]`)
    return (value) => (value as unknown[]).map(convert)
  }

  #resolveMap(written: SchemaOf<'map'>, current: SchemaOf<'map'>, path: string): Convert {
    const convertKey = this.resolve(written.key, current.key, `${path}{key}`)
    const convertValue = this.resolve(written.value, current.value, `${path}{value}`)
    return (map) =>
      new Map([...(map as Map<unknown, unknown>)].map(([k, v]) => [convertKey(k), convertValue(v)]))
  }

  #resolveTuple(written: SchemaOf<'tuple'>, current: SchemaOf<'tuple'>, path: string): Convert {
    if (written.elements.length !== current.elements.length) {
      return this.#refuse(written, current, path, 'another number of elements')
    }
    const converts = written.elements.map((element, i) =>
      this.resolve(element, current.elements[i]!, `${path}[${i}]`),
    )
    return (value) => converts.map((convert, i) => convert((value as unknown[])[i]))
  }

  #resolveUnion(written: SchemaOf<'union'>, current: SchemaOf<'union'>, path: string): Convert {
    const { tag } = written
    if (tag !== current.tag)
      return this.#refuse(written, current, path, `told apart by '${current.tag}', not '${tag}'`)
    const converts = new Map<unknown, Convert>()
    for (const variant of written.variants) {
      const now = current.variants.find(({ name }) => name === variant.name)
      if (now === undefined) this.#refuse(written, current, path, `no longer a variant: ${variant.name}`)
      else converts.set(variant.name, this.#resolveVariant(tag, variant, now, path))
    }
    return (value) => converts.get((value as PlainObject)[tag])!(value)
  }

  #resolveVariant(tag: string, written: VariantSchema, current: VariantSchema, path: string): Convert {
    const convert = this.#resolveFields(written.fields, current.fields, `${path}<${written.name}>`)
    return (value) => ({ [tag]: written.name, ...(convert(value) as PlainObject) })
  }

  #resolveFields(written: readonly FieldSchema[], current: readonly FieldSchema[], path: string): Convert {
    const before = new Map(written.map((field) => [field.name, field]))
    const converts = current.map((field): [string, Convert] => {
      const fieldPath = path === '' ? field.name : `${path}.${field.name}`
      const old = before.get(field.name)
      if (old === undefined) return [field.name, this.#resolveNewField(field, fieldPath)]
      const convert = this.#resolveField(old, field, fieldPath)
      return [field.name, (object) => convert((object as PlainObject)[field.name])]
    })
    return (value) => Object.fromEntries(converts.map(([name, convert]) => [name, convert(value)]))
  }

  #resolveField(written: FieldSchema, current: FieldSchema, path: string): Convert {
    if (written.isOptional === true && current.isOptional !== true) {
      return this.#refuse(written.schema, current.schema, path, 'no longer optional')
    }
    const convert = this.resolve(written.schema, current.schema, path)
    return (value) => (value === undefined ? undefined : convert(value))
  }

  #resolveNewField(field: FieldSchema, path: string): Convert {
    if (field.isOptional === true) return () => undefined
    if (field.default !== undefined) {
      const { row } = schemaToType(field.schema)
      const bytes = Buffer.from(field.default, 'base64')
      return () => row.read(new ByteReader(bytes))
    }
    if (field.schema.kind === 'nullable') return () => null
    const reason = 'a new field must be optional, nullable or have a default'
    this.mismatches.push({ path, written: 'nothing', current: describeSchema(field.schema), reason })
    return keep
  }
}

/** Whether rows of both are the same bytes with the same meaning. Defaults make no difference. */
function isSameEncoding(a: Schema, b: Schema): boolean {
  return JSON.stringify(a, withoutDefault) === JSON.stringify(b, withoutDefault)
}

function withoutDefault(name: string, value: unknown): unknown {
  return name === 'default' ? undefined : value
}
