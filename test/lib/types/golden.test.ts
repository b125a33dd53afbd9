/**
 * Bytes of every kind of type as an earlier version wrote them, in test/golden/types.json: a change here is a
 * change of the format, which saved state and running jobs depend on. After an intended one:
 *
 *     GOLDEN=write node --import tsx test/lib/types/golden.test.ts
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import type { Key } from '../../../lib/base/hash.ts'
import { encodeKey, readKey } from '../../../lib/types/key-codec.ts'
import { t as types } from '../../../lib/types/t.ts'
import type { Type } from '../../../lib/types/type.ts'

const FILE = new URL('../../golden/types.json', import.meta.url)

interface Golden {
  readonly [name: string]: { readonly row: string; readonly batch: string } | { readonly key: string }
}

const { object, optional, nullable, list, map, tuple, literal, union } = types

const CASES: [string, Type<unknown>, unknown[]][] = [
  ['string', types.string, ['a', 'é', '', '€\ud800', 'x'.repeat(300)]],
  ['string, Latin-1 only', types.string, ['a', 'é', '']],
  ['boolean', types.boolean, [true, false, true]],
  ['int32', types.int32, [0, -1, 2 ** 31 - 1, -(2 ** 31)]],
  ['int32, near', types.int32, [1000, 1001, 1255]],
  ['int64', types.int64, [0, 2 ** 53 - 1, -(2 ** 53) + 1]],
  ['int64, near', types.int64, [2 ** 40, 2 ** 40 + 70_000]],
  ['float64', types.float64, [0, -0, 1.5, Infinity, -Infinity]],
  ['bigint', types.bigint, [0n, -1n, 2n ** 63n, -(2n ** 100n)]],
  ['timestamp', types.timestamp, [1_700_000_000_000, 1_700_000_000_500]],
  ['bytes', types.bytes, [new Uint8Array([1, 2, 3]), new Uint8Array(0)]],
  ['literal', literal('b', 'a'), ['a', 'b']],
  ['list', list(types.int32), [[1, 2], [], [3]]],
  ['list of booleans', list(types.boolean), [[true, false], []]],
  [
    'map',
    map(types.string, types.int32),
    [
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
      new Map(),
    ],
  ],
  [
    'tuple',
    tuple(types.string, types.float64),
    [
      ['a', 1],
      ['b', 2],
    ],
  ],
  ['object', object({ b: types.int32, a: types.string, c: object({}) }), [{ b: 1, a: 'x', c: {} }]],
  [
    'optional',
    object({ a: optional(types.string), b: types.int32 }),
    [
      { a: 'x', b: 1 },
      { a: undefined, b: 2 },
    ],
  ],
  ['nullable', nullable(types.string), ['x', null, 'y']],
  [
    'union',
    union('kind', { a: object({ x: types.int32 }), b: object({}) }),
    [{ kind: 'b' }, { kind: 'a', x: 5 }],
  ],
  [
    'any',
    types.any,
    [{ a: 1, b: [null, 'x', -0] }, { a: 2.5, b: new Map([[1n, new Set([true])]]) }, undefined],
  ],
  [
    'any, more',
    types.any,
    [new Date(5), /x/g, new RangeError('m'), new Uint8Array([1]), new Int16Array([-1]), '€'],
  ],
  ['avro', types.avro({ type: 'array', items: ['null', 'long'] }), [[null, 5], []]],
]

const KEYS: [string, Key][] = [
  ['key tuple', ['user', 5, -1.5, true, 2n ** 70n, -3n, ['a\u0000€']]],
  ['key string', 'naïve \ud800'],
]

function encode(type: Type<unknown>, values: readonly unknown[]): { row: string; batch: string } {
  const rows = new ByteWriter()
  for (const value of values) type.row.write(rows, value)
  const encoder = type.newBatchEncoder()
  for (const value of values) encoder.write(value)
  const batch = new ByteWriter()
  encoder.finish(batch)
  return { row: hex(rows.view()), batch: hex(batch.view()) }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function readerOf(text: string): ByteReader {
  return new ByteReader(Buffer.from(text, 'hex'))
}

if (process.env.GOLDEN === 'write') {
  const golden: Golden = {
    ...Object.fromEntries(CASES.map(([name, type, values]) => [name, encode(type, values)])),
    ...Object.fromEntries(KEYS.map(([name, key]) => [name, { key: hex(encodeKey(key)) }])),
  }
  writeFileSync(FILE, `${JSON.stringify(golden, null, 2)}\n`)
}

const golden = JSON.parse(readFileSync(FILE, 'utf8')) as Golden

for (const [name, type, values] of CASES) {
  t.test(`golden - ${name} has the bytes it always had, and they are still read`, async (t) => {
    const known = golden[name]
    if (known === undefined || 'key' in known) throw new Error(`${name} is missing: write the file anew`)
    t.strictSame(encode(type, values), known)
    const input = readerOf(known.row)
    t.ok(
      isDeepStrictEqual(
        values.map(() => type.row.read(input)),
        values,
      ),
    )
    const into: unknown[] = []
    type.newBatchDecoder().decode(readerOf(known.batch), values.length, into)
    t.ok(isDeepStrictEqual(into, values))
  })
}

for (const [name, key] of KEYS) {
  t.test(`golden - ${name} has the bytes it always had, and they are still read`, async (t) => {
    const known = golden[name]
    if (known === undefined || !('key' in known)) throw new Error(`${name} is missing: write the file anew`)
    t.equal(hex(encodeKey(key)), known.key)
    t.strictSame(readKey(readerOf(known.key)), key)
  })
}
