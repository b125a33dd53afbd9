/**
 * How many checkpoints may fail in a row before the job does. Only failures count that say something about the job or
 * its storage; those that follow from something else (a restart, a newer checkpoint) do not. Flink's
 * CheckpointFailureManager.
 */

export type CheckpointFailureReason =
  | 'expired'
  | 'declined'
  | 'io-exception'
  | 'async-exception'
  | 'finalize-failure'
  | 'subsumed'
  | 'min-pause'
  | 'too-many-requests'
  | 'not-all-tasks-running'
  | 'declined-task-not-ready'
  | 'declined-on-cancellation-barrier'
  | 'declined-subsumed'
  | 'declined-input-end-of-stream'
  | 'periodic-scheduler-shutdown'
  | 'coordinator-shutdown'
  | 'coordinator-suspend'
  | 'job-failover-region'
  | 'task-failure'
  | 'task-checkpoint-failure'
  | 'trigger-failure'

const COUNTED: ReadonlySet<CheckpointFailureReason> = new Set([
  'expired',
  'declined',
  'io-exception',
  'async-exception',
  'finalize-failure',
])

export class CheckpointFailures {
  readonly #tolerable: number
  #count = 0
  #lastSucceeded = 0
  /** Ids that were counted since the last success. */
  readonly #counted = new Set<number>()

  /** `tolerable`: failures in a row that are still accepted. */
  constructor(tolerable: number) {
    this.#tolerable = tolerable
  }

  /** Failures in a row so far. */
  get count(): number {
    return this.#count
  }

  /** True if the job has to fail. `checkpointId` is null where none was started. */
  onFailure(checkpointId: number | null, reason: CheckpointFailureReason): boolean {
    if (!COUNTED.has(reason)) return false
    if (checkpointId !== null) {
      if (checkpointId <= this.#lastSucceeded || this.#counted.has(checkpointId)) return false
      this.#counted.add(checkpointId)
    }
    this.#count++
    if (this.#count <= this.#tolerable) return false
    this.#count = 0
    this.#counted.clear()
    return true
  }

  onSuccess(checkpointId: number): void {
    this.#lastSucceeded = Math.max(this.#lastSucceeded, checkpointId)
    this.#count = 0
    this.#counted.clear()
  }
}
