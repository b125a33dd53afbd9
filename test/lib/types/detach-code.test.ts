import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import { t as types } from '../../../lib/types/t.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const MEGABYTE = 2 ** 20
const line = types.object({ key: types.string, text: types.string })

/** Bytes of heap that stay when of each of some batches with a megabyte of text one short string is kept. */
function heapKept(batches: number, keep: (decoded: { key: string; text: string }) => string): number {
  const encoder = line.newBatchEncoder()
  const decoder = line.newBatchDecoder()
  const kept: string[] = []
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < batches; i++) {
    for (let k = 0; k < 16; k++)
      encoder.write({ key: `a key of its own ${i}`, text: `${k}`.repeat(MEGABYTE / 64) })
    encoder.write({ key: 'last', text: `the text of batch number ${i}` })
    const out = new ByteWriter()
    encoder.finish(out)
    const into: { key: string; text: string }[] = []
    decoder.decode(new ByteReader(out.view()), 17, into)
    kept.push(keep(into[16]!))
  }
  collectGarbage()
  const after = process.memoryUsage().heapUsed
  t.equal(kept[3], 'the text of batch number 3')
  return after - before
}

t.test('detach - a string kept from a batch keeps its text alive, a detached one does not', async (t) => {
  const pinned = heapKept(40, (decoded) => decoded.text)
  const detached = heapKept(40, (decoded) => line.detach(decoded).text)
  t.ok(pinned > 8 * MEGABYTE, 'a string as decoded is a window on the text of its batch')
  t.ok(detached < 2 * MEGABYTE, 'a detached string is not')
})

t.test('detach - values without strings are returned as they are', async (t) => {
  const point = types.object({ x: types.int32, raw: types.bytes, list: types.list(types.float64) })
  const value = { x: 1, raw: new Uint8Array(1), list: [1] }
  t.equal(point.detach(value), value)
  t.equal(types.int64.detach(5), 5)
  t.equal(types.any.detach(value), value)
})

t.test('detach - parts with strings are new, others are taken over', async (t) => {
  const type = types.object({
    name: types.string,
    numbers: types.list(types.int32),
    names: types.list(types.string),
    map: types.map(types.string, types.int32),
    note: types.optional(types.string),
  })
  const value = { name: 'a long name indeed', numbers: [1], names: ['b'], map: new Map([['c', 1]]), extra: 1 }
  const detached = type.detach(value)
  t.strictSame(detached, {
    name: value.name,
    numbers: [1],
    names: ['b'],
    map: new Map([['c', 1]]),
    note: undefined,
  })
  t.equal(detached.numbers, value.numbers)
  t.not(detached.names, value.names)
})
