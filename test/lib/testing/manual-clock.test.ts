import t from 'tap'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'

t.test('manual clock - timers fire in order of time, then of setting, each at its own time', async (t) => {
  const clock = new ManualClock(5000)
  const fired: string[] = []
  const note = (name: string) => () => fired.push(`${name} at ${clock.monotonic()}, ${clock.now()}`)
  clock.schedule(20, note('c'))
  clock.schedule(10, note('a'))
  clock.schedule(10, note('b'))
  clock.schedule(10, note('x')).cancel()
  clock.schedule(31, note('late'))
  await clock.advance(30)
  t.same(fired, ['a at 10, 5010', 'b at 10, 5010', 'c at 20, 5020'])
  t.equal(clock.monotonic(), 30)
  t.equal(clock.timerCount, 1)
})

t.test('manual clock - what timers set on the way fires on the way', async (t) => {
  const clock = new ManualClock()
  const firedAtMs: number[] = []
  const again = () => {
    firedAtMs.push(clock.monotonic())
    clock.schedule(10, again)
  }
  clock.schedule(10, again)
  await clock.advance(35)
  t.same(firedAtMs, [10, 20, 30])
})

t.test('manual clock - deferred work and promises come to rest before time moves', async (t) => {
  const clock = new ManualClock()
  const order: string[] = []
  clock.schedule(0, () => order.push('timer'))
  clock.defer(() => {
    order.push('deferred')
    void Promise.resolve()
      .then(() => {})
      .then(() => {
        order.push('promise')
        clock.defer(() => order.push('deferred by promise'))
      })
  })
  clock.defer(() => order.push('second'))
  await clock.advance(0)
  t.same(order, ['deferred', 'promise', 'second', 'deferred by promise', 'timer'])
})

t.test('manual clock - settle moves no time, advanceUntil stops when done', async (t) => {
  const clock = new ManualClock()
  let count = 0
  const tick = () => {
    count++
    clock.schedule(10, tick)
  }
  clock.schedule(10, tick)
  await clock.settle()
  t.equal(count, 0)
  t.equal(await clock.advanceUntil(() => count === 3, 1000), true)
  t.equal(clock.monotonic(), 30)
  t.equal(await clock.advanceUntil(() => count === 100, 50), false)
  t.equal(clock.monotonic(), 80)
})

t.test('manual clock - the wall clock may jump, durations do not', async (t) => {
  const clock = new ManualClock(1000)
  await clock.advance(10)
  clock.setWallClock(50)
  t.equal(clock.now(), 50)
  t.equal(clock.monotonic(), 10)
  await clock.advance(5.5)
  t.equal(clock.now(), 55)
  t.equal(clock.monotonic(), 15.5)
})
