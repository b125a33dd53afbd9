import fc from 'fast-check'
import t from 'tap'
import { type Key, keyHash, murmurHash, stringHash } from '../../../lib/base/hash.ts'
import { keyArbitrary } from '../types/key-arbitrary.ts'

t.test('hash - codes are those of Java', async (t) => {
  const codes: [Key, number][] = [
    ['', 0],
    ['hello', 99_162_322],
    ['polygenelubricants', -2_147_483_648],
    [42, 42],
    [-1, -1],
    [2 ** 31, -2_147_483_648],
    [2 ** 32, 1],
    [1.5, 1_073_217_536],
    [Number.NaN, 2_146_959_360],
    [true, 1231],
    [false, 1237],
    [5n, 5],
    [-1n, 0],
    [[], 1],
    [['a', 1], 31 * (31 + 97) + 1],
  ]
  for (const [key, code] of codes) t.equal(keyHash(key), code, String(key))
})

t.test('hash - of a long: both halves of it', async (t) => {
  // Long.hashCode(x) is (int) (x ^ (x >>> 32)).
  const property = fc.property(fc.maxSafeInteger(), (value) => {
    const bits = BigInt.asUintN(64, BigInt(value))
    const expected = Number(BigInt.asIntN(32, bits ^ (bits >> 32n)))
    return keyHash(BigInt(value)) === expected && ((value | 0) === value || keyHash(value) === expected)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2000, seed: 1 }))
})

t.test('hash - murmur is never negative, whatever it is given', async (t) => {
  const property = fc.property(fc.integer(), (code) => {
    const hash = murmurHash(code)
    return Number.isInteger(hash) && hash >= 0
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 5000, seed: 2 }))
})

t.test('hash - equal keys, equal hashes; -0 is 0', async (t) => {
  const property = fc.property(keyArbitrary, (key) => keyHash(structuredClone(key)) === keyHash(key))
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000, seed: 3 }))
  t.equal(keyHash([-0]), keyHash([0]))
  t.equal(stringHash('Aa'), stringHash('BB'))
})

t.test('hash - what is no key is refused', async (t) => {
  for (const wrong of [undefined, null, {}, Symbol('x')]) {
    t.throws(() => keyHash(wrong as unknown as Key), { code: 'USER_FUNCTION_FAILED', message: /key must be/ })
  }
  t.throws(() => keyHash(['a', undefined] as unknown as Key), { code: 'USER_FUNCTION_FAILED' })
})
