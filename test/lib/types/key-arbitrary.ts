/** Random keys of every kind, many of them close to each other. */
import fc from 'fast-check'
import type { Key } from '../../../lib/base/hash.ts'
import { text } from './schema-arbitrary.ts'

const EDGE_NUMBERS = [0, -0, 1, -1, Number.NaN, Infinity, -Infinity, 5e-324, -5e-324, 2 ** 53, -(2 ** 53)]
const EDGE_BIGINTS = [
  0n,
  1n,
  -1n,
  255n,
  256n,
  -255n,
  -256n,
  2n ** 64n,
  -(2n ** 64n),
  2n ** 800n,
  -(2n ** 800n),
]

const simpleKey: fc.Arbitrary<Key> = fc.oneof(
  fc.boolean(),
  fc.double(),
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(...EDGE_NUMBERS),
  fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }),
  fc.constantFrom(...EDGE_BIGINTS),
  text,
  fc.string({ unit: fc.constantFrom('\u0000', 'a', 'ÿ', '\ud83d', '\ude00', '\uffff', '😀'), maxLength: 4 }),
)

export const keyArbitrary: fc.Arbitrary<Key> = fc.oneof(
  { weight: 3, arbitrary: simpleKey },
  {
    weight: 1,
    arbitrary: fc.array(fc.oneof(simpleKey, fc.array(simpleKey, { maxLength: 2 })), { maxLength: 3 }),
  },
)
