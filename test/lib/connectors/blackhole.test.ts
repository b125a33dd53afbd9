import t from 'tap'
import { blackholeSink } from '../../../lib/connectors/blackhole.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { SinkDriver } from './sink-driver.ts'

t.test('blackhole sink - counts', async (t) => {
  const driver = await SinkDriver.open(blackholeSink<number>())
  driver.write(1)
  driver.write(2, 5)
  t.same(driver.metrics.read(), { records_dropped_on_purpose_total: 2 })
  await driver.close()
})

t.test('blackhole sink - the lag of records before an event time is left out', async (t) => {
  const clock = new ManualClock(100_000)
  const nowMs = clock.now()
  const driver = await SinkDriver.open(blackholeSink<number>({ lag: { since: nowMs - 100 } }), { clock })
  for (const lagMs of [5000, 101, 100, 50]) driver.write(lagMs, nowMs - lagMs)
  t.match(driver.metrics.read(), {
    records_dropped_on_purpose_total: 4,
    event_time_lag_ms_min: 50,
    event_time_lag_ms_p999: 100,
  })
  await driver.close()
})

t.test('blackhole sink - tells how far records are behind the clock', async (t) => {
  const clock = new ManualClock(100_000)
  const driver = await SinkDriver.open(blackholeSink<number>({ lag: true }), { clock })
  const nowMs = clock.now()
  t.equal(driver.metrics.read().event_time_lag_ms_p99, 0, 'nothing is known yet')
  for (let lagMs = 1; lagMs <= 1000; lagMs++) driver.write(lagMs, nowMs - lagMs)
  driver.write(0)
  driver.write(0, nowMs - 90_000)
  t.match(driver.metrics.read(), {
    records_dropped_on_purpose_total: 1002,
    event_time_lag_ms_min: 1,
    event_time_lag_ms_p50: 500,
    event_time_lag_ms_p99: 990,
    event_time_lag_ms_p999: 999,
  })
  await driver.close()
})
