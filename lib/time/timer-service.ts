/**
 * The timers of one keyed operator, in both times. Timers belong to the current key and fire in the operator's own
 * thread between records. Rules of Flink's InternalTimerServiceImpl: the watermark moves before its timers fire, and
 * what is registered while firing and already due fires in the same pass.
 */
import { SluiceError } from '../base/errors.ts'
import type { SubKey } from '../state/entry.ts'
import type { Timer, TimerTable } from '../state/timer-table.ts'
import { MIN_TIMESTAMP } from './timestamp.ts'

/** Processing time as a task provides it; callbacks run in the task, between records. */
export interface ProcessingTime {
  /** Wall-clock ms. */
  now(): number
  /** Calls back once when `now()` has reached `timestamp`. */
  callAt(timestamp: number, callback: () => void): { cancel(): void }
}

export interface TimerCallbacks {
  onEventTimer(timer: Timer): void
  onProcessingTimer(timer: Timer): void
}

export class TimerService {
  readonly #eventTimers: TimerTable
  readonly #processingTimers: TimerTable
  readonly #processingTime: ProcessingTime
  readonly #callbacks: TimerCallbacks
  readonly #shouldPause: () => boolean
  #watermark = MIN_TIMESTAMP
  #wakeUp: { readonly timestamp: number; cancel(): void } | null = null

  /** `shouldPause` is asked during long bursts of timers; see TimerTable.fire. */
  constructor(
    eventTimers: TimerTable,
    processingTimers: TimerTable,
    processingTime: ProcessingTime,
    callbacks: TimerCallbacks,
    shouldPause: () => boolean,
  ) {
    this.#eventTimers = eventTimers
    this.#processingTimers = processingTimers
    this.#processingTime = processingTime
    this.#callbacks = callbacks
    this.#shouldPause = shouldPause
  }

  get watermark(): number {
    return this.#watermark
  }

  get processingTimeMs(): number {
    return this.#processingTime.now()
  }

  get eventTimerCount(): number {
    return this.#eventTimers.size
  }

  get hasProcessingTimers(): boolean {
    return this.#processingTimers.sizeMax > 0
  }

  registerEventTimer(timestamp: number, namespace: SubKey): void {
    checkTimestamp(timestamp)
    this.#eventTimers.register(timestamp, namespace)
  }

  deleteEventTimer(timestamp: number, namespace: SubKey): void {
    this.#eventTimers.delete(timestamp, namespace)
  }

  registerProcessingTimer(timestamp: number, namespace: SubKey): void {
    checkTimestamp(timestamp)
    this.#processingTimers.register(timestamp, namespace)
    this.schedule()
  }

  deleteProcessingTimer(timestamp: number, namespace: SubKey): void {
    this.#processingTimers.delete(timestamp, namespace)
  }

  /** Moves event time and fires what is due. False: paused; call again with the same watermark to go on. */
  advanceWatermark(timestamp: number): boolean {
    if (timestamp > this.#watermark) this.#watermark = timestamp
    return this.#eventTimers.fire(
      timestamp,
      (timer) => this.#callbacks.onEventTimer(timer),
      this.#shouldPause,
    )
  }

  /** Asks to be called when the earliest processing-time timer is due; also to be called once after a restore. */
  schedule(): void {
    const timestamp = this.#processingTimers.nextTimestamp()
    if (
      timestamp === Number.POSITIVE_INFINITY ||
      (this.#wakeUp !== null && this.#wakeUp.timestamp <= timestamp)
    )
      return
    this.#wakeUp?.cancel()
    const call = this.#processingTime.callAt(timestamp, () => this.#onWakeUp())
    this.#wakeUp = { timestamp, cancel: () => call.cancel() }
  }

  /** Lets all processing-time timers come due `byMs` later. */
  shiftProcessingTimers(byMs: number): void {
    const timers = this.#processingTimers
    const all = [...timers.entries()]
    for (const timer of all) timers.restoreDeleted(timer)
    for (const { timestamp, sub, key, keyGroup } of all)
      timers.registerOf(key, keyGroup, timestamp + byMs, sub)
  }

  /**
   * Drops the processing-time timers that came due after `sinceMs`; returns how many. `onSkip` sees each with its key
   * current, and may keep it by returning false.
   */
  skipProcessingTimers(sinceMs: number, onSkip: (timer: Timer) => boolean): number {
    const timers = this.#processingTimers
    const nowMs = this.#processingTime.now()
    const due = [...timers.entries()].filter(({ timestamp }) => timestamp > sinceMs && timestamp <= nowMs)
    let skipped = 0
    for (const timer of due) {
      timers.restore(timer)
      if (!onSkip(timer)) continue
      timers.restoreDeleted(timer)
      skipped++
    }
    return skipped
  }

  close(): void {
    this.#wakeUp?.cancel()
    this.#wakeUp = null
  }

  #onWakeUp(): void {
    this.#wakeUp = null
    const onTimer = (timer: Timer) => this.#callbacks.onProcessingTimer(timer)
    this.#processingTimers.fire(this.#processingTime.now(), onTimer, this.#shouldPause)
    this.schedule()
  }
}

function checkTimestamp(timestamp: number): void {
  if (Number.isInteger(timestamp) || timestamp === Number.POSITIVE_INFINITY) return
  throw new SluiceError(
    'TIMESTAMP_INVALID',
    `a timer needs an integer number of milliseconds, found ${timestamp}`,
  )
}
