import t from 'tap'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import { StringColumnReader, StringColumnWriter } from '../../../lib/types/string-column.ts'

function finish(column: StringColumnWriter): Uint8Array {
  const out = new ByteWriter()
  column.finish(out)
  return out.toUint8Array()
}

function read(bytes: Uint8Array, count: number): string[] {
  const column = new StringColumnReader()
  column.load(new ByteReader(bytes), count)
  let at = 0
  return Array.from({ length: count }, (_, i) => {
    const start = at
    at += column.lengths[i]!
    return column.heap.substring(start, at)
  })
}

t.test('string column - one byte per character up to U+00FF, two from there', async (t) => {
  const column = new StringColumnWriter()
  for (const text of ['abc', 'ÿ']) column.push(text)
  t.equal(Buffer.from(finish(column)).toString('hex'), '010301' + '00' + '616263ff')
  for (const text of ['a', '€']) column.push(text)
  t.equal(Buffer.from(finish(column)).toString('hex'), '010101' + '01' + '6100ac20')
})

t.test('string column - wide text after much narrow text widens all of it', async (t) => {
  const texts = [
    ...Array.from({ length: 3000 }, (_, i) => `${'y'.repeat(50)}${i}ÿ`),
    '€',
    'z',
    '\ud800',
    'é'.repeat(70_000),
  ]
  const column = new StringColumnWriter()
  for (const text of texts) column.push(text)
  t.strictSame(read(finish(column), texts.length), texts)
  column.push('narrow again')
  t.equal(finish(column).length, 1 + 1 + 1 + 12)
})

t.test('string column - a large string moves through in one piece', async (t) => {
  const column = new StringColumnWriter()
  const large = 'l'.repeat(2_000_000)
  for (const text of ['a', large, 'b']) column.push(text)
  t.equal(column.byteLength, 1 + 1 + 3 * 4 + 2_000_002)
  t.strictSame(read(finish(column), 3), ['a', large, 'b'])
  t.equal(column.byteLength, 2)
})

t.test('string column - the estimate remembers that text was wide', async (t) => {
  const column = new StringColumnWriter()
  for (const round of [1, 2]) {
    for (let i = 0; i < 100; i++) column.push('жжжжжжжжжж')
    if (round === 2) t.equal(column.byteLength, finish(column).length)
    else finish(column)
  }
})

t.test('string column - lengths and heap must agree', async (t) => {
  const load = (bytes: number[]) => () =>
    new StringColumnReader().load(new ByteReader(Uint8Array.from(bytes)), 1)
  t.throws(load([1, 2, 0, 97]), { code: 'DECODE_FAILED', message: /expected 2 more bytes/ })
  t.throws(load([1, 1, 2, 97]), { code: 'DECODE_FAILED', message: /one or two bytes per character/ })
  t.throws(load([4, 0, 0, 0, 0xff, 0]), { code: 'DECODE_FAILED', message: /characters/ })
  t.throws(load([3, 0, 0, 0, 0]), { code: 'DECODE_FAILED', message: /width/ })
})
