/**
 * Time that moves when the test says so. Timers that are due at the same moment fire in the order in which they
 * were set; what was deferred runs before time moves on; promises settle in between. Nothing depends on how fast
 * the machine is.
 */
import { assert } from '../base/assert.ts'
import { type Clock, systemClock, type TimerHandle } from '../base/clock.ts'

interface Timer {
  readonly dueMs: number
  readonly callback: () => void
}

/** Deferred callbacks after which `settle` gives up: something defers itself for ever. */
const CALLBACKS_MAX = 1_000_000

export class ManualClock implements Clock {
  #monotonicMs = 0
  #wallOffsetMs: number
  /** Sorted by due time; equal ones in order of setting. */
  #timers: Timer[] = []
  #deferred: (() => void)[] = []

  constructor(nowMs = 0) {
    this.#wallOffsetMs = nowMs
  }

  now(): number {
    return Math.floor(this.#monotonicMs) + this.#wallOffsetMs
  }

  monotonic(): number {
    return this.#monotonicMs
  }

  schedule(delayMs: number, callback: () => void): TimerHandle {
    const timer = { dueMs: this.#monotonicMs + Math.max(0, delayMs), callback }
    let index = this.#timers.length
    while (index > 0 && this.#timers[index - 1]!.dueMs > timer.dueMs) index--
    this.#timers.splice(index, 0, timer)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer)
      },
    }
  }

  defer(callback: () => void): void {
    this.#deferred.push(callback)
  }

  /** Lets the wall clock jump; durations do not notice. */
  setWallClock(nowMs: number): void {
    this.#wallOffsetMs = nowMs - Math.floor(this.#monotonicMs)
  }

  /** Timers that are set and have not fired. */
  get timerCount(): number {
    return this.#timers.length
  }

  /** Runs what is deferred, and what that defers, until nothing is left and all promises have settled. */
  async settle(): Promise<void> {
    await promisesSettled()
    for (let count = 0; count < CALLBACKS_MAX; count++) {
      const callback = this.#deferred.shift()
      if (callback === undefined) return
      callback()
      await promisesSettled()
    }
    throw new Error(`deferred work did not come to an end within ${CALLBACKS_MAX} callbacks`)
  }

  /** Moves time on by `ms`, firing what falls due on the way, each at its own time. Settles before and after. */
  async advance(ms: number): Promise<void> {
    await this.advanceUntil(() => false, ms)
  }

  /** As `advance`, but stops as soon as `isDone` holds; returns whether it did. */
  async advanceUntil(isDone: () => boolean, ms: number): Promise<boolean> {
    assert(ms >= 0, 'time that goes forward')
    const endMs = this.#monotonicMs + ms
    await this.settle()
    while (!isDone()) {
      const timer = this.#timers[0]
      if (timer === undefined || timer.dueMs > endMs) {
        this.#monotonicMs = endMs
        return false
      }
      this.#timers.shift()
      this.#monotonicMs = timer.dueMs
      timer.callback()
      await this.settle()
    }
    return true
  }
}

/** One real turn of the event loop: every promise job queued so far, and all it queues, has run. */
function promisesSettled(): Promise<void> {
  return new Promise((resolve) => systemClock.defer(resolve))
}
