import fc from 'fast-check'
import t from 'tap'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'

/** One write and the read that mirrors it. */
type Step = { write(out: ByteWriter): void; read(input: ByteReader): unknown; value: unknown }

function step<T>(
  arbitrary: fc.Arbitrary<T>,
  write: (out: ByteWriter, value: T) => void,
  read: (input: ByteReader) => unknown,
): fc.Arbitrary<Step> {
  return arbitrary.map((value) => ({ value, write: (out) => write(out, value), read }))
}

const units = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 100 })
  .map((codes) => String.fromCharCode(...codes))

const anyStep = fc.oneof(
  step(
    fc.integer({ min: 0, max: 0xff }),
    (out, v) => out.u8(v),
    (input) => input.u8(),
  ),
  step(
    fc.integer({ min: 0, max: 0xffff }),
    (out, v) => out.u16(v),
    (input) => input.u16(),
  ),
  step(
    fc.integer({ min: 0, max: 0xffffffff }),
    (out, v) => out.u32(v),
    (input) => input.u32(),
  ),
  step(
    fc.integer(),
    (out, v) => out.i32(v),
    (input) => input.i32(),
  ),
  step(
    fc.double(),
    (out, v) => out.f64(v),
    (input) => input.f64(),
  ),
  step(
    fc.maxSafeNat(),
    (out, v) => out.varint(v),
    (input) => input.varint(),
  ),
  step(
    fc.nat(300),
    (out, v) => out.varint(v),
    (input) => input.varint(),
  ),
  step(
    fc.maxSafeInteger(),
    (out, v) => out.zigzag(v),
    (input) => input.zigzag(),
  ),
  step(
    fc.integer({ min: -100, max: 100 }),
    (out, v) => out.zigzag(v),
    (input) => input.zigzag(),
  ),
  step(
    fc.uint8Array(),
    (out, v) => out.bytes(v),
    (input) => input.bytes(),
  ),
  step(
    fc.string({ unit: 'binary' }),
    (out, v) => out.string(v),
    (input) => input.string(),
  ),
  step(
    units,
    (out, v) => out.text(v),
    (input) => input.text(),
  ),
  step(
    fc.string({ maxLength: 100 }),
    (out, v) => out.text(v),
    (input) => input.text(),
  ),
)

t.test('byte writer - the reader gives back what was written, in order', async (t) => {
  const property = fc.property(fc.array(anyStep, { maxLength: 30 }), fc.nat(40), (steps, capacity) => {
    const out = new ByteWriter(capacity)
    for (const { write } of steps) write(out)
    for (const input of [new ByteReader(out.view()), new ByteReader(out.toUint8Array())]) {
      for (const { read, value } of steps) t.strictSame(read(input), value)
      t.equal(input.remaining, 0)
    }
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 60, seed: 1 }))
})

t.test('byte writer - the bytes are the documented ones', async (t) => {
  const hex = (write: (out: ByteWriter) => void) => {
    const out = new ByteWriter()
    write(out)
    return Buffer.from(out.view()).toString('hex')
  }
  t.equal(
    hex((out) => out.u16(0x1234)),
    '3412',
  )
  t.equal(
    hex((out) => out.u32(0x12345678)),
    '78563412',
  )
  t.equal(
    hex((out) => out.i32(-2)),
    'feffffff',
  )
  t.equal(
    hex((out) => out.f64(1)),
    '000000000000f03f',
  )
  t.equal(
    hex((out) => out.varint(300)),
    'ac02',
  )
  t.equal(
    hex((out) => out.varint(Number.MAX_SAFE_INTEGER)),
    'ffffffffffffff0f',
  )
  t.equal(
    hex((out) => out.zigzag(-1)),
    '01',
  )
  t.equal(
    hex((out) => out.zigzag(64)),
    '8001',
  )
  t.equal(
    hex((out) => out.zigzag(-0)),
    '00',
  )
  t.equal(
    hex((out) => out.zigzag(Number.MIN_SAFE_INTEGER)),
    'fdffffffffffff1f',
  )
  t.equal(
    hex((out) => out.bytes(new Uint8Array([1, 2]))),
    '020102',
  )
  t.equal(
    hex((out) => out.raw(new Uint8Array([1, 2]))),
    '0102',
  )
  t.equal(
    hex((out) => out.string('é')),
    '02c3a9',
  )
  t.equal(
    hex((out) => out.text('é')),
    '02e9',
  )
  t.equal(
    hex((out) => out.text('€')),
    '03ac20',
  )
})

t.test('byte writer - text keeps every character, however long', async (t) => {
  for (const text of [
    '',
    'a'.repeat(70_000),
    '€'.repeat(70_000),
    `${'a'.repeat(40)}\ud800`,
    '\udc00',
    'ÿ'.repeat(33),
  ]) {
    const out = new ByteWriter()
    out.text(text)
    t.equal(new ByteReader(out.view()).text(), text)
  }
})

t.test('byte writer - at the bound it refuses', async (t) => {
  const tooLarge = { code: 'RECORD_TOO_LARGE', details: { bytesMax: 10 } }
  const out = new ByteWriter(4, 10)
  out.f64(1)
  out.u16(1)
  t.equal(out.length, 10)
  t.throws(() => out.u8(1), tooLarge)
  t.throws(() => out.bytes(new Uint8Array(20)), tooLarge)
  t.throws(() => out.text('a'.repeat(100)), tooLarge)
  out.truncate(8)
  out.u16(2)
  t.equal(out.length, 10)
  out.reset()
  t.throws(() => out.text('a'.repeat(20)), tooLarge)
  t.throws(() => new ByteWriter(64, 0).u8(1), { code: 'RECORD_TOO_LARGE' })
})

t.test('byte writer - what is no unsigned integer is a bug of the caller', async (t) => {
  for (const value of [-1, 1.5 + 2 ** 40, Number.NaN, Infinity, 2 ** 53]) {
    t.throws(() => new ByteWriter().varint(value), { name: 'AssertionFailure' })
  }
  t.throws(() => new ByteWriter().zigzag(2 ** 53), { name: 'AssertionFailure' })
})

t.test('byte writer - a length is patched in afterwards', async (t) => {
  const out = new ByteWriter()
  const at = out.claim(4)
  out.string('abc')
  out.setU32(at, out.length)
  t.equal(new ByteReader(out.view()).u32(), 8)
  t.throws(() => out.setU32(out.length - 3, 1), { name: 'AssertionFailure' })
})

t.test('byte writer - a copy stays as it is when the writer is used again', async (t) => {
  const out = new ByteWriter()
  out.u8(1)
  const copy = out.toUint8Array()
  const view = out.view()
  out.reset()
  out.u8(2)
  t.equal(copy[0], 1)
  t.equal(view[0], 2)
  t.equal(copy.buffer.byteLength, 1)
})

t.test('byte writer - a buffer that grew huge is given back', async (t) => {
  const out = new ByteWriter()
  out.raw(new Uint8Array(5_000_000))
  out.reset()
  t.equal(out.buffer.length, 256)
  out.raw(new Uint8Array(100_000))
  out.reset()
  t.ok(out.buffer.length >= 100_000)
})
