/** Reading ahead is bounded, and goes on when blocks are taken. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../../../lib/base/clock.ts'
import { lines } from '../../../../lib/connectors/files/lines.ts'
import { ReadAhead } from '../../../../lib/connectors/files/read-ahead.ts'
import { temporaryDirectory } from '../../../support/nats-server.ts'

/** Enough turns of the event loop for a small file to be read many times. */
const TURNS = 200

t.test('read ahead - no more blocks than allowed are held', async (t) => {
  const path = join(temporaryDirectory(t), 'file')
  writeFileSync(path, 'four\n'.repeat(20))
  let blockCount = 0
  let isDrained = false
  const ahead = new ReadAhead({
    format: lines(),
    blockBytes: 10,
    recordBytesMax: 100,
    blocksMax: 3,
    onBlock: () => blockCount++,
    onDrained: () => {
      isDrained = true
    },
    onError: (error) => t.fail(String(error)),
  })
  const split = { id: 'a', path, position: 0, end: 100, isAligned: true }
  ahead.add({ split, decoder: null })
  const settle = async () => {
    for (let turn = 0; turn < TURNS; turn++) await new Promise<void>((resolve) => systemClock.defer(resolve))
  }
  await settle()
  t.equal(blockCount, 3)
  t.equal(ahead.take()?.offset, 0)
  await settle()
  t.equal(blockCount, 4)
  let offset = 10
  for (let block = ahead.take(); block !== undefined; block = ahead.take()) {
    t.equal(block.offset, offset)
    offset += block.bytes.length
    await settle()
  }
  t.equal(offset, 100)
  t.ok(isDrained)
  await ahead.close()
})
