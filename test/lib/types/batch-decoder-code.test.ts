import { isDeepStrictEqual } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import t from 'tap'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import { t as types } from '../../../lib/types/t.ts'
import type { Type } from '../../../lib/types/type.ts'

setFlagsFromString('--allow-natives-syntax')
const haveSameMap = new Function('a', 'b', 'return %HaveSameMap(a, b)') as (a: unknown, b: unknown) => boolean

function encode<T>(type: Type<T>, values: readonly T[]): Uint8Array {
  const encoder = type.newBatchEncoder()
  for (const value of values) encoder.write(value)
  const out = new ByteWriter()
  encoder.finish(out)
  return out.toUint8Array()
}

t.test('decoder - all objects of a type have one hidden class, fields in declaration order', async (t) => {
  const type = types.object({
    b: types.optional(types.int32),
    a: types.string,
    c: types.nullable(types.object({ x: types.any })),
  })
  const values = [
    { a: 'x', b: 1, c: null },
    { c: { x: 1 }, a: 'y' },
    { a: 'z', c: { x: 'text' } },
  ]
  const into: (typeof values)[number][] = []
  type.newBatchDecoder().decode(new ByteReader(encode(type, values as never)), 3, into as never)
  t.same(Object.keys(into[1]!), ['b', 'a', 'c'])
  t.ok(haveSameMap(into[0], into[1]) && haveSameMap(into[1], into[2]))
  t.ok(haveSameMap(into[1]!.c, into[2]!.c))
  t.strictSame(into, [
    { b: 1, a: 'x', c: null },
    { b: undefined, a: 'y', c: { x: 1 } },
    { b: undefined, a: 'z', c: { x: 'text' } },
  ])
})

t.test('decoder - shapes of values without a type have one hidden class too', async (t) => {
  const into: unknown[] = []
  types.any.newBatchDecoder().decode(
    new ByteReader(
      encode(types.any, [
        { a: 1, b: 'x' },
        { a: 'y', b: null },
      ]),
    ),
    2,
    into,
  )
  t.ok(haveSameMap(into[0], into[1]))
})

t.test('decoder - fills from the start and touches no more than it decoded', async (t) => {
  const into = ['old', 'old', 'old']
  types.string.newBatchDecoder().decode(new ByteReader(encode(types.string, ['a', 'b'])), 2, into)
  t.strictSame(into, ['a', 'b', 'old'])
  types.string.newBatchDecoder().decode(new ByteReader(encode(types.string, [])), 0, into)
  t.strictSame(into, ['a', 'b', 'old'])
})

t.test('decoder - stops where the batch ends', async (t) => {
  const type = types.object({ id: types.int64, name: types.string, extra: types.any })
  const bytes = encode(type, [{ id: 1, name: 'a', extra: [1] }])
  const input = new ByteReader(Uint8Array.from([...bytes, 99]))
  type.newBatchDecoder().decode(input, 1, [])
  t.equal(input.remaining, 1)
})

t.test('decoder - decoded bytes do not alias the input', async (t) => {
  const type = types.object({ raw: types.bytes, any: types.any })
  const bytes = encode(type, [{ raw: new Uint8Array([1, 2]), any: new Uint8Array([3]) }])
  const into: { raw: Uint8Array; any: unknown }[] = []
  type.newBatchDecoder().decode(new ByteReader(bytes), 1, into)
  bytes.fill(0)
  t.strictSame(into, [{ raw: new Uint8Array([1, 2]), any: new Uint8Array([3]) }])
  t.equal(into[0]!.raw.constructor, Uint8Array)
})

t.test('decoder - a batch of another size than its neighbours leaves them alone', async (t) => {
  const type = types.object({
    id: types.int64,
    is: types.boolean,
    list: types.list(types.string),
    f: types.float64,
  })
  const decoder = type.newBatchDecoder()
  const make = (count: number) =>
    Array.from({ length: count }, (_, id) => ({ id, is: id % 3 === 0, list: [`${id}`], f: id / 2 }))
  for (const count of [3, 70_000, 2, 100, 0, 1]) {
    const into: ReturnType<typeof make> = []
    decoder.decode(new ByteReader(encode(type, make(count))), count, into)
    t.ok(isDeepStrictEqual(into, make(count)), `${count} records`)
  }
})

t.test('decoder - numbers outside the range of their type are refused', async (t) => {
  const decodeAs = (type: Type<number>, bytes: Uint8Array, count = 1) =>
    type.newBatchDecoder().decode(new ByteReader(bytes), count, [])
  const far = encode(types.int64, [2 ** 40])
  t.throws(() => decodeAs(types.int32, far), { code: 'DECODE_FAILED', message: /not an integer/ })
  const near = encode(types.int64, [2 ** 31 - 1, 2 ** 31])
  t.throws(() => decodeAs(types.int32, near, 2), { code: 'DECODE_FAILED', message: /out of range/ })
  const out = new ByteWriter()
  out.u8(8)
  for (const value of [1.5]) out.f64(value)
  t.throws(() => decodeAs(types.timestamp, out.view()), { code: 'DECODE_FAILED' })
  out.reset()
  out.u8(1)
  out.f64(Number.NaN)
  out.u8(0)
  t.throws(() => decodeAs(types.int64, out.view()), { code: 'DECODE_FAILED' })
})
