/** Collecting: each record once, in order, whatever is committed again. */
import t from 'tap'
import { collectSink } from '../../../lib/connectors/collect.ts'
import { t as type } from '../../../lib/types/t.ts'
import { SinkDriver } from './sink-driver.ts'

t.test('collect - records are there when their checkpoint is complete', async (t) => {
  const rows = collectSink<number>({ type: type.int32 })
  const driver = await SinkDriver.open(rows)
  driver.write(1)
  driver.write(2)
  await driver.checkpoint(1)
  driver.write(3)
  t.same(rows.items, [])
  await driver.complete(1)
  t.same(rows.items, [1, 2])
  await driver.checkpoint(2, true)
  await driver.complete(2)
  t.same(rows.items, [1, 2, 3])
  await driver.close()
})

t.test('collect - what a restored checkpoint has is committed once', async (t) => {
  const rows = collectSink<{ v: string }>()
  const first = await SinkDriver.open(rows)
  first.write({ v: 'a' })
  const snapshot = await first.checkpoint(1)
  first.write({ v: 'lost' })
  await first.complete(1)
  await first.close()
  const second = await SinkDriver.open(rows, { restored: snapshot, attempt: 1 })
  second.write({ v: 'b' })
  await second.checkpoint(2)
  await second.complete(2)
  await second.close()
  t.same(rows.items, [{ v: 'a' }, { v: 'b' }])
  const third = await SinkDriver.open(rows, { restored: snapshot, attempt: 2 })
  t.same(rows.items.length, 2)
  await third.close()
})

t.test('collect - strings are kept without the batch they came in', async (t) => {
  const rows = collectSink<string>({ type: type.string })
  const driver = await SinkDriver.open(rows, { hasCheckpoints: false })
  driver.write('a string long enough to be a part of another')
  await driver.finish()
  t.same(rows.items, ['a string long enough to be a part of another'])
})
