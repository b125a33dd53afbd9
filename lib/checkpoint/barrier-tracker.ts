/**
 * The gate of at-least-once mode: no channel ever waits, the snapshot is taken when the barriers of all channels have
 * been reached. Data of a faster channel that follows its barrier is then part of the snapshot, and processed again
 * after a recovery. Several checkpoints may be pending. Flink's CheckpointBarrierTracker.
 */
import type { CheckpointBarrier } from '../network/stream-event.ts'
import type { GateOrder } from './barrier-gate.ts'

/** Pending checkpoints at most; the oldest is forgotten, since its barriers are most likely lost. */
const PENDING_MAX = 50

interface Pending {
  readonly checkpointId: number
  barrier: CheckpointBarrier | null
  readonly received: Set<number>
  isAborted: boolean
}

export class BarrierTracker {
  readonly #channelCount: number
  readonly #checkpointsAfterEnd: boolean
  readonly #ended = new Set<number>()
  /** By id. */
  #pending: Pending[] = []
  #latestId = 0

  constructor(channelCount: number, checkpointsAfterEnd = true) {
    this.#channelCount = channelCount
    this.#checkpointsAfterEnd = checkpointsAfterEnd
  }

  readonly blocked: readonly number[] = []
  /** None is given up because the task is told so: nothing waits for it. */
  readonly pendingId = null

  onArrival(): GateOrder[] {
    return []
  }

  onEndArrival(): GateOrder[] {
    return []
  }

  onTime(): GateOrder[] {
    return []
  }

  onBarrier(channel: number, barrier: CheckpointBarrier): GateOrder[] {
    const pending = this.#find(barrier.checkpointId)
    if (pending === null) return []
    pending.barrier ??= barrier
    pending.received.add(channel)
    return this.#triggerIfComplete()
  }

  onCancel(checkpointId: number, channel: number): GateOrder[] {
    const orders: GateOrder[] = []
    const isKnown = this.#pending.some((pending) => pending.checkpointId === checkpointId)
    if (!isKnown && checkpointId <= this.#latestId) return []
    const older = this.#pending.filter((pending) => pending.checkpointId < checkpointId)
    this.#pending = this.#pending.filter((pending) => pending.checkpointId >= checkpointId)
    const pending = this.#find(checkpointId)
    for (const each of pending === null ? older : [...older, pending]) {
      if (!each.isAborted)
        orders.push({ kind: 'abort', checkpointId: each.checkpointId, reason: 'cancelled' })
      each.isAborted = true
    }
    pending?.received.add(channel)
    return [...orders, ...this.#triggerIfComplete()]
  }

  onEnd(channel: number): GateOrder[] {
    this.#ended.add(channel)
    if (this.#checkpointsAfterEnd) return this.#triggerIfComplete()
    const aborted = this.#pending.filter(({ isAborted }) => !isAborted)
    this.#pending = []
    return aborted.map(({ checkpointId }) => ({ kind: 'abort', checkpointId, reason: 'end-of-input' }))
  }

  /** The pending checkpoint of this id, made if it is newer than all; null if it is over. */
  #find(checkpointId: number): Pending | null {
    const known = this.#pending.find((pending) => pending.checkpointId === checkpointId)
    if (known !== undefined) return known
    if (checkpointId <= this.#latestId) return null
    this.#latestId = checkpointId
    const pending: Pending = { checkpointId, barrier: null, received: new Set(), isAborted: false }
    this.#pending.push(pending)
    if (this.#pending.length > PENDING_MAX) this.#pending.shift()
    return pending
  }

  /** The newest complete checkpoint is triggered; older ones are over, silently. */
  #triggerIfComplete(): GateOrder[] {
    const index = this.#pending.findLastIndex(({ received }) => this.#isComplete(received))
    const complete = this.#pending[index]
    if (complete === undefined) return []
    this.#pending.splice(0, index + 1)
    if (complete.isAborted || complete.barrier === null) return []
    return [
      { kind: 'trigger', barrier: complete.barrier, isUnaligned: false, recording: [] },
      { kind: 'complete', checkpointId: complete.checkpointId },
    ]
  }

  #isComplete(received: ReadonlySet<number>): boolean {
    for (let channel = 0; channel < this.#channelCount; channel++) {
      if (!received.has(channel) && !this.#ended.has(channel)) return false
    }
    return true
  }
}
