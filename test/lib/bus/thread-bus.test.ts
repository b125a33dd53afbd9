import { once } from 'node:events'
import { MessageChannel, Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { systemClock } from '../../../lib/base/clock.ts'
import { silentLogger } from '../../../lib/base/logger.ts'
import type { Bus } from '../../../lib/bus/bus.ts'
import { LocalBroker } from '../../../lib/bus/local-bus.ts'
import { connectThreadBus, ThreadBusHub } from '../../../lib/bus/thread-bus.ts'
import { type BusFixture, busContract } from '../../contracts/bus-contract.ts'

const environment = { clock: systemClock, logger: silentLogger }

/** Real ports within one thread: what differs from real threads is tested below. */
async function threadFixture(t: Test): Promise<BusFixture> {
  const { hub } = hubOverLocalBus(t)
  return {
    run: (promise) => promise,
    connect: (options) => connectTo(hub, options),
  }
}

function hubOverLocalBus(t: Test): { hub: ThreadBusHub; bus: Bus } {
  const bus = new LocalBroker(environment).connect()
  const hub = new ThreadBusHub(bus, environment)
  t.teardown(() => {
    hub.close()
    return bus.close()
  })
  return { hub, bus }
}

function connectTo(hub: ThreadBusHub, options: { requestsPendingMax?: number } = {}): Promise<Bus> {
  const { port1, port2 } = new MessageChannel()
  hub.attach(port1)
  return connectThreadBus(port2, { ...environment, ...options })
}

busContract(t, 'thread bus', threadFixture)

const bytes = (text: string) => new TextEncoder().encode(text)

async function startEcho(hub: ThreadBusHub): Promise<Worker> {
  const { port1, port2 } = new MessageChannel()
  hub.attach(port1)
  const script = new URL('thread-bus-echo.mjs', import.meta.url)
  const worker = new Worker(script, { workerData: { port: port2 }, transferList: [port2] })
  await once(worker, 'message')
  return worker
}

t.test('thread bus - a worker thread answers, and is nobody once it has ended', async (t) => {
  const { hub, bus } = hubOverLocalBus(t)
  const worker = await startEcho(hub)
  const answer = await bus.request('thread.echo', bytes('across'), 5000)
  t.same(answer.payload, bytes('across'))
  const ended = once(worker, 'exit')
  bus.publish('thread.exit', bytes(''))
  await ended
  await subscribersGone(bus)
  t.pass('the hub dropped its subscriptions')
})

t.test('thread bus - a worker thread that is terminated is nobody either', async (t) => {
  const { hub, bus } = hubOverLocalBus(t)
  const worker = await startEcho(hub)
  await worker.terminate()
  await subscribersGone(bus)
  t.pass('the hub dropped its subscriptions')
})

/** The port's close event may come a few turns after the thread's exit. */
async function subscribersGone(bus: Bus): Promise<void> {
  for (let turn = 0; turn < 1000; turn++) {
    const code = await bus.request('thread.echo', bytes(''), 20).then(
      () => 'ANSWERED',
      (error) => error.code,
    )
    if (code === 'NO_RESPONDERS') return
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new Error('the hub still subscribes for a thread that has ended')
}

t.test('thread bus - closing the hub closes the buses of its threads and fails their requests', async (t) => {
  const { hub, bus } = hubOverLocalBus(t)
  const lent = await connectTo(hub)
  const asked = new Promise((resolve) => bus.subscribe('never', resolve))
  const statuses: string[] = []
  const closed = new Promise<void>((resolve) =>
    lent.onStatus((status) => {
      statuses.push(status)
      resolve()
    }),
  )
  const pending = t.rejects(lent.request('never', bytes(''), 60_000), { code: 'BUS_CLOSED' })
  await asked
  hub.close()
  await Promise.all([pending, closed])
  t.same(statuses, ['closed'])
  bus.publish('x', bytes(''))
  t.equal(bus.stats.published, 2, 'the bus that was lent is open: the request and this')
})

t.test('thread bus - connecting to a port that closes is refused', async (t) => {
  const { port1, port2 } = new MessageChannel()
  const connecting = connectThreadBus(port2, environment)
  port1.close()
  await t.rejects(connecting, { code: 'BUS_CLOSED' })
})

t.test('thread bus - a side that does not keep up loses messages, counted, and recovers', async (t) => {
  const { hub, bus } = hubOverLocalBus(t)
  const lent = await connectTo(hub)
  const sent = 70_000
  let received = 0
  let onReceived = () => {}
  bus.subscribe('flood', () => {
    received++
    onReceived()
  })
  const empty = bytes('')
  for (let i = 0; i < sent; i++) lent.publish('flood', empty)
  t.equal(lent.stats.dropped, sent - 65_536)
  await lent.flush()
  await new Promise<void>((resolve) => {
    onReceived = () => received === 65_536 + 1 && resolve()
    lent.publish('flood', empty)
  })
  t.equal(lent.stats.dropped, sent - 65_536, 'acknowledged messages made room')
})

t.test('thread bus - status of the lent bus is passed on', async (t) => {
  const listeners = new Set<(status: 'connected' | 'disconnected' | 'closed') => void>()
  const local = new LocalBroker(environment).connect()
  const flaky: Bus = Object.create(local, {
    onStatus: {
      value: (listener: (status: 'connected' | 'disconnected' | 'closed') => void) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    },
    payloadBytesMax: { value: 1000 },
  })
  const hub = new ThreadBusHub(flaky, environment)
  t.teardown(() => hub.close())
  const lent = await connectTo(hub)
  const seen: string[] = []
  const closed = new Promise<void>((resolve) =>
    lent.onStatus((status) => {
      seen.push(status)
      if (status === 'closed') resolve()
    }),
  )
  for (const status of ['disconnected', 'connected', 'closed'] as const)
    for (const tell of listeners) tell(status)
  await closed
  t.same(seen, ['disconnected', 'connected', 'closed'])
})
