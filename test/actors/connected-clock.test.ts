/** The clock by which a coordinator judges the silence of others. */
import t from 'tap'
import { connectedClock } from '../../actors/connected-clock.ts'
import type { Bus, BusStatus } from '../../lib/bus/bus.ts'
import { ManualClock } from '../../lib/testing/manual-clock.ts'

function setUp() {
  const manual = new ManualClock()
  let tell: (status: BusStatus) => void = () => {}
  const bus = {
    onStatus(listener: (status: BusStatus) => void) {
      tell = listener
      return () => {}
    },
  }
  const clock = connectedClock(manual, bus as unknown as Bus, 100)
  const startMs = clock.monotonic()
  return {
    manual,
    clock,
    elapsed: () => clock.monotonic() - startMs,
    tell: (status: BusStatus) => tell(status),
  }
}

t.test('connected clock - is an ordinary one while the connection is up', async (t) => {
  const { manual, clock, elapsed } = setUp()
  await manual.advance(500)
  t.equal(elapsed(), 500)
  t.equal(clock.now(), manual.now())
  let isCalled = false
  clock.schedule(10, () => {
    isCalled = true
  })
  await manual.advance(10)
  t.ok(isCalled)
})

t.test('connected clock - stands still from the loss until a while after the return', async (t) => {
  const { manual, elapsed, tell } = setUp()
  await manual.advance(500)
  tell('disconnected')
  await manual.advance(10_000)
  t.equal(elapsed(), 500)
  tell('connected')
  await manual.advance(99)
  t.equal(elapsed(), 500)
  await manual.advance(1)
  await manual.advance(50)
  t.equal(elapsed(), 550)
})

t.test('connected clock - a second loss before it goes on keeps it standing', async (t) => {
  const { manual, elapsed, tell } = setUp()
  tell('disconnected')
  await manual.advance(1000)
  tell('connected')
  await manual.advance(50)
  tell('disconnected')
  await manual.advance(1000)
  t.equal(elapsed(), 0)
  tell('connected')
  await manual.advance(100)
  await manual.advance(7)
  t.equal(elapsed(), 7)
})
