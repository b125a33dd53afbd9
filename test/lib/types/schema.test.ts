import t from 'tap'
import { parseSchema, SCHEMA_DEPTH_MAX, SCHEMA_PARTS_MAX, type Schema } from '../../../lib/types/schema.ts'

t.test('schema - what is none is refused, with the place', async (t) => {
  const string = { kind: 'string' }
  const refused: [unknown, RegExp][] = [
    [null, /^type: expected a schema with a kind$/],
    ['string', /a schema with a kind/],
    [[], /a schema with a kind/],
    [{ kind: 'uuid' }, /a kind of type that exists, found "uuid"/],
    [{ kind: 'constructor' }, /a kind of type that exists/],
    [{ kind: 'list' }, /^type\[\]: expected a schema/],
    [{ kind: 'map', key: string }, /^type\{value\}: expected a schema/],
    [{ kind: 'tuple', elements: [string, 5] }, /^type\[1\]: expected a schema/],
    [{ kind: 'tuple' }, /a list/],
    [{ kind: 'literal', values: [] }, /1 to 65536 distinct strings/],
    [{ kind: 'literal', values: ['a', 'a'] }, /distinct/],
    [{ kind: 'literal', values: [1] }, /distinct strings/],
    [{ kind: 'object', fields: [{ name: '__proto__', schema: string }] }, /no field named '__proto__'/],
    [
      {
        kind: 'object',
        fields: [
          { name: 'a', schema: string },
          { name: 'a', schema: string },
        ],
      },
      /distinct names/,
    ],
    [{ kind: 'object', fields: [{ name: 1, schema: string }] }, /fields with a name/],
    [{ kind: 'object', fields: [{ name: 'a', schema: { kind: 'x' } }] }, /^type\.a: expected a kind/],
    [{ kind: 'nullable', of: { kind: 'nullable', of: string } }, /nullable once/],
    [{ kind: 'union', tag: '__proto__', variants: [] }, /tag field/],
    [{ kind: 'union', tag: 'kind', variants: [] }, /1 to 65536/],
    [
      { kind: 'union', tag: 'kind', variants: [{ name: 'a', fields: [{ name: 'kind', schema: string }] }] },
      /the tag, 'kind'/,
    ],
    [
      {
        kind: 'union',
        tag: 'kind',
        variants: [
          { name: 'a', fields: [] },
          { name: 'a', fields: [] },
        ],
      },
      /distinct/,
    ],
    [{ kind: 'avro', schema: 5 }, /an Avro schema/],
  ]
  for (const [json, message] of refused) t.throws(() => parseSchema(json), { code: 'TYPE_MISMATCH', message })
})

t.test('schema - a name in it never becomes code', async (t) => {
  const name = `"]:0}});process.exit(1);//\u2028\`\${process.exit(1)}`
  const schema: Schema = {
    kind: 'object',
    fields: [
      { name, schema: { kind: 'literal', values: [name] } },
      {
        name: 'u',
        schema: {
          kind: 'union',
          tag: name,
          variants: [{ name, fields: [{ name: 'x', schema: { kind: 'any' } }] }],
        },
      },
    ],
  }
  const { schemaToType } = await import('../../../lib/types/schema-type.ts')
  const { ByteWriter } = await import('../../../lib/base/byte-writer.ts')
  const { ByteReader } = await import('../../../lib/base/byte-reader.ts')
  const type = schemaToType(schema)
  const value = { [name]: name, u: { [name]: name, x: { [name]: 1 } } }
  const encoder = type.newBatchEncoder()
  encoder.write(value)
  const out = new ByteWriter()
  encoder.finish(out)
  const into: unknown[] = []
  type.newBatchDecoder().decode(new ByteReader(out.view()), 1, into)
  t.strictSame(into, [value])
  out.reset()
  type.row.write(out, value)
  t.strictSame(type.row.read(new ByteReader(out.view())), value)
  t.throws(() => type.row.write(out, {}), { code: 'TYPE_MISMATCH' })
})

t.test('schema - depth and size have bounds', async (t) => {
  const nest = (depth: number): unknown =>
    depth === 1 ? { kind: 'string' } : { kind: 'list', element: nest(depth - 1) }
  t.ok(parseSchema(nest(SCHEMA_DEPTH_MAX)))
  t.throws(() => parseSchema(nest(SCHEMA_DEPTH_MAX + 1)), { message: /at most 32 levels/ })
  const wide = (count: number) => ({ kind: 'tuple', elements: new Array(count).fill({ kind: 'string' }) })
  t.ok(parseSchema(wide(SCHEMA_PARTS_MAX - 1)))
  t.throws(() => parseSchema(wide(SCHEMA_PARTS_MAX)), { message: /at most 10000 parts/ })
})

t.test('schema - what else was in the JSON is left out', async (t) => {
  const json = {
    kind: 'object',
    extra: 1,
    fields: [{ name: 'a', extra: 1, isOptional: 'yes', schema: { kind: 'string', x: 1 } }],
  }
  t.strictSame(parseSchema(json), { kind: 'object', fields: [{ name: 'a', schema: { kind: 'string' } }] })
})
