/**
 * What becomes of the processing-time timers of an operator that came due while its job was down. A snapshot with such
 * timers says when it was taken; after a restore the time since then is known, and the operator's choice carried out
 * before the first record. Flink always fires them at once.
 */
import type { Logger } from '../base/logger.ts'
import type { OperatorListState, OperatorStateBackend } from '../state/operator-state.ts'
import type { Timer } from '../state/timer-table.ts'
import { t } from '../types/t.ts'
import type { ProcessingTime, TimerService } from './timer-service.ts'

export const TIMERS_ON_RESTORE = ['fire', 'skip', 'shift'] as const

/**
 * `fire`: at once. `skip`: those that came due meanwhile are dropped. `shift`: all move by as long as the job was down,
 * as if the clock had stood still.
 */
export type TimersOnRestore = (typeof TIMERS_ON_RESTORE)[number]

/** Those of an operator's surroundings that matter here. */
interface Surroundings {
  readonly timersOnRestore: TimersOnRestore
  readonly processingTime: ProcessingTime
  readonly operatorState: OperatorStateBackend
  readonly log: Logger
}

const STATE_NAME = 'timers/snapshot-time'

export class RestoredTimers {
  readonly #context: Surroundings
  readonly #timers: TimerService
  /** When the last snapshot was taken; null as long as nobody needs to know. */
  #takenAt: OperatorListState<number> | null = null

  constructor(context: Surroundings, timers: TimerService) {
    this.#context = context
    this.#timers = timers
  }

  /** Once, when state has been restored. `onSkip` may keep a timer, by returning false; its key is current. */
  settle(onSkip: (timer: Timer) => boolean): void {
    const { timersOnRestore, processingTime, log } = this.#context
    if (timersOnRestore === 'fire' || !this.#timers.hasProcessingTimers) return
    // Of several subtasks before a rescale, the one that went on longest.
    const takenAtMs = Math.max(...this.#declare().get())
    const downMs = processingTime.now() - takenAtMs
    if (!Number.isFinite(downMs) || downMs <= 0) return
    if (timersOnRestore === 'shift') this.#timers.shiftProcessingTimers(downMs)
    else {
      const skipped = this.#timers.skipProcessingTimers(takenAtMs, onSkip)
      if (skipped > 0) log.info('processing-time timers skipped', { count: skipped, downMs })
    }
  }

  noteSnapshot(): void {
    if (this.#takenAt === null && !this.#timers.hasProcessingTimers) return
    const now = this.#context.processingTime.now()
    this.#declare().update(this.#timers.hasProcessingTimers ? [now] : [])
  }

  #declare(): OperatorListState<number> {
    this.#takenAt ??= this.#context.operatorState.listState(STATE_NAME, t.timestamp, 'union')
    return this.#takenAt
  }
}
