import t from 'tap'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import { IntColumnReader, IntColumnWriter, SAFE_INTEGER } from '../../../lib/types/int-column.ts'

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
  const ranges = [0, 1, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 51]
  for (const range of ranges) {
    for (const start of [0, -1, 2 ** 51, -(2 ** 52), 1_700_000_000_000]) {
      for (const count of [0, 1, 2, 63, 64, 65, 128, 200]) {
        const values = Array.from(
          { length: count },
          (_, i) => start + Math.floor((range * ((i * 7) % 11)) / 10),
        )
        const input = new ByteReader(finish(column, values))
        reader.load(input, count)
        const isSame = input.remaining === 0 && values.every((value, i) => reader.values[i] === value)
        if (!isSame) t.fail(`range ${range}, start ${start}, count ${count}`)
      }
    }
  }
  t.pass('all ranges, starts and counts')
})

t.test('int column - the estimate is exact at every full block', async (t) => {
  const column = new IntColumnWriter()
  for (let i = 0; i < 640; i++) column.push(i * 1000)
  t.equal(column.byteLength, 9 + 640 * 4)
  t.equal(finish(column, []).length, 9 + 640 * 4)
  t.equal(column.byteLength, 9)
})
