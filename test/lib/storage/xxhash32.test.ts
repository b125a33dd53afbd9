import fc from 'fast-check'
import t from 'tap'
import { Xxhash32 } from '../../../lib/storage/xxhash32.ts'
import { bytes, pattern } from '../../contracts/blob-store-contract.ts'

const hash = (content: Uint8Array) => new Xxhash32().update(content).digest()

t.test('xxhash32 - values everybody agrees on', async (t) => {
  const known: [text: string, hash: number][] = [
    ['', 0x02cc5d05],
    ['a', 0x550d7456],
    ['abc', 0x32d153ff],
    ['Nobody inspects the spammish repetition', 0xe2293b2f],
  ]
  for (const [text, expected] of known) t.equal(hash(bytes(text)), expected, text)
})

t.test('xxhash32 - pieces of any length and alignment give the hash of the whole', async (t) => {
  const whole = pattern(60_000)
  const expected = hash(whole)
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: whole.length }), { maxLength: 12 }), (cuts) => {
      const ends = [...cuts.sort((a, b) => a - b), whole.length]
      const hasher = new Xxhash32()
      let start = 0
      for (const end of ends) {
        hasher.update(whole.subarray(start, end))
        hasher.digest()
        start = end
      }
      return hasher.digest() === expected
    }),
  )
  const shifted = new Uint8Array(whole.length + 1)
  shifted.set(whole, 1)
  t.equal(hash(shifted.subarray(1)), expected)
})

t.test('xxhash32 - every flipped bit shows', async (t) => {
  const content = pattern(131)
  const expected = hash(content)
  let missed = 0
  for (let bit = 0; bit < content.length * 8; bit++) {
    content[bit >> 3]! ^= 1 << (bit & 7)
    if (hash(content) === expected) missed++
    content[bit >> 3]! ^= 1 << (bit & 7)
  }
  t.equal(missed, 0)
})
