/** Reading ahead is bounded, and goes on when blocks are taken. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sleep, systemClock } from '../../../../lib/base/clock.ts'
import { lines } from '../../../../lib/connectors/files/lines.ts'
import { ReadAhead } from '../../../../lib/connectors/files/read-ahead.ts'
import { temporaryDirectory } from '../../../support/nats-server.ts'

/** Turns of the event loop in which a block too many would mostly show. */
const TURNS = 200
/** What comes at all comes within this: the file system goes at its own pace. */
const PATIENCE_MS = 10_000

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = systemClock.monotonic() + PATIENCE_MS
  while (!condition()) {
    if (systemClock.monotonic() > deadlineMs) throw new Error(`${condition} never came true`)
    await sleep(systemClock, 1)
  }
}

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
  await until(() => blockCount === 3)
  await settle()
  t.equal(blockCount, 3)
  t.equal(ahead.take()?.offset, 0)
  await until(() => blockCount === 4)
  await settle()
  t.equal(blockCount, 4)
  for (let offset = 10; offset < 100; offset += 10) {
    await until(() => blockCount * 10 > offset)
    t.equal(ahead.take()?.offset, offset)
  }
  t.equal(ahead.take(), undefined)
  await until(() => isDrained)
  await ahead.close()
})
