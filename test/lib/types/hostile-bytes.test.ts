/** Whatever the bytes, a decoder gives some value or DECODE_FAILED: no other error, no long wait, no flood. */
import fc from 'fast-check'
import t from 'tap'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import { SluiceError } from '../../../lib/base/errors.ts'
import type { Key } from '../../../lib/base/hash.ts'
import { encodeKey, readKey } from '../../../lib/types/key-codec.ts'
import type { Schema } from '../../../lib/types/schema.ts'
import { schemaToType } from '../../../lib/types/schema-type.ts'
import { t as types } from '../../../lib/types/t.ts'
import { keyArbitrary } from './key-arbitrary.ts'
import { recordsArbitrary, runs } from './schema-arbitrary.ts'

/** Where and how bytes are damaged: overwritten, cut, lengthened. */
const damage = fc.record({
  edits: fc.array(
    fc.tuple(fc.nat(), fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0xff, 0x80, 0, 1))),
    {
      minLength: 1,
      maxLength: 4,
    },
  ),
  length: fc.option(fc.nat(), { freq: 2 }),
  tail: fc.uint8Array({ maxLength: 8 }),
})

type Damage = typeof damage extends fc.Arbitrary<infer D> ? D : never

function damaged(bytes: Uint8Array, { edits, length, tail }: Damage): Uint8Array {
  const kept = length === null ? bytes : bytes.subarray(0, length % (bytes.length + 1))
  const result = Uint8Array.from([...kept, ...tail])
  for (const [position, byte] of edits) if (result.length > 0) result[position % result.length] = byte
  return result
}

/** Whether `decode` gave something or refused properly. */
function isHandled(decode: () => unknown): boolean {
  try {
    decode()
    return true
  } catch (thrown) {
    if (thrown instanceof SluiceError && thrown.code === 'DECODE_FAILED') return true
    throw thrown
  }
}

function decodeBatch(schema: Schema, bytes: Uint8Array, count: number): unknown[] {
  const into: unknown[] = []
  schemaToType(schema).newBatchDecoder().decode(new ByteReader(bytes), count, into)
  return into
}

t.test('hostile bytes - a damaged batch is decoded or refused', async (t) => {
  const property = fc.property(
    recordsArbitrary(),
    fc.array(damage, { minLength: 1, maxLength: 20 }),
    (records, all) => {
      const { schema, values } = records
      const encoder = schemaToType(schema).newBatchEncoder()
      for (const value of values) encoder.write(value)
      const out = new ByteWriter()
      encoder.finish(out)
      const decoder = schemaToType(schema).newBatchDecoder()
      return all.every((each) => {
        const bytes = damaged(out.view(), each)
        return isHandled(() => decoder.decode(new ByteReader(bytes), values.length, []))
      })
    },
  )
  t.doesNotThrow(() => fc.assert(property, runs(150)))
})

t.test('hostile bytes - a damaged row is read or refused', async (t) => {
  const property = fc.property(
    recordsArbitrary(2),
    fc.array(damage, { minLength: 1, maxLength: 20 }),
    (records, all) => {
      const { row } = schemaToType(records.schema)
      const out = new ByteWriter()
      for (const value of records.values) row.write(out, value)
      return all.every((each) => isHandled(() => row.read(new ByteReader(damaged(out.view(), each)))))
    },
  )
  t.doesNotThrow(() => fc.assert(property, runs(150)))
})

t.test(
  'hostile bytes - random bytes are decoded or refused, whatever number of records they claim to be',
  async (t) => {
    const property = fc.property(
      recordsArbitrary(0),
      fc.uint8Array({ maxLength: 64 }),
      fc.nat(1000),
      ({ schema }, bytes, count) =>
        isHandled(() => decodeBatch(schema, bytes, count)) &&
        isHandled(() => schemaToType(schema).row.read(new ByteReader(bytes))),
    )
    t.doesNotThrow(() => fc.assert(property, runs(500)))
  },
)

t.test('hostile bytes - a damaged key is read or refused', async (t) => {
  const property = fc.property(keyArbitrary, damage, (key: Key, each) =>
    isHandled(() => readKey(new ByteReader(damaged(encodeKey(key), each)))),
  )
  t.doesNotThrow(() => fc.assert(property, runs(1000)))
})

t.test(
  'hostile bytes - a damaged value without a type is read or refused, and so are random bytes',
  async (t) => {
    const { row } = types.any
    const value = {
      a: [1, 'x', null, { b: new Map([[1n, new Set([new Date(5)])]]) }],
      e: new TypeError('m'),
      r: /x/g,
    }
    const out = new ByteWriter()
    row.write(out, value)
    const damagedValue = fc.property(damage, (each) =>
      isHandled(() => row.read(new ByteReader(damaged(out.view(), each)))),
    )
    t.doesNotThrow(() => fc.assert(damagedValue, runs(1000)))
    const randomBytes = fc.property(fc.uint8Array({ maxLength: 100, max: 20 }), (bytes) =>
      isHandled(() => row.read(new ByteReader(bytes))),
    )
    t.doesNotThrow(() => fc.assert(randomBytes, runs(1000)))
  },
)

const refused = { code: 'DECODE_FAILED' }

t.test(
  'hostile bytes - counts that the bytes cannot hold are refused before anything is allocated',
  async (t) => {
    const huge = new ByteWriter()
    huge.varint(2 ** 32)
    const claims: [string, Schema][] = [
      ['list of empty objects', types.list(types.object({})).schema],
      ['list of nulls', types.list(types.nullable(types.string)).schema],
      ['list of booleans', types.list(types.boolean).schema],
      ['list of lists', types.list(types.list(types.int32)).schema],
      ['map', types.map(types.string, types.string).schema],
      ['string', types.string.schema],
      ['bytes', types.bytes.schema],
      ['bigint', types.bigint.schema],
    ]
    for (const [name, schema] of claims) {
      t.throws(() => schemaToType(schema).row.read(new ByteReader(huge.view())), refused, `row: ${name}`)
      // A width of four bytes, then a length or count of 2^32 - 1.
      const batch = new Uint8Array([4, 0xff, 0xff, 0xff, 0xff])
      t.throws(() => decodeBatch(schema, batch, 1), refused, `batch: ${name}`)
    }
  },
)

t.test(
  'hostile bytes - a batch is refused that is too short for the number of records it claims',
  async (t) => {
    for (const type of [
      types.boolean,
      types.int64,
      types.float64,
      types.string,
      types.any,
      types.literal('a'),
    ]) {
      t.throws(
        () => decodeBatch(type.schema, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 2 ** 32 - 1),
        refused,
      )
    }
  },
)

t.test(
  'hostile bytes - every element of a list takes a byte, so that few bytes cannot make many objects',
  async (t) => {
    const small = [
      types.boolean,
      types.nullable(types.int32),
      types.object({}),
      types.object({ a: types.optional(types.any) }),
    ]
    for (const element of small) {
      const list = types.list(element as typeof types.any)
      const out = new ByteWriter()
      const encoder = list.newBatchEncoder()
      encoder.write(new Array(100).fill(element === types.boolean ? true : element === small[1] ? null : {}))
      encoder.finish(out)
      t.ok(out.length >= 100)
      out.reset()
      list.row.write(
        out,
        new Array(100).fill(element === types.boolean ? true : element === small[1] ? null : {}),
      )
      t.ok(out.length >= 100)
    }
  },
)

t.test('hostile bytes - nesting deeper than values may be written is refused, not followed', async (t) => {
  const lists = new Uint8Array(1_000_000).fill(8)
  for (let i = 1; i < lists.length; i += 2) lists[i] = 1
  t.throws(() => types.any.row.read(new ByteReader(lists)), { ...refused, message: /64 levels of nesting/ })
  t.throws(() => readKey(new ByteReader(new Uint8Array(1_000_000).fill(0x50))), {
    ...refused,
    message: /16 deep/,
  })
})

t.test('hostile bytes - a field named __proto__ in a value without a type is a field', async (t) => {
  const value = JSON.parse('{"__proto__":{"isAdmin":true},"a":1}')
  const out = new ByteWriter()
  types.any.row.write(out, value)
  const read = types.any.row.read(new ByteReader(out.view())) as { isAdmin?: boolean }
  t.equal(read.isAdmin, undefined)
  t.same(Object.keys(read), ['__proto__', 'a'])
  const [decoded] = decodeBatch(types.any.schema, encodeOne(value), 1) as [{ isAdmin?: boolean }]
  t.equal(decoded.isAdmin, undefined)
  t.same(Object.keys(decoded), ['__proto__', 'a'])
  t.equal(({} as { isAdmin?: boolean }).isAdmin, undefined)
})

function encodeOne(value: unknown): Uint8Array {
  const encoder = types.any.newBatchEncoder()
  encoder.write(value)
  const out = new ByteWriter()
  encoder.finish(out)
  return out.toUint8Array()
}
