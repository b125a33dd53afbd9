import fc from 'fast-check'
import t from 'tap'
import { decodeFields, decodeReply, encodeFields, encodeReply } from '../../../lib/actor/wire.ts'

const plain = fc.object({
  maxDepth: 3,
  key: fc.string().filter((key) => key !== '__proto__' && key !== 'kind'),
  values: [
    fc.string(),
    fc.integer(),
    fc.double({ noNaN: true }),
    fc.boolean(),
    fc.constant(null),
    fc.bigInt({ min: 2n ** 60n, max: 2n ** 63n - 1n }),
    fc.uint8Array(),
  ],
})

t.test('wire - fields come back as they were, the kind does not travel', async (t) => {
  fc.assert(
    fc.property(plain, (fields) => {
      const decoded = decodeFields(encodeFields({ ...fields, kind: 'x' }))
      if (!isSame(decoded, fields)) throw new Error('differs')
    }),
  )
  t.notOk('kind' in decodeFields(encodeFields({ kind: 'x', a: 1 })))
})

/** As deepEqual, with -0 equal to 0 and bytes compared as bytes. */
function isSame(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  const [left, right] = [Object.entries(a), b as Record<string, unknown>]
  return left.length === Object.keys(right).length && left.every(([key, value]) => isSame(value, right[key]))
}

t.test('wire - any bytes are a message or DECODE_FAILED, nothing else', async (t) => {
  const code = (decode: () => unknown): string => {
    try {
      decode()
      return 'DECODED'
    } catch (error) {
      return String((error as { code?: string }).code)
    }
  }
  const isOk = (outcome: string) => outcome === 'DECODED' || outcome === 'DECODE_FAILED'
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      return isOk(code(() => decodeFields(bytes))) && isOk(code(() => decodeReply(bytes)))
    }),
    { numRuns: 5000 },
  )
  fc.assert(
    fc.property(plain, fc.nat(), fc.integer({ min: 0, max: 255 }), (fields, at, byte) => {
      const bytes = encodeFields(fields)
      bytes[at % bytes.length] = byte
      return isOk(code(() => decodeFields(bytes)))
    }),
    { numRuns: 5000 },
  )
  t.equal(
    code(() => decodeFields(new Uint8Array(1_000_000).fill(0x91))),
    'DECODE_FAILED',
    'nested a million deep',
  )
  t.equal(
    code(() => decodeFields(new TextEncoder().encode('{"a":'.repeat(1_000_000)))),
    'DECODE_FAILED',
  )
})

t.test('wire - a reply is a value, whatever it is, or an error', async (t) => {
  for (const format of ['msgpack', 'json'] as const) {
    t.same(decodeReply(encodeReply({ value: null }, format)), { value: null })
    t.same(decodeReply(encodeReply({ value: { error: 1 } }, format)), { value: { error: 1 } })
    const error = { code: 'TIMEOUT', message: 'late' } as const
    t.same(decodeReply(encodeReply({ error }, format)), { error })
  }
  t.same(decodeReply(encodeReply({ value: undefined }, 'msgpack')), { value: undefined })
  t.same(decodeReply(encodeReply({ value: undefined }, 'json')), { value: null })
  t.throws(() => decodeReply(encodeFields({ other: 1 })), { code: 'DECODE_FAILED' })
  t.throws(() => decodeReply(encodeFields({ error: 'text' })), { code: 'DECODE_FAILED' })
})

t.test('wire - encoding many messages does not overwrite earlier ones', async (t) => {
  const first = encodeFields({ n: 1 })
  const copy = [...first]
  for (let n = 0; n < 10_000; n++) encodeFields({ n, text: 'x'.repeat(50) })
  t.same([...first], copy)
  t.equal(first.byteLength, first.buffer.byteLength, 'and it is not a window of a large buffer')
})
