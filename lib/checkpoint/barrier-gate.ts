/**
 * Decides, for one subtask, when its snapshot is taken and which channels wait for it. Bookkeeping of channel numbers
 * and checkpoint ids, nothing else: the input processor tells it what arrives and what is reached, and carries out its
 * orders. The rules are those of Flink's SingleCheckpointBarrierHandler.
 *
 * Aligned: a channel whose barrier has been reached is blocked until those of all channels have. Unaligned: the first
 * barrier to *arrive* triggers the snapshot, overtaking what is queued; of each channel, what lies before its barrier
 * becomes channel state. Aligned with a timeout: aligned until the timeout, counted from the first arrival; then
 * the snapshot is taken at once and the channels that are late turn unaligned, each until its own barrier arrives.
 *
 * G1. At most one checkpoint is pending. A barrier of a newer one aborts it (subsumed).
 * G2. A channel is blocked only while a checkpoint is pending whose barrier has been reached on it.
 * G3. A channel that has ended counts as one whose barrier has been reached.
 * G4. Ids at or below the latest one that was triggered or aborted are ignored.
 */
import type { CheckpointBarrier } from '../network/stream-event.ts'

export type AbortReason = 'subsumed' | 'cancelled' | 'end-of-input'

export type GateOrder =
  | { readonly kind: 'block'; readonly channel: number }
  | { readonly kind: 'unblockAll' }
  /**
   * Take the snapshot now. `recording`: channels whose data is channel state until their barrier: what is queued, up
   * to the barrier if that has arrived, and what arrives before it.
   */
  | {
      readonly kind: 'trigger'
      readonly barrier: CheckpointBarrier
      readonly isUnaligned: boolean
      readonly recording: readonly number[]
    }
  /** The barrier of a recording channel has arrived (or the channel has ended). */
  | { readonly kind: 'recorded'; readonly checkpointId: number; readonly channel: number }
  /** All barriers have arrived: the channel state of an unaligned snapshot is complete. */
  | { readonly kind: 'complete'; readonly checkpointId: number }
  | { readonly kind: 'abort'; readonly checkpointId: number; readonly reason: AbortReason }
  /** Ask again (`onTime`) at this time. */
  | { readonly kind: 'wakeAt'; readonly timeMs: number }

interface Pending {
  readonly barrier: CheckpointBarrier
  /** When the first barrier arrived. */
  readonly startedMs: number
  /** Channels whose barrier has been reached; of an unaligned checkpoint, has arrived. */
  readonly received: Set<number>
  isTriggered: boolean
}

export class BarrierGate {
  readonly #channelCount: number
  readonly #checkpointsAfterEnd: boolean
  readonly #ended = new Set<number>()
  readonly #blocked = new Set<number>()
  #pending: Pending | null = null
  #latestId = 0

  /** `checkpointsAfterEnd`: whether checkpoints go on when some channels have ended. */
  constructor(channelCount: number, checkpointsAfterEnd = true) {
    this.#channelCount = channelCount
    this.#checkpointsAfterEnd = checkpointsAfterEnd
  }

  get blocked(): readonly number[] {
    return [...this.#blocked].sort((a, b) => a - b)
  }

  get pendingId(): number | null {
    return this.#pending?.barrier.checkpointId ?? null
  }

  /** A barrier has arrived; what was sent before it may still be queued. */
  onArrival(channel: number, barrier: CheckpointBarrier, nowMs: number): GateOrder[] {
    const pending = this.#pending
    if (pending?.isTriggered === true && pending.barrier.checkpointId === barrier.checkpointId) {
      return this.#receive(pending, channel)
    }
    if (barrier.checkpointId <= this.#latestId) return []
    if (barrier.isUnaligned) return this.#startUnaligned(channel, barrier, nowMs)
    if (pending !== null || barrier.alignmentTimeoutMs === Number.POSITIVE_INFINITY || barrier.isSavepoint)
      return []
    this.#pending = { barrier, startedMs: nowMs, received: new Set(), isTriggered: false }
    return [{ kind: 'wakeAt', timeMs: nowMs + barrier.alignmentTimeoutMs }]
  }

  /** A barrier has been reached: everything before it has been processed. */
  onBarrier(channel: number, barrier: CheckpointBarrier, nowMs: number): GateOrder[] {
    const { checkpointId } = barrier
    if (checkpointId <= this.#latestId && this.#pending?.barrier.checkpointId !== checkpointId) return []
    if (barrier.isUnaligned) return this.onArrival(channel, barrier, nowMs)
    if (this.#pending?.isTriggered === true && this.#pending.barrier.checkpointId === checkpointId) {
      return this.#receive(this.#pending, channel)
    }
    const orders = this.#begin(barrier, nowMs)
    const pending = this.#pending!
    pending.received.add(channel)
    if (this.#hasAll(pending)) return [...orders, ...this.#triggerAligned(pending)]
    this.#blocked.add(channel)
    return [...orders, { kind: 'block', channel }]
  }

  /** A marker has been reached that says the checkpoint will not come about. */
  onCancel(checkpointId: number): GateOrder[] {
    const isPending = this.#pending?.barrier.checkpointId === checkpointId
    if (checkpointId <= this.#latestId && !isPending) return []
    this.#latestId = Math.max(this.#latestId, checkpointId)
    this.#pending = null
    return [{ kind: 'abort', checkpointId, reason: 'cancelled' }, ...this.#unblockAll()]
  }

  /** A channel has ended. */
  onEnd(channel: number): GateOrder[] {
    this.#ended.add(channel)
    const pending = this.#pending
    if (pending === null) return []
    if (!this.#checkpointsAfterEnd) {
      this.#latestId = pending.barrier.checkpointId
      this.#pending = null
      return [
        { kind: 'abort', checkpointId: pending.barrier.checkpointId, reason: 'end-of-input' },
        ...this.#unblockAll(),
      ]
    }
    if (pending.isTriggered) return this.#receive(pending, channel)
    // Without a barrier reached, only arrived ones are waited for: those will be reached and decide.
    return pending.received.size > 0 && this.#hasAll(pending) ? this.#triggerAligned(pending) : []
  }

  /** The clock has moved: the alignment timeout may have passed. */
  onTime(nowMs: number): GateOrder[] {
    const pending = this.#pending
    if (pending === null || pending.isTriggered) return []
    const { barrier, startedMs, received } = pending
    if (barrier.isSavepoint || nowMs - startedMs < barrier.alignmentTimeoutMs) return []
    pending.isTriggered = true
    this.#latestId = barrier.checkpointId
    const recording = this.#open().filter((channel) => !received.has(channel))
    return [{ kind: 'trigger', barrier, isUnaligned: true, recording }]
  }

  /** Makes the checkpoint of `barrier` the pending one. */
  #begin(barrier: CheckpointBarrier, nowMs: number): GateOrder[] {
    const pending = this.#pending
    if (pending?.barrier.checkpointId === barrier.checkpointId) return []
    const orders = pending === null ? [] : this.#subsume(pending)
    this.#pending = { barrier, startedMs: nowMs, received: new Set(), isTriggered: false }
    const { alignmentTimeoutMs, isSavepoint } = barrier
    if (alignmentTimeoutMs === Number.POSITIVE_INFINITY || isSavepoint) return orders
    return [...orders, { kind: 'wakeAt', timeMs: nowMs + alignmentTimeoutMs }]
  }

  #startUnaligned(channel: number, barrier: CheckpointBarrier, nowMs: number): GateOrder[] {
    const previous = this.#pending
    const isSame = previous?.barrier.checkpointId === barrier.checkpointId
    const orders = previous === null || isSame ? [] : this.#subsume(previous)
    const pending: Pending = {
      barrier,
      startedMs: nowMs,
      received: isSame ? previous.received : new Set(),
      isTriggered: true,
    }
    this.#pending = pending
    this.#latestId = barrier.checkpointId
    const recording = this.#open().filter((each) => !pending.received.has(each))
    const trigger: GateOrder = { kind: 'trigger', barrier, isUnaligned: true, recording }
    return [...orders, trigger, ...this.#receive(pending, channel)]
  }

  /** A barrier of the triggered, unaligned checkpoint has arrived. */
  #receive(pending: Pending, channel: number): GateOrder[] {
    if (pending.received.has(channel)) return []
    pending.received.add(channel)
    const { checkpointId } = pending.barrier
    const recorded: GateOrder = { kind: 'recorded', checkpointId, channel }
    if (!this.#hasAll(pending)) return [recorded]
    this.#pending = null
    return [recorded, { kind: 'complete', checkpointId }, ...this.#unblockAll()]
  }

  #triggerAligned(pending: Pending): GateOrder[] {
    const { barrier } = pending
    this.#latestId = barrier.checkpointId
    this.#pending = null
    return [
      { kind: 'trigger', barrier, isUnaligned: false, recording: [] },
      { kind: 'complete', checkpointId: barrier.checkpointId },
      ...this.#unblockAll(),
    ]
  }

  #subsume(pending: Pending): GateOrder[] {
    const { checkpointId } = pending.barrier
    this.#latestId = Math.max(this.#latestId, checkpointId)
    return [{ kind: 'abort', checkpointId, reason: 'subsumed' }, ...this.#unblockAll()]
  }

  #unblockAll(): GateOrder[] {
    if (this.#blocked.size === 0) return []
    this.#blocked.clear()
    return [{ kind: 'unblockAll' }]
  }

  #open(): number[] {
    return Array.from({ length: this.#channelCount }, (_, channel) => channel).filter(
      (channel) => !this.#ended.has(channel),
    )
  }

  #hasAll({ received }: Pending): boolean {
    return this.#open().every((channel) => received.has(channel))
  }
}
