import fc from 'fast-check'
import t from 'tap'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { SluiceError } from '../../../lib/base/errors.ts'

const READS: ((input: ByteReader) => unknown)[] = [
  (input) => input.u8(),
  (input) => input.u16(),
  (input) => input.u32(),
  (input) => input.i32(),
  (input) => input.f64(),
  (input) => input.varint(),
  (input) => input.zigzag(),
  (input) => input.count(),
  (input) => input.bytes(),
  (input) => input.string(),
  (input) => input.text(),
  (input) => input.skip(3),
]

t.test('byte reader - any bytes are read or refused', async (t) => {
  const property = fc.property(
    fc.uint8Array({ maxLength: 30 }),
    fc.array(fc.constantFrom(...READS), { maxLength: 12 }),
    (bytes, reads) => {
      const input = new ByteReader(bytes)
      try {
        for (const read of reads) read(input)
      } catch (thrown) {
        if (!(thrown instanceof SluiceError && thrown.code === 'DECODE_FAILED')) throw thrown
      }
      return input.remaining >= 0 && input.offset + input.remaining === bytes.length
    },
  )
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2000, seed: 1 }))
})

t.test('byte reader - past the end there is nothing', async (t) => {
  for (const read of READS) {
    t.throws(() => read(new ByteReader(new Uint8Array(0))), { code: 'DECODE_FAILED', details: { length: 0 } })
  }
  const input = new ByteReader(new Uint8Array(3))
  input.skip(2)
  t.throws(() => input.u16(), { message: 'expected 2 more bytes, found 1 (at byte 2 of 3)' })
  t.equal(input.u8(), 0)
})

t.test('byte reader - lengths larger than the input are refused before room is made', async (t) => {
  const claim = new Uint8Array([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x03])
  for (const read of [
    (i: ByteReader) => i.bytes(),
    (i: ByteReader) => i.string(),
    (i: ByteReader) => i.text(),
  ]) {
    t.throws(() => read(new ByteReader(claim)), { code: 'DECODE_FAILED' })
  }
})

t.test('byte reader - integers beyond 2^53 are refused', async (t) => {
  const refused = { code: 'DECODE_FAILED', message: /larger than 2\^53/ }
  const above = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]
  const endless = new Array(100).fill(0x80)
  for (const bytes of [above, endless, [...new Array(9).fill(0x80), 0]]) {
    t.throws(() => new ByteReader(Uint8Array.from(bytes)).varint(), refused)
  }
  t.throws(
    () => new ByteReader(new Uint8Array([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f])).zigzag(),
    refused,
  )
  const largest = new Uint8Array([0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f])
  t.equal(new ByteReader(largest).zigzag(), Number.MAX_SAFE_INTEGER)
})

t.test('byte reader - what is read does not alias the input, a view does', async (t) => {
  const bytes = new Uint8Array([2, 7, 7, 5])
  const input = new ByteReader(bytes)
  const read = input.bytes()
  const view = input.view(1)
  bytes.fill(9)
  t.same([...read], [7, 7])
  t.same([...view], [9])
})

t.test('byte reader - reset starts over with other bytes', async (t) => {
  const input = new ByteReader(new Uint8Array([1]))
  t.equal(input.u8(), 1)
  input.reset(new Uint8Array([2, 3]))
  t.equal(input.remaining, 2)
  t.equal(input.u8(), 2)
})

t.test('byte reader - a window on a larger buffer ends where the window ends', async (t) => {
  const input = new ByteReader(new Uint8Array([1, 2, 3, 4]).subarray(1, 3))
  t.equal(input.u16(), 0x0302)
  t.throws(() => input.u8(), { code: 'DECODE_FAILED' })
})
