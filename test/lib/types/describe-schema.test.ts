import t from 'tap'
import { describeSchema } from '../../../lib/types/describe-schema.ts'
import { t as types } from '../../../lib/types/t.ts'
import type { Type } from '../../../lib/types/type.ts'

const { string, int32, float64, object, optional, nullable, defaulted, list, map, tuple, literal, union } =
  types

t.test('describe schema - as TypeScript would write it', async (t) => {
  const described: [Type<unknown>, string][] = [
    [string, 'string'],
    [types.any, 'any'],
    [list(int32), 'int32[]'],
    [list(nullable(int32)), '(int32 | null)[]'],
    [list(literal('a', 'b')), "('a' | 'b')[]"],
    [map(string, list(float64)), 'Map<string, float64[]>'],
    [tuple(int32, string), '[int32, string]'],
    [object({}), '{}'],
    [
      object({ a: int32, b: optional(string), c: defaulted(int32, 1), 'd-e': nullable(int32) }),
      '{ a: int32; b?: string; c: int32 (has a default); "d-e": int32 | null }',
    ],
    [union('kind', { a: object({ x: int32 }), b: object({}) }), "{ kind: 'a'; x: int32 } | { kind: 'b' }"],
    [types.avro('string'), 'Avro "string"'],
  ]
  for (const [type, text] of described) t.equal(describeSchema(type.schema), text)
})
