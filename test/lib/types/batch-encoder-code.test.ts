import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import { t as types } from '../../../lib/types/t.ts'
import type { Type } from '../../../lib/types/type.ts'

const trade = types.object({
  symbol: types.string,
  price: types.float64,
  size: types.int32,
  id: types.int64,
  at: types.timestamp,
  isBuy: types.boolean,
  side: types.literal('bid', 'ask'),
  raw: types.bytes,
  big: types.bigint,
  tags: types.list(types.object({ name: types.string })),
  limits: types.map(types.string, types.int32),
  pair: types.tuple(types.int32, types.string),
  note: types.optional(types.string),
  parent: types.nullable(types.object({ id: types.int64 })),
  event: types.union('kind', { opened: types.object({ by: types.string }), closed: types.object({}) }),
  extra: types.any,
})

const fitting = {
  symbol: 'X',
  price: 1.5,
  size: 1,
  id: 1,
  at: 1,
  isBuy: true,
  side: 'bid',
  raw: new Uint8Array(1),
  big: 1n,
  tags: [{ name: 'a' }],
  limits: new Map([['a', 1]]),
  pair: [1, 'a'],
  parent: { id: 1 },
  event: { kind: 'opened', by: 'me' },
  extra: null,
}

/** What must not fit, and the message: the same for batches and rows. */
const MISFITS: [Record<string, unknown>, string][] = [
  [{ symbol: 5 }, 'symbol: expected string, found number 5'],
  [{ symbol: undefined }, 'symbol: expected string, found undefined'],
  [{ price: 'x' }, "price: expected float64, found string 'x'"],
  [{ price: 1n }, 'price: expected float64, found bigint 1n'],
  [{ size: 1.5 }, 'size: expected int32, found number 1.5'],
  [{ size: 2 ** 31 }, 'size: expected int32, found number 2147483648'],
  [{ size: 1n }, 'size: expected int32, found bigint 1n'],
  [{ size: Symbol('s') }, 'size: expected int32, found symbol'],
  [{ id: 2 ** 53 }, 'id: expected int64 (a safe integer), found number 9007199254740992'],
  [{ at: new Date(0) }, 'at: expected timestamp (integer ms), found an instance of Date'],
  [{ isBuy: 1 }, 'isBuy: expected boolean, found number 1'],
  [{ side: 'buy' }, "side: expected 'bid' | 'ask', found string 'buy'"],
  [{ raw: 'x' }, "raw: expected bytes (Uint8Array), found string 'x'"],
  [{ big: 1 }, 'big: expected bigint, found number 1'],
  [{ tags: 'a' }, "tags: expected a list, found string 'a'"],
  [{ tags: [{ name: 'a' }, { name: 1 }] }, 'tags[1].name: expected string, found number 1'],
  [{ tags: [null] }, 'tags[0]: expected an object, found null'],
  [{ limits: {} }, 'limits: expected a Map, found an object'],
  [{ limits: new Map([['a', 'b']]) }, "limits{value}: expected int32, found string 'b'"],
  [{ limits: new Map([[1, 1]]) }, 'limits{key}: expected string, found number 1'],
  [{ pair: [1] }, 'pair: expected a list of 2, found a list of 1'],
  [{ pair: [1, 2] }, 'pair[1]: expected string, found number 2'],
  [{ note: null }, 'note: expected string, found null'],
  [{ parent: undefined }, 'parent: expected an object, found undefined'],
  [{ parent: { id: 'x' } }, "parent.id: expected int64 (a safe integer), found string 'x'"],
  [{ event: { kind: 'moved' } }, "event.kind: expected 'opened' | 'closed', found string 'moved'"],
  [{ event: { kind: 'opened' } }, 'event.by: expected string, found undefined'],
  [{ extra: { list: [1, () => 1] } }, 'extra.list[1]: expected a value that can be encoded, found function'],
]

const asTrade = (value: unknown) => value as Parameters<(typeof trade)['row']['write']>[1]

t.test('encoder - a value that does not fit is refused with its path', async (t) => {
  const encoder = trade.newBatchEncoder()
  for (const [change, message] of MISFITS) {
    encoder.reset()
    t.throws(() => encoder.write(asTrade({ ...fitting, ...change })), { code: 'TYPE_MISMATCH', message })
    t.throws(() => trade.row.write(new ByteWriter(), asTrade({ ...fitting, ...change })), {
      code: 'TYPE_MISMATCH',
      message,
    })
  }
  t.throws(() => encoder.write(asTrade(null)), { message: 'value: expected an object, found null' })
  t.throws(() => types.string.newBatchEncoder().write(asTrade(1) as never), {
    message: 'value: expected string, found number 1',
    details: { path: '' },
  })
})

t.test('encoder - after a refused value and a reset it is as new', async (t) => {
  const encoder = trade.newBatchEncoder()
  const encode = () => {
    const out = new ByteWriter()
    encoder.write(asTrade(fitting))
    encoder.finish(out)
    return out.toUint8Array()
  }
  const before = encode()
  for (const [change] of MISFITS) {
    encoder.write(asTrade(fitting))
    t.throws(() => encoder.write(asTrade({ ...fitting, ...change })))
    encoder.reset()
    t.equal(encoder.count, 0)
  }
  t.strictSame(encode(), before)
})

function roundTrip<T>(type: Type<T>, values: readonly T[]): T[] {
  const encoder = type.newBatchEncoder()
  for (const value of values) encoder.write(value)
  const out = new ByteWriter()
  encoder.finish(out)
  const into: T[] = []
  type.newBatchDecoder().decode(new ByteReader(out.view()), values.length, into)
  return into
}

t.test('encoder - fields beyond the type are not written', async (t) => {
  const point = types.object({ x: types.int32 })
  t.strictSame(roundTrip(point, [{ x: 1, y: 2 } as { x: number }]), [{ x: 1 }])
})

t.test('encoder - getters and inherited fields are read, what every object inherits is not', async (t) => {
  class Point {
    get x(): number {
      return 7
    }
  }
  const type = types.object({
    x: types.int32,
    constructor: types.optional(types.string),
    toString: types.optional(types.any),
  })
  const [point] = roundTrip(type, [new Point() as unknown as { x: number }])
  t.equal(point?.x, 7)
  t.ok(Object.hasOwn(point ?? {}, 'constructor'))
  t.equal(point?.constructor, undefined)
})

t.test('encoder - a literal with many members', async (t) => {
  const members = Array.from({ length: 300 }, (_, i) => `m${i}`) as [string, ...string[]]
  const type = types.literal(...members)
  t.strictSame(roundTrip(type, members), members)
  t.throws(() => type.newBatchEncoder().write('n'), { message: /'m7' \| 292 more, found string 'n'/ })
})

t.test('encoder - integers lose the sign of zero, floats keep it', async (t) => {
  for (const type of [types.int32, types.int64, types.timestamp]) {
    t.ok(
      roundTrip(type, [-0, 1, -0]).every((value) => !Object.is(value, -0)),
      'near together',
    )
    if (type !== types.int32)
      t.ok(
        roundTrip(type, [-0, 2 ** 50]).every((value) => !Object.is(value, -0)),
        'far apart',
      )
  }
  t.ok(Object.is(roundTrip(types.float64, [-0])[0], -0))
})

t.test('encoder - large batches and long strings', async (t) => {
  const type = types.object({ id: types.int64, text: types.string })
  const many = Array.from({ length: 20_000 }, (_, id) => ({ id: id * 3, text: `text ${id}` }))
  t.ok(isDeepStrictEqual(roundTrip(type, many), many))
  const long = [
    { id: 1, text: 'x'.repeat(200_000) },
    { id: 2, text: '€'.repeat(100_000) },
    { id: 3, text: '' },
  ]
  t.strictSame(roundTrip(type, long), long)
})

t.test('encoder - a value nested as deep as types may be', async (t) => {
  let type: Type<unknown> = types.int32
  let value: unknown = 5
  for (let depth = 1; depth < 32; depth++) {
    type = types.list(type)
    value = [value]
  }
  t.strictSame(roundTrip(type, [value]), [value])
})

t.test('encoder - an output at its bound refuses the batch, and a reset repairs the encoder', async (t) => {
  const encoder = types.string.newBatchEncoder()
  encoder.write('a'.repeat(100))
  t.throws(() => encoder.finish(new ByteWriter(16, 50)), { code: 'RECORD_TOO_LARGE' })
  encoder.reset()
  encoder.write('b')
  const out = new ByteWriter()
  encoder.finish(out)
  const into: string[] = []
  types.string.newBatchDecoder().decode(new ByteReader(out.view()), 1, into)
  t.strictSame(into, ['b'])
})
