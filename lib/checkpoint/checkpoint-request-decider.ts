/**
 * Which of the requested checkpoints is started, and when: bounds how many run at once, keeps the pause between them,
 * lets savepoints of users go first. Flink's CheckpointRequestDecider.
 */

export interface CheckpointRequest {
  readonly id: string
  readonly type: 'checkpoint' | 'savepoint'
  /** By the timer; otherwise somebody asked. */
  readonly isPeriodic: boolean
  /** Started whatever else is running. */
  readonly isForced: boolean
}

export interface DeciderLimits {
  readonly concurrentMax: number
  /** Requests that may wait; beyond it the least urgent is dropped. */
  readonly queuedMax: number
  /** Between the completion of a checkpoint and the start of the next periodic one. */
  readonly pauseMinMs: number
}

/** How things stand when a decision is to be made. */
export interface DeciderSituation {
  readonly pendingCount: number
  /** Completed or aborted checkpoints whose files are still being deleted. */
  readonly cleaningCount: number
  /** A checkpoint is being started right now. */
  readonly isTriggering: boolean
  readonly lastCompletionMs: number
  readonly nowMs: number
}

export type RequestDecision =
  | { readonly kind: 'execute'; readonly request: CheckpointRequest }
  | {
      readonly kind: 'drop'
      readonly request: CheckpointRequest
      readonly reason: 'too-many-requests' | 'min-pause'
    }
  | { readonly kind: 'reschedule'; readonly delayMs: number }

export class CheckpointRequestDecider {
  readonly #limits: DeciderLimits
  /** Most urgent first. */
  readonly #queue: CheckpointRequest[] = []

  constructor(limits: DeciderLimits) {
    this.#limits = limits
  }

  get queuedCount(): number {
    return this.#queue.length
  }

  onRequest(request: CheckpointRequest, situation: DeciderSituation): RequestDecision[] {
    const index = this.#queue.findIndex((queued) => isMoreUrgent(request, queued))
    this.#queue.splice(index < 0 ? this.#queue.length : index, 0, request)
    const decisions: RequestDecision[] = []
    if (this.#queue.length > this.#limits.queuedMax) {
      decisions.push({ kind: 'drop', request: this.#queue.pop()!, reason: 'too-many-requests' })
    }
    return [...decisions, ...this.poll(situation)]
  }

  /** What may be started now. To be asked again whenever something has ended. */
  poll(situation: DeciderSituation): RequestDecision[] {
    const next = this.#queue[0]
    if (next === undefined || situation.isTriggering) return []
    const { concurrentMax, pauseMinMs } = this.#limits
    const isFull = situation.pendingCount >= concurrentMax || situation.cleaningCount > concurrentMax
    if (isFull && !next.isForced) return []
    this.#queue.shift()
    const delayMs = situation.lastCompletionMs + pauseMinMs - situation.nowMs
    if (next.isPeriodic && !next.isForced && delayMs > 0) {
      return [
        { kind: 'drop', request: next, reason: 'min-pause' },
        { kind: 'reschedule', delayMs },
      ]
    }
    return [{ kind: 'execute', request: next }]
  }
}

/** Savepoints before checkpoints, forced before not, asked for before periodic; else first come, first served. */
function isMoreUrgent(a: CheckpointRequest, b: CheckpointRequest): boolean {
  const rank = ({ type, isForced, isPeriodic }: CheckpointRequest): number =>
    (type === 'savepoint' ? 4 : 0) + (isForced ? 2 : 0) + (isPeriodic ? 0 : 1)
  return rank(a) > rank(b)
}
