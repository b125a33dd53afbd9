/**
 * Time as an argument. Everything that waits, measures or stamps takes a {@link Clock}; only this file
 * touches the globals, which is what lets a whole cluster run in virtual time.
 */

export interface TimerHandle {
  /** Idempotent; a timer that has fired is already cancelled. */
  cancel(): void
}

export interface Clock {
  /** Wall-clock time: integer milliseconds since the Unix epoch. May jump. */
  now(): number
  /** Milliseconds with fractions from an arbitrary start; never goes back. For durations. */
  monotonic(): number
  /** Calls back once after `delayMs` (>= 0). */
  schedule(delayMs: number, callback: () => void): TimerHandle
  /** Calls back as soon as pending I/O has had its turn: how a busy loop yields. */
  defer(callback: () => void): void
}

/** Node's timers refuse delays above this (about 24.8 days) and would fire at once. */
const DELAY_MS_MAX = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(0, delayMs), DELAY_MS_MAX))
    return { cancel: () => clearTimeout(timer) }
  },
  defer(callback) {
    setImmediate(callback)
  },
}

/** A promise that resolves after `delayMs`. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(delayMs, resolve)
  })
}
