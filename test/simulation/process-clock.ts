/**
 * The clock of one simulated process, on top of the one that the whole simulation shares. Looking at it costs time, as
 * work does: a process that is busy runs ahead, and what it defers happens that much later. And it can be stopped for
 * good, which is how a process dies: nothing that waits for it ever happens.
 */
import type { Clock, TimerHandle } from '../../lib/base/clock.ts'
import type { ManualClock } from '../../lib/testing/manual-clock.ts'

export class ProcessClock implements Clock {
  readonly #shared: ManualClock
  readonly #lookMs: number
  readonly #timers = new Set<TimerHandle>()
  #monotonicMs = 0
  #isStopped = false

  /** `lookMs`: what every look at the clock costs. */
  constructor(shared: ManualClock, lookMs: number) {
    this.#shared = shared
    this.#lookMs = lookMs
  }

  now(): number {
    return this.#shared.now() + Math.floor(this.#aheadMs())
  }

  monotonic(): number {
    this.#monotonicMs = Math.max(this.#monotonicMs, this.#shared.monotonic()) + this.#lookMs
    return this.#monotonicMs
  }

  schedule(delayMs: number, callback: () => void): TimerHandle {
    if (this.#isStopped) return { cancel() {} }
    const timer = this.#shared.schedule(this.#aheadMs() + Math.max(0, delayMs), () => {
      this.#timers.delete(handle)
      callback()
    })
    const handle = {
      cancel: () => {
        timer.cancel()
        this.#timers.delete(handle)
      },
    }
    this.#timers.add(handle)
    return handle
  }

  defer(callback: () => void): void {
    if (this.#aheadMs() > 0) this.schedule(0, callback)
    else
      this.#shared.defer(() => {
        if (!this.#isStopped) callback()
      })
  }

  /** Timers that are set and have not fired. */
  get timerCount(): number {
    return this.#timers.size
  }

  stop(): void {
    this.#isStopped = true
    for (const timer of [...this.#timers]) timer.cancel()
  }

  #aheadMs(): number {
    return Math.max(0, this.#monotonicMs - this.#shared.monotonic())
  }
}
