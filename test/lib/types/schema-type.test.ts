import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import { resolveValues } from '../../../lib/types/compatibility.ts'
import { parseSchema } from '../../../lib/types/schema.ts'
import { schemaToType } from '../../../lib/types/schema-type.ts'
import type { BatchDecoder, BatchEncoder } from '../../../lib/types/type.ts'
import { anyValue, decodedForm, recordsArbitrary, runs, schemaArbitrary } from './schema-arbitrary.ts'

const RUNS = runs(150)

function encodeBatch(encoder: BatchEncoder<unknown>, values: readonly unknown[]): Uint8Array {
  const out = new ByteWriter()
  for (const value of values) encoder.write(value)
  encoder.finish(out)
  return out.toUint8Array()
}

function decodeBatch(decoder: BatchDecoder<unknown>, bytes: Uint8Array, count: number): unknown[] {
  const into: unknown[] = []
  const input = new ByteReader(bytes)
  decoder.decode(input, count, into)
  if (input.remaining > 0) throw new Error(`${input.remaining} bytes were not read`)
  return into
}

t.test('type - a batch of any type is decoded to what was written, cycle after cycle', async (t) => {
  const property = fc.property(recordsArbitrary(), fc.nat(3), ({ schema, values }, offset) => {
    const type = schemaToType(schema)
    const encoder = type.newBatchEncoder()
    const decoder = type.newBatchDecoder()
    for (const part of [values, values.slice(offset), [], values]) {
      const decoded = decodeBatch(decoder, encodeBatch(encoder, part), part.length)
      const expected = part.map((value) => decodedForm(schema, value))
      if (!isDeepStrictEqual(decoded, expected)) return false
    }
    return encoder.count === 0
  })
  t.doesNotThrow(() => fc.assert(property, RUNS))
})

t.test('type - a batch that was reset halfway leaves no trace', async (t) => {
  const property = fc.property(recordsArbitrary(), ({ schema, values }) => {
    const encoder = schemaToType(schema).newBatchEncoder()
    const fresh = encodeBatch(encoder, values)
    for (const value of values) encoder.write(value)
    encoder.reset()
    return isDeepStrictEqual(encodeBatch(encoder, values), fresh)
  })
  t.doesNotThrow(() => fc.assert(property, RUNS))
})

t.test('type - a row of any type is read as what was written and ends where it ended', async (t) => {
  const property = fc.property(recordsArbitrary(), ({ schema, values }) => {
    const { row } = schemaToType(schema)
    const out = new ByteWriter()
    for (const value of values) row.write(out, value)
    const input = new ByteReader(out.view())
    const read = values.map(() => row.read(input))
    return (
      input.remaining === 0 &&
      isDeepStrictEqual(
        read,
        values.map((value) => decodedForm(schema, value)),
      )
    )
  })
  t.doesNotThrow(() => fc.assert(property, RUNS))
})

t.test('type - a detached value equals the value', async (t) => {
  const property = fc.property(recordsArbitrary(4), ({ schema, values }) => {
    const type = schemaToType(schema)
    return values.every((value) =>
      isDeepStrictEqual(decodedForm(schema, type.detach(value)), decodedForm(schema, value)),
    )
  })
  t.doesNotThrow(() => fc.assert(property, RUNS))
})

t.test('type - a schema survives JSON and is its own compatible successor', async (t) => {
  const property = fc.property(schemaArbitrary(), (schema) => {
    const type = schemaToType(parseSchema(JSON.parse(JSON.stringify(schema))))
    return isDeepStrictEqual(type.schema, schema) && resolveValues(schema, type.schema).kind === 'same'
  })
  t.doesNotThrow(() => fc.assert(property, RUNS))
})

t.test('type - any two types are the same, migrate or say why not', async (t) => {
  const property = fc.property(schemaArbitrary(), schemaArbitrary(), (written, current) => {
    const resolution = resolveValues(written, current)
    return resolution.kind !== 'incompatible' || resolution.mismatches.length > 0
  })
  t.doesNotThrow(() => fc.assert(property, runs(200)))
})

t.test('type - whatever JavaScript values are made of passes through one without a type', async (t) => {
  const type = schemaToType({ kind: 'any' })
  const encoder = type.newBatchEncoder()
  const decoder = type.newBatchDecoder()
  const property = fc.property(fc.array(anyValue, { maxLength: 5 }), (values) => {
    const rows = new ByteWriter()
    for (const value of values) type.row.write(rows, value)
    const input = new ByteReader(rows.view())
    const read = values.map(() => type.row.read(input))
    const decoded = decodeBatch(decoder, encodeBatch(encoder, values), values.length)
    return isDeepStrictEqual(read, values) && isDeepStrictEqual(decoded, values)
  })
  t.doesNotThrow(() => fc.assert(property, runs(200)))
})

t.test('type - byteLength foretells the size of a batch within a tenth and a constant', async (t) => {
  const property = fc.property(
    recordsArbitrary(1),
    fc.integer({ min: 1, max: 300 }),
    ({ schema, values }, count) => {
      const encoder = schemaToType(schema).newBatchEncoder()
      const many = values.length === 0 ? [] : Array.from({ length: count }, () => values[0])
      const first = encodeBatch(encoder, many).length
      for (const value of many) encoder.write(value)
      // Per column some bytes of header and a block of numbers not measured yet.
      const columns = JSON.stringify(schema).length / 10 + 1
      return Math.abs(encoder.byteLength - first) <= first / 10 + columns * 600
    },
  )
  t.doesNotThrow(() => fc.assert(property, RUNS))
})

t.test('type - values of a type without objects are immutable', async (t) => {
  t.equal(schemaToType({ kind: 'string' }).isImmutable, true)
  t.equal(schemaToType({ kind: 'literal', values: ['a'] }).isImmutable, true)
  t.equal(schemaToType({ kind: 'nullable', of: { kind: 'bigint' } }).isImmutable, true)
  t.equal(schemaToType({ kind: 'bytes' }).isImmutable, false)
  t.equal(schemaToType({ kind: 'any' }).isImmutable, false)
  t.equal(schemaToType({ kind: 'nullable', of: { kind: 'bytes' } }).isImmutable, false)
  t.equal(schemaToType({ kind: 'object', fields: [] }).isImmutable, false)
})
