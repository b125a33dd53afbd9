/** Random types and random values of them, for the properties every type must have. */
import fc from 'fast-check'
import type { FieldSchema, PrimitiveKind, Schema, VariantSchema } from '../../../lib/types/schema.ts'

/** Parameters of a property: always the same cases, or others with SEED=number, and more with EFFORT=factor. */
export function runs(numRuns: number): { numRuns: number; seed: number } {
  const { SEED = '1', EFFORT = '1' } = process.env
  return { numRuns: numRuns * Number(EFFORT), seed: Number(SEED) }
}

/** Names that are awkward in generated code, beside plain ones. */
const NAMES = [
  'a',
  'b',
  'price',
  'at',
  'constructor',
  'toString',
  'a-b',
  '0',
  'ä',
  'x y',
  `q'"\\`,
  'default',
  'class',
  '',
]

const PRIMITIVES: PrimitiveKind[] = [
  'string',
  'boolean',
  'int32',
  'int64',
  'float64',
  'bigint',
  'timestamp',
  'bytes',
  'any',
]

const primitive: fc.Arbitrary<Schema> = fc.constantFrom(...PRIMITIVES).map((kind) => ({ kind }))

const literal: fc.Arbitrary<Schema> = fc
  .uniqueArray(fc.string({ maxLength: 5 }), { minLength: 1, maxLength: 20 })
  .map((values) => ({ kind: 'literal', values }))

/** A schema nested at most `depth` deep. */
export function schemaArbitrary(depth = 3): fc.Arbitrary<Schema> {
  const leaf = fc.oneof({ weight: 8, arbitrary: primitive }, { weight: 1, arbitrary: literal })
  if (depth <= 1) return leaf
  const part = schemaArbitrary(depth - 1)
  return fc.oneof(
    { weight: 2, arbitrary: leaf },
    { weight: 1, arbitrary: part.map((element): Schema => ({ kind: 'list', element })) },
    {
      weight: 1,
      arbitrary: fc.tuple(part, part).map(([key, value]): Schema => ({ kind: 'map', key, value })),
    },
    {
      weight: 1,
      arbitrary: fc.array(part, { maxLength: 3 }).map((elements): Schema => ({ kind: 'tuple', elements })),
    },
    { weight: 4, arbitrary: fieldsArbitrary(part).map((fields): Schema => ({ kind: 'object', fields })) },
    {
      weight: 2,
      arbitrary: part.map((of): Schema => (of.kind === 'nullable' ? of : { kind: 'nullable', of })),
    },
    { weight: 2, arbitrary: unionArbitrary(part) },
  )
}

function fieldsArbitrary(part: fc.Arbitrary<Schema>): fc.Arbitrary<FieldSchema[]> {
  return fc
    .uniqueArray(fc.constantFrom(...NAMES), { maxLength: 6 })
    .chain((names) => fc.tuple(...names.map((name) => fieldArbitrary(name, part))))
}

function fieldArbitrary(name: string, part: fc.Arbitrary<Schema>): fc.Arbitrary<FieldSchema> {
  return fc
    .tuple(part, fc.boolean())
    .map(([schema, isOptional]) => (isOptional ? { name, schema, isOptional } : { name, schema }))
}

function unionArbitrary(part: fc.Arbitrary<Schema>): fc.Arbitrary<Schema> {
  const variant = fc
    .tuple(fc.string({ maxLength: 3 }), fieldsArbitrary(part))
    .map(([name, fields]): VariantSchema => ({ name, fields }))
  return fc
    .uniqueArray(variant, { minLength: 1, maxLength: 4, selector: ({ name }) => name })
    .map((variants): Schema => ({ kind: 'union', tag: 'kind', variants }))
}

/** Any UTF-16 units at all, unpaired surrogates and NUL among them. */
export const unitString = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
  .map((units) => String.fromCharCode(...units))

export const text = fc.oneof(
  { weight: 6, arbitrary: fc.string({ maxLength: 40 }) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
  { weight: 2, arbitrary: unitString },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', '\u0000', 'ÿ', 'Ā', '\ud800', '\udc00\ud800', 'é'.repeat(100)),
  },
)

const float = fc.oneof(fc.double(), fc.constantFrom(Number.NaN, -0, 0, Infinity, -Infinity, 5e-324, 1.7e308))

/** Integers at both ends of their range and close together. An integer type has no -0. */
function integer(min: number, max: number): fc.Arbitrary<number> {
  return fc.oneof(
    fc.integer({ min, max }),
    fc.integer({ min: -5, max: 300 }),
    fc.constantFrom(min, max, 0, 1, -1),
  )
}

const bigint = fc.oneof(
  fc.bigInt(),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  fc.constantFrom(
    0n,
    -1n,
    2n ** 63n,
    -(2n ** 63n),
    2n ** 63n - 1n,
    -(2n ** 63n) - 1n,
    2n ** 2000n,
    -(2n ** 2000n),
  ),
)

/** What a value without a declared type may be. */
export const anyValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    maxDepth: 3,
  }),
  float,
  bigint,
  unitString,
)

/** A value of a schema. Optional fields are sometimes absent and sometimes undefined. */
export function valueArbitrary(schema: Schema): fc.Arbitrary<unknown> {
  switch (schema.kind) {
    case 'string':
      return text
    case 'boolean':
      return fc.boolean()
    case 'int32':
      return integer(-(2 ** 31), 2 ** 31 - 1)
    case 'int64':
    case 'timestamp':
      return integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    case 'float64':
      return float
    case 'bigint':
      return bigint
    case 'bytes':
      return fc.uint8Array({ maxLength: 20 })
    case 'any':
      return anyValue
    case 'literal':
      return fc.constantFrom(...schema.values)
    case 'list':
      return fc.array(valueArbitrary(schema.element), { maxLength: 5 })
    case 'map':
      return fc
        .array(fc.tuple(valueArbitrary(schema.key), valueArbitrary(schema.value)), { maxLength: 4 })
        .map((entries) => new Map(entries))
    case 'tuple':
      return fc.tuple(...schema.elements.map(valueArbitrary))
    case 'object':
      return objectArbitrary(schema.fields)
    case 'nullable':
      return fc.option(valueArbitrary(schema.of))
    case 'union':
      return fc.oneof(
        ...schema.variants.map(({ name, fields }) =>
          objectArbitrary(fields, { [schema.tag]: fc.constant(name) }),
        ),
      )
    case 'avro':
      throw new Error('random types contain no Avro')
  }
}

function objectArbitrary(
  fields: readonly FieldSchema[],
  tag: Record<string, fc.Arbitrary<unknown>> = {},
): fc.Arbitrary<unknown> {
  const values: Record<string, fc.Arbitrary<unknown>> = { ...tag }
  const requiredKeys = Object.keys(tag)
  for (const { name, schema, isOptional } of fields) {
    const value = valueArbitrary(schema)
    values[name] = isOptional === true ? fc.option(value, { nil: undefined, freq: 3 }) : value
    if (isOptional !== true) requiredKeys.push(name)
  }
  return fc.record(values, { requiredKeys, noNullPrototype: true })
}

/** A schema and some values of it. */
export function recordsArbitrary(maxLength = 8): fc.Arbitrary<{ schema: Schema; values: unknown[] }> {
  return schemaArbitrary().chain((schema) =>
    fc.array(valueArbitrary(schema), { maxLength }).map((values) => ({ schema, values })),
  )
}

/** The value as it is decoded: absent optional fields are there as undefined, fields in declaration order. */
export function decodedForm(schema: Schema, value: unknown): unknown {
  switch (schema.kind) {
    case 'nullable':
      return value === null ? null : decodedForm(schema.of, value)
    case 'list':
      return (value as unknown[]).map((element) => decodedForm(schema.element, element))
    case 'map':
      return new Map(
        [...(value as Map<unknown, unknown>)].map(([key, item]) => [
          decodedForm(schema.key, key),
          decodedForm(schema.value, item),
        ]),
      )
    case 'tuple':
      return schema.elements.map((element, i) => decodedForm(element, (value as unknown[])[i]))
    case 'object':
      return decodedFields(schema.fields, value as Record<string, unknown>)
    case 'union': {
      const object = value as Record<string, unknown>
      const variant = schema.variants.find(({ name }) => name === object[schema.tag])
      return { [schema.tag]: object[schema.tag], ...decodedFields(variant?.fields ?? [], object) }
    }
    default:
      return value
  }
}

function decodedFields(
  fields: readonly FieldSchema[],
  value: Record<string, unknown>,
): Record<string, unknown> {
  return Object.fromEntries(
    fields.map(({ name, schema }) => {
      const part = Object.hasOwn(value, name) ? value[name] : undefined
      return [name, part === undefined && schema.kind !== 'any' ? undefined : decodedForm(schema, part)]
    }),
  )
}
