/**
 * The clock of one simulated process, on top of the one that the whole simulation shares. Looking at it costs time, as
 * work does: a process that is busy runs ahead, and what it defers happens that much later. And it can be stopped for
 * good, which is how a process dies: nothing that waits for it ever happens. And it can be paused, as a process is by
 * SIGSTOP: what falls due meanwhile happens afterwards, and then it is late.
 */
import type { Clock, TimerHandle } from '../../lib/base/clock.ts'
import type { ManualClock } from '../../lib/testing/manual-clock.ts'

export class ProcessClock implements Clock {
  readonly #shared: ManualClock
  readonly #lookMs: number
  readonly #timers = new Set<TimerHandle>()
  #monotonicMs = 0
  #isStopped = false
  /** Of the shared clock. */
  #pausedUntilMs = 0

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
    const due = () => {
      const pausedMs = this.#pausedUntilMs - this.#shared.monotonic()
      if (pausedMs > 0) {
        timer = this.#shared.schedule(pausedMs, due)
        return
      }
      this.#timers.delete(handle)
      callback()
    }
    let timer = this.#shared.schedule(this.#aheadMs() + Math.max(0, delayMs), due)
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
    const isPaused = this.#pausedUntilMs > this.#shared.monotonic()
    if (isPaused || this.#aheadMs() > 0) this.schedule(0, callback)
    else
      this.#shared.defer(() => {
        if (!this.#isStopped) callback()
      })
  }

  /** Timers that are set and have not fired. */
  get timerCount(): number {
    return this.#timers.size
  }

  pause(forMs: number): void {
    this.#pausedUntilMs = this.#shared.monotonic() + forMs
  }

  stop(): void {
    this.#isStopped = true
    for (const timer of [...this.#timers]) timer.cancel()
  }

  #aheadMs(): number {
    return Math.max(0, this.#monotonicMs - this.#shared.monotonic())
  }
}
