import fc from 'fast-check'
import t from 'tap'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import type { Key } from '../../../lib/base/hash.ts'
import { compareKeys, encodeKey, KEY_DEPTH_MAX, readKey, writeKey } from '../../../lib/types/key-codec.ts'
import { keyArbitrary } from './key-arbitrary.ts'
import { runs } from './schema-arbitrary.ts'

const read = (bytes: Uint8Array): Key => readKey(new ByteReader(bytes))

/** As keys are equal: -0 is 0, NaN is NaN. */
function isSameKey(a: Key, b: Key): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((key, i) => isSameKey(key, b[i]!))
  return a === b || (Number.isNaN(a) && Number.isNaN(b))
}

t.test('key codec - every key is read as it was written, and nothing after it', async (t) => {
  const property = fc.property(keyArbitrary, keyArbitrary, (a, b) => {
    const out = new ByteWriter()
    writeKey(out, a)
    writeKey(out, b)
    const input = new ByteReader(out.view())
    return isSameKey(readKey(input), a) && isSameKey(readKey(input), b) && input.remaining === 0
  })
  t.doesNotThrow(() => fc.assert(property, runs(1000)))
})

t.test('key codec - bytes sort as the keys do', async (t) => {
  const property = fc.property(keyArbitrary, keyArbitrary, (a, b) => {
    return Math.sign(Buffer.compare(encodeKey(a), encodeKey(b))) === Math.sign(compareKeys(a, b))
  })
  t.doesNotThrow(() => fc.assert(property, runs(3000)))
})

t.test('key codec - equal keys have equal bytes', async (t) => {
  t.same(encodeKey(-0), encodeKey(0))
  t.same(encodeKey([-0]), encodeKey([0]))
  const otherNan = new Float64Array(new BigUint64Array([0xfff8000000000001n]).buffer)[0]!
  t.same(encodeKey(otherNan), encodeKey(Number.NaN))
  t.equal(Object.is(read(encodeKey(-0)), 0), true)
})

t.test('key codec - the order by hand', async (t) => {
  const sorted: Key[] = [
    false,
    true,
    -Infinity,
    -1.5,
    -1,
    -5e-324,
    0,
    5e-324,
    1,
    1.5,
    2,
    Infinity,
    Number.NaN,
    -(2n ** 64n),
    -256n,
    -255n,
    -1n,
    0n,
    1n,
    255n,
    256n,
    2n ** 64n,
    '',
    '\u0000',
    '\u0000a',
    'a',
    'a\u0000',
    'aa',
    'b',
    'é',
    '\ud800',
    '\uffff',
    '😀',
    [],
    [false],
    ['a'],
    ['a', 'b'],
    ['a\u0000'],
    ['b'],
    [[]],
  ]
  const shuffled = sorted.slice().sort((a, b) => Buffer.compare(encodeKey(b), encodeKey(a)))
  t.strictSame(shuffled.sort(compareKeys), sorted)
  t.strictSame(
    shuffled.sort((a, b) => Buffer.compare(encodeKey(a), encodeKey(b))),
    sorted,
  )
})

t.test('key codec - strings with unpaired surrogates, NUL and thousands of characters survive', async (t) => {
  for (const text of [
    '\ud800',
    '\udc00\ud800',
    'a\u0000b',
    '😀\ud83d',
    'ä'.repeat(5000),
    '\u0000'.repeat(70_000),
  ]) {
    t.equal(read(encodeKey(text)), text)
  }
})

t.test('key codec - what is no key is refused', async (t) => {
  t.throws(() => encodeKey({} as unknown as Key), { code: 'TYPE_MISMATCH', message: /found an object/ })
  t.throws(() => encodeKey(null as unknown as Key), { code: 'TYPE_MISMATCH', message: /found null/ })
  t.throws(() => encodeKey([undefined] as unknown as Key), { code: 'TYPE_MISMATCH' })
  let deep: Key = 1
  for (let i = 0; i < KEY_DEPTH_MAX; i++) deep = [deep]
  t.ok(isSameKey(read(encodeKey(deep)), deep))
  t.throws(() => encodeKey([deep]), { code: 'TYPE_MISMATCH', message: /nested at most 16 deep/ })
})

t.test('key codec - bytes of keys do not change', async (t) => {
  const hex = (key: Key) => Buffer.from(encodeKey(key)).toString('hex')
  t.equal(hex(false), '10')
  t.equal(hex(1), '20bff0000000000000')
  t.equal(hex(-1), '20400fffffffffffff')
  t.equal(hex(Number.NaN), '20fff8000000000000')
  t.equal(hex(258n), '31000000020102')
  t.equal(hex(-258n), '30fffffffdfefd')
  t.equal(hex('a\u0000€'), '406100ffe282ac00')
  t.equal(hex('\ud800'), '40eda08000')
  t.equal(hex(['a', 1]), '50406100' + '20bff0000000000000' + '00')
})
