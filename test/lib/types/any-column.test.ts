import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import { t as types } from '../../../lib/types/t.ts'

function throughRow(value: unknown): unknown {
  const out = new ByteWriter()
  types.any.row.write(out, value)
  return types.any.row.read(new ByteReader(out.view()))
}

function throughBatch(values: readonly unknown[]): unknown[] {
  const encoder = types.any.newBatchEncoder()
  for (const value of values) encoder.write(value)
  const out = new ByteWriter()
  encoder.finish(out)
  const into: unknown[] = []
  types.any.newBatchDecoder().decode(new ByteReader(out.view()), values.length, into)
  return into
}

t.test('any - values that other formats lose', async (t) => {
  const values = [
    -0,
    [-0, 0],
    new Map<unknown, unknown>([
      [1, 'a'],
      ['1', 'b'],
      [{ k: 1 }, null],
    ]),
    new Set([1, '1', -0]),
    5n,
    -(2n ** 200n),
    2n ** 63n,
    undefined,
    { a: undefined },
    Number.NaN,
    -Infinity,
    new Date(1_700_000_000_123),
    '\ud800',
    { '\udc00': '\ud83d' },
    /a+[b-c]/giu,
    new Uint8Array([1, 2]),
    new Float64Array([1.5, -0]),
    new BigInt64Array([-1n]),
    new Uint8Array([9, 8]).buffer,
    [undefined, null, true, false],
    2 ** 31,
    -(2 ** 31),
    2 ** 53,
  ]
  const restored = throughBatch(values)
  for (const [i, value] of values.entries()) {
    t.ok(isDeepStrictEqual(throughRow(value), value), `row ${i}`)
    t.ok(isDeepStrictEqual(restored[i], value), `batch ${i}`)
  }
  t.ok(Number.isNaN((throughRow(new Date(Number.NaN)) as Date).getTime()))
  t.same([...new Uint8Array((throughRow(new DataView(new ArrayBuffer(3), 1)) as DataView).buffer)], [0, 0])
})

t.test('any - errors come back with class, name, message and cause', async (t) => {
  const error = throughRow(new TypeError('outer', { cause: new Error('inner') })) as TypeError
  t.ok(error instanceof TypeError)
  t.equal(error.message, 'outer')
  t.equal((error.cause as Error).message, 'inner')
  class Custom extends Error {
    override readonly name = 'valueOf'
  }
  const custom = throughRow(new Custom('m')) as Error
  t.equal(custom.name, 'valueOf')
  t.ok(custom instanceof Error)
})

t.test('any - class instances arrive as plain objects or as their toJSON says', async (t) => {
  class Point {
    x = 1
    readonly length2 = 2
    get y(): number {
      return 5
    }
  }
  t.strictSame(throughRow(new Point()), { x: 1, length2: 2 })
  t.equal(throughRow(new URL('http://a/b')), 'http://a/b')
  t.strictSame(throughRow(Object.create(null)), {})
})

t.test('any - Buffers arrive as byte arrays of their own', async (t) => {
  const value = throughRow(Buffer.from('abc')) as Uint8Array
  t.equal(value.constructor, Uint8Array)
  t.equal(value.buffer.byteLength, 3)
})

t.test('any - what cannot be carried is refused with its path', async (t) => {
  const refuse = (value: unknown, message: string | RegExp) =>
    t.throws(() => throughRow(value), { code: 'TYPE_MISMATCH', message })
  refuse(() => 1, 'value: expected a value that can be encoded, found function')
  refuse({ a: { b: [0, Symbol('s')] } }, 'a.b[1]: expected a value that can be encoded, found symbol')
  refuse(new Set([() => 1]), '[0]: expected a value that can be encoded, found function')
  refuse(new Map([[1, () => 1]]), '{entry}: expected a value that can be encoded, found function')
  refuse({ value: () => 1 }, 'value: expected a value that can be encoded, found function')
  const cycle: { self?: unknown } = {}
  cycle.self = cycle
  refuse(cycle, /at most 64 levels of nesting/)
})

t.test('any - a batch names the fields of a shape once', async (t) => {
  const sizeOf = (count: number) => {
    const encoder = types.any.newBatchEncoder()
    for (let i = 0; i < count; i++) encoder.write({ someRatherLongName: i, inner: { anotherLongName: 'x' } })
    const out = new ByteWriter()
    encoder.finish(out)
    return out.length
  }
  t.ok(sizeOf(101) - sizeOf(1) < 100 * 12)
})

t.test('any - more shapes than a batch lists, and shapes with very many fields', async (t) => {
  const many = Array.from({ length: 300 }, (_, i) => ({ [`field${i % 150}`]: i, other: { [`f${i}`]: 1 } }))
  t.ok(isDeepStrictEqual(throughBatch(many), many))
  const wide = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`x${i}`, i]))
  t.ok(isDeepStrictEqual(throughBatch([wide, wide]), [wide, wide]))
})

t.test('any - a decoder meets thousands of shapes over time', async (t) => {
  const encoder = types.any.newBatchEncoder()
  const decoder = types.any.newBatchDecoder()
  for (let batch = 0; batch < 60; batch++) {
    const values = Array.from({ length: 60 }, (_, i) => ({ [`b${batch}f${i}`]: i }))
    for (const value of values) encoder.write(value)
    const out = new ByteWriter()
    encoder.finish(out)
    const into: unknown[] = []
    decoder.decode(new ByteReader(out.view()), values.length, into)
    t.ok(isDeepStrictEqual(into, values), `batch ${batch}`)
  }
})

t.test('any - bytes that are none of its values are refused', async (t) => {
  const refuse = (bytes: number[], message: RegExp) =>
    t.throws(() => types.any.row.read(new ByteReader(Uint8Array.from(bytes))), {
      code: 'DECODE_FAILED',
      message,
    })
  refuse([99], /tag of a value/)
  refuse([10, 0], /one of 0 shapes/)
  refuse([15, 200, 0], /class of binary data/)
  refuse([15, 9, 1, 0], /whole elements of Float64Array/)
  refuse([16, 2, 40, 0], /regular expression/)
  refuse([7, 3, 0, 0, 0], /expected a bigint/)
  refuse([8, 5, 1], /expected 5 more bytes/)
  const batch = (bytes: number[], message: RegExp) =>
    t.throws(() => types.any.newBatchDecoder().decode(new ByteReader(Uint8Array.from(bytes)), 1, []), {
      code: 'DECODE_FAILED',
      message,
    })
  batch([65], /at most 64 shapes/)
  batch([1, 65], /at most 64 fields/)
  batch([0, 0], /expected 1 values/)
})
