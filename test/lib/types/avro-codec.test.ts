import Module from 'node:module'
import fc from 'fast-check'
import t from 'tap'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import { SluiceError } from '../../../lib/base/errors.ts'
import { resolveValues } from '../../../lib/types/compatibility.ts'
import type { AvroSchema } from '../../../lib/types/schema.ts'
import { schemaToType } from '../../../lib/types/schema-type.ts'
import { t as types } from '../../../lib/types/t.ts'
import type { Type } from '../../../lib/types/type.ts'
import { runs } from './schema-arbitrary.ts'

interface Order {
  id: number
  name: string
  raw: Uint8Array
  side: string
  prices: number[]
  labels: Record<string, string>
  note: string | null
  next: Order | null
  hash: Uint8Array
  isOpen: boolean
  small: number
  ratio: number
}

const ORDER = {
  type: 'record',
  name: 'Order',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'name', type: 'string' },
    { name: 'raw', type: 'bytes' },
    { name: 'side', type: { type: 'enum', name: 'Side', symbols: ['BID', 'ASK'] } },
    { name: 'prices', type: { type: 'array', items: 'double' } },
    { name: 'labels', type: { type: 'map', values: 'string' } },
    { name: 'note', type: ['null', 'string'], default: null },
    { name: 'next', type: ['null', 'Order'], default: null },
    { name: 'hash', type: { type: 'fixed', name: 'Hash', size: 2 } },
    { name: 'isOpen', type: 'boolean' },
    { name: 'small', type: 'int' },
    { name: 'ratio', type: 'float' },
  ],
}

const order = types.avro<Order>(ORDER)

const makeOrder = (next: Order | null = null): Order => ({
  id: 5,
  name: 'naïve',
  raw: Buffer.from([1, 2]),
  side: 'ASK',
  prices: [1.5, -0],
  labels: { a: 'b' },
  note: next === null ? null : 'noted',
  next,
  hash: Buffer.from([3, 4]),
  isOpen: true,
  small: -7,
  ratio: 0.5,
})

function rowBytes<T>(type: Type<T>, value: T): Uint8Array {
  const out = new ByteWriter()
  type.row.write(out, value)
  return out.toUint8Array()
}

t.test('avro - values pass through rows and batches', async (t) => {
  const value = makeOrder(makeOrder())
  t.same(order.row.read(new ByteReader(rowBytes(order, value))), value)
  const type = types.object({ at: types.int64, order })
  const encoder = type.newBatchEncoder()
  encoder.write({ at: 1, order: makeOrder() })
  encoder.write({ at: 2, order: value })
  const out = new ByteWriter()
  encoder.finish(out)
  const into: { at: number; order: Order }[] = []
  type.newBatchDecoder().decode(new ByteReader(out.view()), 2, into)
  t.same(into[1], { at: 2, order: value })
})

t.test('avro - decoded bytes do not alias the input', async (t) => {
  const bytes = rowBytes(order, makeOrder())
  const read = order.row.read(new ByteReader(bytes))
  bytes.fill(0)
  t.same([...read.raw], [1, 2])
})

t.test('avro - a value that does not fit is refused with its path', async (t) => {
  const type = types.object({ order })
  const refuse = (change: object, message: RegExp) =>
    t.throws(() => rowBytes(type, { order: { ...makeOrder(), ...change } }), {
      code: 'TYPE_MISMATCH',
      message,
    })
  refuse({ name: 5 }, /^order\.name: expected Avro string, found number 5$/)
  refuse({ prices: [1, 'x'] }, /^order\.prices\.1: expected Avro double, found string 'x'$/)
  refuse({ side: 'BUY' }, /^order\.side: expected Avro enum/)
  const cycle = makeOrder()
  cycle.next = cycle
  t.throws(() => rowBytes(order, cycle), { code: 'TYPE_MISMATCH' })
})

t.test('avro - a schema is checked when the type is made', async (t) => {
  t.throws(() => types.avro({ type: 'recordd' }), {
    code: 'TYPE_MISMATCH',
    message: /expected an Avro schema/,
  })
  t.throws(() => types.avro(5 as unknown as AvroSchema), { code: 'TYPE_MISMATCH' })
})

t.test('avro - a schema survives JSON, changes of it are refused', async (t) => {
  const again = schemaToType(JSON.parse(JSON.stringify(order.schema)))
  t.same(again.row.read(new ByteReader(rowBytes(order, makeOrder()))), makeOrder())
  t.equal(resolveValues(order.schema, again.schema).kind, 'same')
  const resolution = resolveValues(types.avro('string').schema, types.avro('bytes').schema)
  t.match(resolution, { kind: 'incompatible', mismatches: [{ reason: 'another Avro schema' }] })
})

t.test('avro - without avsc the advice is to install it', async (t) => {
  const loader = Module as unknown as { _load: (request: string, ...rest: unknown[]) => unknown }
  const load = loader._load
  loader._load = (request, ...rest) => {
    if (request === 'avsc')
      throw Object.assign(new Error("Cannot find module 'avsc'"), { code: 'MODULE_NOT_FOUND' })
    return load.call(loader, request, ...rest)
  }
  try {
    t.throws(() => types.avro('string'), { code: 'UNSUPPORTED', message: /npm install avsc/ })
  } finally {
    loader._load = load
  }
})

t.test('avro - damaged and random bytes are read or refused', async (t) => {
  const bytes = rowBytes(order, makeOrder(makeOrder()))
  const isHandled = (input: Uint8Array) => {
    try {
      order.row.read(new ByteReader(input))
      return true
    } catch (thrown) {
      if (thrown instanceof SluiceError && thrown.code === 'DECODE_FAILED') return true
      throw thrown
    }
  }
  const damaged = fc.property(
    fc.nat(bytes.length - 1),
    fc.integer({ min: 0, max: 255 }),
    fc.nat(bytes.length),
    (at, byte, cut) => {
      const copy = bytes.slice()
      copy[at] = byte
      return isHandled(copy) && isHandled(copy.subarray(0, cut))
    },
  )
  t.doesNotThrow(() => fc.assert(damaged, runs(1000)))
  const random = fc.property(fc.uint8Array({ maxLength: 60 }), (input) =>
    isHandled(Uint8Array.from([input.length, ...input])),
  )
  t.doesNotThrow(() => fc.assert(random, runs(1000)))
})

t.test('avro - counts and depths that cannot be are refused at once', async (t) => {
  const refuse = (schema: AvroSchema, bytes: number[], message: RegExp) =>
    t.throws(() => types.avro(schema).row.read(new ByteReader(Uint8Array.from([bytes.length, ...bytes]))), {
      code: 'DECODE_FAILED',
      message,
    })
  const billions = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f]
  refuse({ type: 'array', items: 'null' }, billions, /items of an Avro array/)
  refuse({ type: 'array', items: 'string' }, billions, /items of an Avro array/)
  refuse({ type: 'map', values: 'null' }, billions, /items of an Avro array or map/)
  refuse({ type: 'map', values: 'int' }, [2, 18, ...Buffer.from('__proto__'), 2, 0], /other than '__proto__'/)
  refuse('string', billions, /more bytes/)
  refuse('bytes', [1], /expected a size, found -1/)
  refuse('long', new Array(11).fill(0x80), /longer than ten bytes/)
  refuse(['null', 'int'], [4], /one of 2 choices, found 2/)
  refuse('int', [2, 2], /end of an Avro value/)
  const node = { type: 'record', name: 'Node', fields: [{ name: 'next', type: ['null', 'Node'] }] }
  const deep = new ByteWriter()
  deep.bytes(new Uint8Array(1000).fill(2))
  t.throws(() => types.avro(node).row.read(new ByteReader(deep.view())), { message: /128 levels/ })
})
