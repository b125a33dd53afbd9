/** The clock of harnesses: it stands still until it is told otherwise. */
import type { Clock } from '../base/clock.ts'
import type { ProcessingTime } from '../time/timer-service.ts'

/** When it moves, what is due runs at the new time. */
export class HarnessTime implements ProcessingTime, Clock {
  nowMs: number
  readonly #calls: { readonly timestamp: number; readonly callback: () => void }[] = []

  constructor(nowMs: number) {
    this.nowMs = nowMs
  }

  now(): number {
    return this.nowMs
  }

  monotonic(): number {
    return this.nowMs
  }

  schedule(delayMs: number, callback: () => void): { cancel(): void } {
    return this.callAt(this.nowMs + delayMs, callback)
  }

  defer(callback: () => void): void {
    this.callAt(this.nowMs, callback)
  }

  callAt(timestamp: number, callback: () => void): { cancel(): void } {
    const call = { timestamp, callback }
    this.#calls.push(call)
    return { cancel: () => this.#remove(call) }
  }

  /** Stops at each moment at which something is due on the way, as real time does. */
  advanceTo(endMs: number): void {
    for (;;) {
      const next = Math.min(...this.#calls.map(({ timestamp }) => Math.max(timestamp, this.nowMs)))
      this.set(Math.min(next, endMs))
      if (next > endMs) return
    }
  }

  set(nowMs: number): void {
    this.nowMs = nowMs
    for (;;) {
      const due = this.#calls
        .filter(({ timestamp }) => timestamp <= nowMs)
        .sort((a, b) => a.timestamp - b.timestamp)
      if (due[0] === undefined) return
      this.#remove(due[0])
      due[0].callback()
    }
  }

  #remove(call: { readonly timestamp: number; readonly callback: () => void }): void {
    const index = this.#calls.indexOf(call)
    if (index >= 0) this.#calls.splice(index, 1)
  }
}
