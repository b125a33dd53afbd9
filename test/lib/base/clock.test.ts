import t from 'tap'
import { sleep, systemClock } from '../../../lib/base/clock.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'

t.test('clock - the system clock tells time, calls back and can be stopped', async (t) => {
  t.ok(Math.abs(systemClock.now() - Date.now()) < 1000)
  const startedMs = systemClock.monotonic()
  const cancelled = systemClock.schedule(1, () => t.fail('was cancelled'))
  cancelled.cancel()
  cancelled.cancel()
  // Node would fire a timer of more than 24.8 days at once.
  const far = systemClock.schedule(2 ** 40, () => t.fail('is far away'))
  await sleep(systemClock, 5)
  far.cancel()
  t.ok(systemClock.monotonic() - startedMs >= 4)
  await new Promise<void>((resolve) => systemClock.defer(resolve))
})

t.test('clock - sleep is as long as the clock says', async (t) => {
  const clock = new ManualClock()
  let isAwake = false
  void sleep(clock, 100).then(() => {
    isAwake = true
  })
  await clock.advance(99)
  t.notOk(isAwake)
  await clock.advance(1)
  t.ok(isAwake)
})
