import t, { type Test } from 'tap'
import { createLogger, type LogEntry, silentLogger } from '../../../lib/base/logger.ts'
import { LocalBroker } from '../../../lib/bus/local-bus.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { type BusFixture, busContract } from '../../contracts/bus-contract.ts'
import { runVirtually } from '../../support/virtual-time.ts'

async function localFixture(): Promise<BusFixture> {
  const clock = new ManualClock()
  const broker = new LocalBroker({ clock, logger: silentLogger })
  return {
    run: (promise) => runVirtually(clock, promise),
    connect: async (options) => broker.connect(options),
  }
}

busContract(t, 'local bus', localFixture)

const empty = new Uint8Array(0)

t.test('local bus - a full queue drops, counts at the publisher, and recovers', async (t: Test) => {
  const clock = new ManualClock()
  const broker = new LocalBroker({ clock, logger: silentLogger, queuedMax: 3 })
  const bus = broker.connect()
  let count = 0
  bus.subscribe('x', () => count++)
  for (let i = 0; i < 5; i++) bus.publish('x', empty)
  await clock.settle()
  t.equal(count, 3)
  t.equal(bus.stats.dropped, 2)
  bus.publish('x', empty)
  await clock.settle()
  t.equal(count, 4)
})

t.test('local bus - a flood yields to the event loop in between', async (t: Test) => {
  const clock = new ManualClock()
  const bus = new LocalBroker({ clock, logger: silentLogger }).connect()
  let count = 0
  bus.subscribe('x', () => count++)
  for (let i = 0; i < 1000; i++) bus.publish('x', empty)
  let countWhenOthersRan = -1
  clock.defer(() => {
    countWhenOthersRan = count
  })
  await clock.settle()
  t.equal(count, 1000)
  t.ok(countWhenOthersRan > 0 && countWhenOthersRan < 1000, `others ran after ${countWhenOthersRan}`)
})

t.test('local bus - a handler that throws is logged with its subject', async (t: Test) => {
  const clock = new ManualClock()
  const entries: LogEntry[] = []
  const logger = createLogger(clock, 'debug', (entry) => entries.push(entry))
  const bus = new LocalBroker({ clock, logger }).connect()
  bus.subscribe('x.*', () => {
    throw new Error('broken')
  })
  bus.publish('x.y', empty)
  await clock.settle()
  t.match(entries, [{ level: 'error', fields: { subject: 'x.y', error: { message: 'broken' } } }])
})

t.test(
  'local bus - a status listener that throws is logged and hides nothing from the others',
  async (t: Test) => {
    const clock = new ManualClock()
    const entries: LogEntry[] = []
    const logger = createLogger(clock, 'debug', (entry) => entries.push(entry))
    const bus = new LocalBroker({ clock, logger }).connect()
    const heard: string[] = []
    bus.onStatus(() => {
      throw new Error('broken')
    })
    bus.onStatus((status) => heard.push(status))
    await bus.close()
    t.same(heard, ['closed'])
    t.match(entries, [{ event: 'bus status listener threw', fields: { status: 'closed' } }])
  },
)

t.test('local bus - nothing moves unless the clock does', async (t: Test) => {
  const clock = new ManualClock()
  const bus = new LocalBroker({ clock, logger: silentLogger }).connect()
  let count = 0
  bus.subscribe('x', () => count++)
  bus.publish('x', empty)
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(count, 0)
  await clock.settle()
  t.equal(count, 1)
})
