import t from 'tap'
import { silentLogger } from '../../../lib/base/logger.ts'
import { LocalBroker } from '../../../lib/bus/local-bus.ts'
import { subjects as subjectsOf } from '../../../lib/bus/subjects.ts'
import { BusFramePort } from '../../../lib/network/bus-frame-port.ts'
import type { ChannelAddress } from '../../../lib/network/frame-port.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'

const ADDRESS: ChannelAddress = { jobId: 'job', attempt: 2, edgeId: 'e1', from: 3, to: 4 }

function twoPorts(payloadBytesMax?: number) {
  const clock = new ManualClock()
  const broker = new LocalBroker({
    clock,
    logger: silentLogger,
    ...(payloadBytesMax === undefined ? {} : { payloadBytesMax }),
  })
  const [a, b] = [broker.connect(), broker.connect()].map((bus) => new BusFramePort(bus, subjectsOf('c')))
  return { clock, a: a!, b: b! }
}

t.test(
  'bus frame port - frames reach the other end of their channel, in order, and nobody else',
  async (t) => {
    const { clock, a, b } = twoPorts()
    const received: unknown[] = []
    const note = (who: string) => (frame: Uint8Array) => received.push([who, ...frame])
    const stop = b.receive(ADDRESS, 'data', note('data'))
    a.receive(ADDRESS, 'credit', note('credit'))
    for (const other of [{ attempt: 1 }, { edgeId: 'e2' }, { from: 4 }, { to: 3 }, { jobId: 'job2' }]) {
      b.receive({ ...ADDRESS, ...other }, 'data', note('wrong'))
    }
    a.send(ADDRESS, 'data', Uint8Array.of(1))
    a.send(ADDRESS, 'data', Uint8Array.of(2))
    b.send(ADDRESS, 'credit', Uint8Array.of(3))
    t.same(received, [], 'nothing is delivered from within send')
    await clock.settle()
    t.same(received, [
      ['data', 1],
      ['data', 2],
      ['credit', 3],
    ])
    stop()
    a.send(ADDRESS, 'data', Uint8Array.of(4))
    await clock.settle()
    t.equal(received.length, 3)
    t.notOk(a.isReliable)
  },
)

t.test('bus frame port - frames leave room for what the bus adds, and are never giants', async (t) => {
  t.equal(twoPorts().a.frameBytesMax, 256 * 1024)
  t.equal(twoPorts(10_000).a.frameBytesMax, 10_000 - 1024)
})
