import fc from 'fast-check'
import t from 'tap'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import { SluiceError } from '../../../lib/base/errors.ts'
import type { Key } from '../../../lib/base/hash.ts'
import { KeyContext } from '../../../lib/state/key-context.ts'
import { fromMapKey, readMapKey, toMapKey, writeMapKey } from '../../../lib/state/map-key.ts'
import { compareKeys, encodeKey } from '../../../lib/types/key-codec.ts'
import { keyArbitrary } from '../types/key-arbitrary.ts'

/** Strings that look like what tuples become. */
const marked = fc.string({ unit: fc.constantFrom('\udfff', '\udffe', 'T', 'S', 'a', '\u0000'), maxLength: 5 })
/** Pairs of integers are kept in fewer bytes than others, if they have 32 bits. */
const nearInt32 = fc.oneof(
  fc.integer(),
  fc.constantFrom(0, -0, 0xffff, 0x10000, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 0.5, 1n, '1'),
)
const pair = fc.array(nearInt32, { minLength: 1, maxLength: 3 })
const key = fc.oneof(keyArbitrary, marked, fc.array(marked, { maxLength: 2 }), pair)

t.test('map key - every key comes back as it was', async (t) => {
  const property = fc.property(key, (key) => compareKeys(fromMapKey(toMapKey(key)), key) === 0)
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500, seed: 1 }))
})

t.test('map key - two keys are one entry of a Map just if they are equal', async (t) => {
  const property = fc.property(key, key, (a, b) => {
    const isSame = new Map([[toMapKey(a), 1]]).has(toMapKey(b))
    return isSame === (compareKeys(a, b) === 0)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1500, seed: 2 }))
  t.not(toMapKey(['a']), toMapKey('a'))
  t.equal(toMapKey([1, ['x']]), toMapKey([1, ['x']]))
})

t.test('map key - is written as the key codec writes the key', async (t) => {
  const property = fc.property(key, (key) => {
    const out = new ByteWriter()
    writeMapKey(out, toMapKey(key))
    const bytes = out.toUint8Array()
    const back = readMapKey(new ByteReader(bytes))
    return Buffer.compare(bytes, encodeKey(key)) === 0 && new Set([back]).has(toMapKey(key))
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 400, seed: 3 }))
})

t.test('map key - what is no key is refused, also where nobody computes a key group', async (t) => {
  for (const wrong of [undefined, null, {}, Symbol('key'), () => 1, [undefined], new Date(0)]) {
    t.throws(() => toMapKey(wrong as unknown as Key), SluiceError, String(wrong))
  }
  for (const wrong of [undefined, null, {}]) {
    t.throws(
      () => new KeyContext(128).set(wrong as unknown as Key, -1),
      { code: 'USER_FUNCTION_FAILED' },
      String(wrong),
    )
  }
  t.throws(() => toMapKey(undefined as unknown as Key), {
    code: 'USER_FUNCTION_FAILED',
    message: /key must be/,
  })
})
