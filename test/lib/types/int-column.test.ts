import fc from 'fast-check'
import t from 'tap'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import { IntColumnReader, IntColumnWriter, SAFE_INTEGER } from '../../../lib/types/int-column.ts'
import { runs } from './schema-arbitrary.ts'

function finish(column: IntColumnWriter, values: readonly number[]): Uint8Array {
  for (const value of values) column.push(value)
  const out = new ByteWriter()
  column.finish(out)
  return out.toUint8Array()
}

t.test('int column - as many bytes per value as the range of the batch needs', async (t) => {
  const column = new IntColumnWriter()
  const size = (values: number[]) => finish(column, values).length
  t.equal(size([]), 9)
  t.equal(size([2 ** 50, 2 ** 50 + 255]), 9 + 2)
  t.equal(size([2 ** 50, 2 ** 50 + 256]), 9 + 4)
  t.equal(size([-5, 65_531]), 9 + 8)
  t.equal(size([-(2 ** 31), 2 ** 31 - 1]), 9 + 8)
  t.equal(size([0, 2 ** 32]), 1 + 16)
  t.equal(size([Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]), 1 + 16)
})

t.test('int column - values come back whatever their range and number', async (t) => {
  const column = new IntColumnWriter()
  const reader = new IntColumnReader(SAFE_INTEGER)
  const range = fc.constantFrom(1, 255, 256, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 52)
  const property = fc.property(
    fc.maxSafeInteger(),
    range,
    fc.integer({ min: 0, max: 200 }),
    (start, size, count) => {
      const values = Array.from(
        { length: count },
        (_, i) => Math.trunc(start / 2) + Math.floor((size * ((i * 7) % 11)) / 10),
      )
      const input = new ByteReader(finish(column, values))
      reader.load(input, count)
      return input.remaining === 0 && values.every((value, i) => reader.values[i] === value)
    },
  )
  t.doesNotThrow(() => fc.assert(property, runs(500)))
})

t.test('int column - the estimate is exact at every full block', async (t) => {
  const column = new IntColumnWriter()
  for (let i = 0; i < 640; i++) column.push(i * 1000)
  t.equal(column.byteLength, 9 + 640 * 4)
  t.equal(finish(column, []).length, 9 + 640 * 4)
  t.equal(column.byteLength, 9)
})
