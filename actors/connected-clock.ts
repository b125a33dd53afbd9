/**
 * A clock for judging the silence of others. While our own connection is down nobody can be heard, and afterwards they
 * need a moment to come back too; so its monotonic time stands still until `graceMs` after the connection is back.
 * Without this a NATS server that restarts would take every node and job of the cluster with it.
 */
import type { Clock, TimerHandle } from '../lib/base/clock.ts'
import type { Bus } from '../lib/bus/bus.ts'

export function connectedClock(clock: Clock, bus: Bus, graceMs: number): Clock {
  /** Time that did not count, in all. */
  let lostMs = 0
  let stoppedAtMs: number | null = null
  let grace: TimerHandle | null = null

  const goOn = () => {
    lostMs += clock.monotonic() - (stoppedAtMs ?? clock.monotonic())
    stoppedAtMs = null
  }
  bus.onStatus((status) => {
    grace?.cancel()
    grace = null
    if (status === 'connected') grace = clock.schedule(graceMs, goOn)
    else stoppedAtMs ??= clock.monotonic()
  })
  return {
    now: () => clock.now(),
    monotonic: () => (stoppedAtMs ?? clock.monotonic()) - lostMs,
    schedule: (delayMs, callback) => clock.schedule(delayMs, callback),
    defer: (callback) => clock.defer(callback),
  }
}
