import t from 'tap'
import { t as types } from '../../../lib/types/t.ts'

t.test('t - types are plain schemas', async (t) => {
  const { string, int32, object, optional, defaulted, nullable, list, map, tuple, literal, union } = types
  const type = object({
    a: optional(list(string)),
    b: defaulted(int32, 7),
    c: nullable(map(string, tuple(int32))),
    d: union('kind', { x: object({ y: literal('z') }) }),
  })
  t.strictSame(type.schema, {
    kind: 'object',
    fields: [
      { name: 'a', schema: { kind: 'list', element: { kind: 'string' } }, isOptional: true },
      { name: 'b', schema: { kind: 'int32' }, default: 'Dg==' },
      {
        name: 'c',
        schema: {
          kind: 'nullable',
          of: {
            kind: 'map',
            key: { kind: 'string' },
            value: { kind: 'tuple', elements: [{ kind: 'int32' }] },
          },
        },
      },
      {
        name: 'd',
        schema: {
          kind: 'union',
          tag: 'kind',
          variants: [{ name: 'x', fields: [{ name: 'y', schema: { kind: 'literal', values: ['z'] } }] }],
        },
      },
    ],
  })
})

t.test('t - a type that cannot be is refused when it is made', async (t) => {
  const refused = { code: 'TYPE_MISMATCH' }
  t.throws(() => types.object({ ['__proto__']: types.string }), { ...refused, message: /'__proto__'/ })
  t.throws(() => types.literal('a', 'a'), refused)
  t.throws(() => types.nullable(types.nullable(types.string)), refused)
  t.throws(() => types.defaulted(types.int32, 1.5), { ...refused, message: /expected int32/ })
  t.throws(() => types.union('kind', { a: types.object({ kind: types.string }) }), refused)
  t.throws(() => types.union('kind', {}), refused)
})

t.test('t - an Avro schema belongs to its type alone', async (t) => {
  const schema = { type: 'array', items: 'string' }
  const type = types.avro<string[]>(schema)
  schema.items = 'int'
  t.strictSame(type.schema, { kind: 'avro', schema: { type: 'array', items: 'string' } })
})
