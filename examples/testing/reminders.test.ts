/** How a job is tested: a function in a harness, in all modes, and the job as a whole. Any test framework will do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boundedOutOfOrderness, collection, type DataStream, job } from 'sluice'
import {
  collectSink,
  openHarness,
  record,
  side,
  VirtualCluster,
  verifyInModes,
  watermark,
} from 'sluice/testing'
import { Cart, REMINDER_AFTER_MS, Reminders, strayPayments } from './reminders.ts'

const fill = (customer: string, at: number): Cart => ({ customer, action: 'fill', at })
const pay = (customer: string, at: number): Cart => ({ customer, action: 'pay', at })

/** What is under test: a function on a keyed stream. */
const reminders = (carts: DataStream<Cart>) =>
  carts.keyBy((cart) => cart.customer).process(new Reminders(), { uid: 'reminders' })

test('who does not pay within the hour is reminded, once', async () => {
  const harness = await openHarness(reminders, { types: [Cart] })
  harness.input.push(fill('ann', 0), 0)
  harness.input.push(fill('bob', 10), 10)
  harness.input.push(pay('ann', 20), 20)
  harness.input.watermark(REMINDER_AFTER_MS + 9)
  assert.deepEqual(harness.values(), [])
  harness.input.watermark(REMINDER_AFTER_MS + 10)
  assert.deepEqual(harness.records(), [{ value: 'bob', timestamp: REMINDER_AFTER_MS + 10 }])
  await harness.close()
})

test('reminders survive a restore', async () => {
  const before = await openHarness(reminders, { types: [Cart] })
  before.input.push(fill('ann', 0), 0)
  const snapshot = await before.snapshot()
  await before.close()

  const after = await openHarness(reminders, { types: [Cart], restore: snapshot })
  after.input.watermark(REMINDER_AFTER_MS)
  assert.deepEqual(after.values(), ['ann'])
  await after.close()
})

test('records one at a time or together, restored or rescaled in between: all the same', async () => {
  await verifyInModes(reminders, {
    steps: [
      record(fill('ann', 0), 0),
      record(fill('bob', 10), 10),
      record(pay('cem', 15), 15),
      record(fill('ann', 20), 20),
      watermark(REMINDER_AFTER_MS + 10),
      record(pay('ann', 5000), 5000),
    ],
    expect: ['bob'],
    sides: [side(strayPayments, [pay('cem', 15)])],
    options: { types: [Cart] },
  })
})

test('the whole job, in virtual time', async () => {
  const cluster = await VirtualCluster.start({ slots: 2 })
  const reminded = collectSink<string>()
  const carts = [fill('ann', 0), fill('bob', 10), pay('ann', 20)]
  const reminding = job('reminders', (env) => {
    env
      .source(collection(carts, Cart), { parallelism: 1 })
      .watermarks(boundedOutOfOrderness('1m', (cart) => cart.at))
      .keyBy((cart) => cart.customer)
      .process(new Reminders())
      .sinkTo(reminded)
  })
  await (await cluster.submit(reminding, { parallelism: 2 })).waitForEnd()
  assert.deepEqual(reminded.items, ['bob'])
  await cluster.close()
})
