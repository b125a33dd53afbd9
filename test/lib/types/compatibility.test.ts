import t from 'tap'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import { resolveValues } from '../../../lib/types/compatibility.ts'
import { t as types } from '../../../lib/types/t.ts'
import type { Type } from '../../../lib/types/type.ts'

/** What a value written as one type is when it is read as another. */
function migrate<A, B>(written: Type<A>, current: Type<B>, value: A): B {
  const resolution = resolveValues(written.schema, current.schema)
  if (resolution.kind === 'incompatible')
    throw new Error(resolution.mismatches.map(({ reason }) => reason).join())
  const out = new ByteWriter()
  written.row.write(out, value)
  const input = new ByteReader(out.view())
  return resolution.kind === 'same'
    ? current.row.read(input)
    : (resolution.convert(written.row.read(input)) as B)
}

function reasons<A, B>(written: Type<A>, current: Type<B>): string[] {
  const resolution = resolveValues(written.schema, current.schema)
  return resolution.kind === 'incompatible'
    ? resolution.mismatches.map(({ path, reason }) => `${path}: ${reason}`)
    : []
}

const {
  string,
  int32,
  int64,
  float64,
  object,
  optional,
  nullable,
  defaulted,
  list,
  map,
  tuple,
  literal,
  union,
} = types

t.test('compatibility - a new field is undefined, null or its default', async (t) => {
  const written = object({ a: int32 })
  const current = object({
    first: optional(string),
    a: int32,
    b: nullable(string),
    c: defaulted(list(string), ['x']),
    d: defaulted(types.bigint, 5n),
  })
  const read = migrate(written, current, { a: 1 })
  t.strictSame(read as unknown, { first: undefined, a: 1, b: null, c: ['x'], d: 5n })
  t.same(Object.keys(read), ['first', 'a', 'b', 'c', 'd'])
  t.not(migrate(written, current, { a: 1 }).c, read.c, 'a default is a new value every time')
  t.strictSame(reasons(written, object({ a: int32, b: string })), [
    'b: a new field must be optional, nullable or have a default',
  ])
})

t.test('compatibility - a field that is gone is dropped, fields may change places', async (t) => {
  t.strictSame(migrate(object({ a: int32, b: string }), object({ b: string }), { a: 1, b: 'x' }), { b: 'x' })
  const swapped = migrate(object({ a: int32, b: string }), object({ b: string, a: int32 }), { a: 1, b: 'x' })
  t.same(Object.keys(swapped), ['b', 'a'])
  t.strictSame(migrate(object({ a: int32 }), object({}), { a: 1 }), {})
})

t.test('compatibility - integers widen, and only that way', async (t) => {
  t.equal(migrate(int32, int64, -5), -5)
  t.equal(migrate(int32, float64, 7), 7)
  t.equal(migrate(int64, float64, 2 ** 50), 2 ** 50)
  t.strictSame(reasons(int64, int32), [': another kind of type'])
  t.strictSame(reasons(float64, int64), [': another kind of type'])
  t.strictSame(reasons(int64, types.timestamp), [': another kind of type'])
  t.strictSame(reasons(int32, types.bigint), [': another kind of type'])
})

t.test('compatibility - a value may become optional or nullable, not the other way', async (t) => {
  t.equal(migrate(string, nullable(string), 'x'), 'x')
  t.equal(migrate(nullable(int32), nullable(int64), null), null)
  t.equal(migrate(nullable(int32), nullable(int64), 3), 3)
  t.equal(migrate(int32, nullable(float64), 3), 3)
  t.strictSame(migrate(object({ a: int32 }), object({ a: optional(int64) }), { a: 1 }), { a: 1 })
  t.strictSame(migrate(object({ a: optional(int32) }), object({ a: optional(int64) }), {}) as unknown, {
    a: undefined,
  })
  t.strictSame(reasons(nullable(string), string), [': another kind of type'])
  t.strictSame(reasons(object({ a: optional(int32) }), object({ a: int32 })), ['a: no longer optional'])
})

t.test('compatibility - a default alone changes nothing', async (t) => {
  const plain = object({ a: int32 })
  t.equal(resolveValues(plain.schema, object({ a: defaulted(int32, 1) }).schema).kind, 'same')
  t.equal(
    resolveValues(object({ a: defaulted(int32, 1) }).schema, object({ a: defaulted(int32, 2) }).schema).kind,
    'same',
  )
})

t.test('compatibility - literals and unions may grow, not shrink', async (t) => {
  t.equal(migrate(literal('a', 'b'), literal('c', 'b', 'a'), 'b'), 'b')
  t.strictSame(reasons(literal('a', 'b', 'c'), literal('b')), [': no longer one of the literals: a, c'])
  const written = union('kind', { a: object({ x: int32 }), b: object({}) })
  const current = union('kind', {
    new: object({}),
    b: object({}),
    a: object({ y: optional(string), x: int64 }),
  })
  t.strictSame(migrate(written, current, { kind: 'a', x: 1 }) as unknown, { kind: 'a', y: undefined, x: 1 })
  t.strictSame(migrate(written, current, { kind: 'b' }), { kind: 'b' })
  t.strictSame(reasons(current, written), [': no longer a variant: new', '<a>.x: another kind of type'])
  t.strictSame(reasons(written, union('type', { a: object({ x: int32 }), b: object({}) })), [
    ": told apart by 'type', not 'kind'",
  ])
})

t.test('compatibility - parts follow the same rules', async (t) => {
  t.strictSame(migrate(list(int32), list(float64), [1, 2]), [1, 2])
  t.strictSame(
    migrate(list(object({ a: int32 })), list(object({ a: int64, b: nullable(string) })), [{ a: 1 }]),
    [{ a: 1, b: null }],
  )
  t.strictSame(migrate(map(int32, int32), map(int64, nullable(int32)), new Map([[1, 2]])), new Map([[1, 2]]))
  t.strictSame(migrate(tuple(int32, string), tuple(int64, nullable(string)), [1, 'x']), [1, 'x'])
  t.strictSame(reasons(tuple(int32), tuple(int32, int32)), [': another number of elements'])
})

t.test('compatibility - all mismatches are listed, each with path, both types and reason', async (t) => {
  const written = object({
    a: string,
    b: list(object({ c: int64 })),
    d: map(string, float64),
    e: tuple(string),
  })
  const current = object({
    a: int32,
    b: list(object({ c: int32, n: string })),
    d: map(int32, int64),
    e: tuple(int32),
  })
  t.strictSame(resolveValues(written.schema, current.schema), {
    kind: 'incompatible',
    mismatches: [
      { path: 'a', written: 'string', current: 'int32', reason: 'another kind of type' },
      { path: 'b[].c', written: 'int64', current: 'int32', reason: 'another kind of type' },
      {
        path: 'b[].n',
        written: 'nothing',
        current: 'string',
        reason: 'a new field must be optional, nullable or have a default',
      },
      { path: 'd{key}', written: 'string', current: 'int32', reason: 'another kind of type' },
      { path: 'd{value}', written: 'float64', current: 'int64', reason: 'another kind of type' },
      { path: 'e[0]', written: 'string', current: 'int32', reason: 'another kind of type' },
    ],
  })
})
