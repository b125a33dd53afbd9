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
 * G1. At most one checkpoint is pending. A barrier of a newer one aborts it (subsumed); so does its cancellation.
 * G2. A channel is blocked only while a checkpoint is pending whose barrier has been reached on it.
 * G3. A channel that has ended counts as one whose barrier has been reached.
 *     An end that has arrived and is not reached is one only for the channel state of what has been triggered.
 * G4. What concerns a checkpoint older than the latest known is ignored, and so is the latest once it is over.
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
  barrier: CheckpointBarrier
  /** When the first barrier arrived. */
  readonly startedMs: number
  /** Channels whose barrier is waiting behind what is queued. */
  readonly arrived: Set<number>
  /** Channels whose barrier has been reached; of a checkpoint triggered as unaligned, has arrived. */
  readonly received: Set<number>
  /** As unaligned: of aligned ones the trigger is the end. */
  isTriggered: boolean
}

export class BarrierGate {
  readonly #channelCount: number
  readonly #checkpointsAfterEnd: boolean
  readonly #ended = new Set<number>()
  readonly #blocked = new Set<number>()
  #pending: Pending | null = null
  /** The newest checkpoint heard of: pending, or over. */
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
    const { checkpointId, isUnaligned } = barrier
    if (this.#isOver(checkpointId)) return []
    // Of a barrier that neither overtakes nor has a deadline, the arrival means nothing.
    if (!isUnaligned && !hasDeadline(barrier) && checkpointId !== this.pendingId) return []
    const orders = this.#begin(barrier, nowMs)
    const pending = this.#pending!
    if (pending.isTriggered) return this.#receive(pending, channel)
    pending.arrived.add(channel)
    return isUnaligned ? [...orders, ...this.#triggerUnaligned(pending, barrier)] : orders
  }

  /** A barrier has been reached: everything before it has been processed. */
  onBarrier(channel: number, barrier: CheckpointBarrier, nowMs: number): GateOrder[] {
    if (barrier.isUnaligned) return this.onArrival(channel, barrier, nowMs)
    if (this.#isOver(barrier.checkpointId)) return []
    const orders = this.#begin(barrier, nowMs)
    const pending = this.#pending!
    if (pending.isTriggered) return this.#receive(pending, channel)
    pending.received.add(channel)
    if (this.#hasAll(pending)) return [...orders, ...this.#triggerAligned(pending)]
    this.#blocked.add(channel)
    return [...orders, { kind: 'block', channel }]
  }

  /** A marker has been reached that says the checkpoint will not come about. */
  onCancel(checkpointId: number): GateOrder[] {
    if (this.#isOver(checkpointId)) return []
    const isOther = this.pendingId !== checkpointId
    const orders = isOther ? this.#abort('subsumed') : []
    this.#latestId = checkpointId
    if (isOther) return [...orders, { kind: 'abort', checkpointId, reason: 'cancelled' }]
    return this.#abort('cancelled')
  }

  /** The end of a channel has arrived; what was sent before it may still be queued. */
  onEndArrival(channel: number): GateOrder[] {
    const pending = this.#pending
    return pending?.isTriggered === true ? this.#receive(pending, channel) : []
  }

  /** A channel has ended. */
  onEnd(channel: number): GateOrder[] {
    this.#ended.add(channel)
    if (!this.#checkpointsAfterEnd) return this.#abort('end-of-input')
    const pending = this.#pending
    if (pending === null) return []
    if (pending.isTriggered) return this.#receive(pending, channel)
    // Without a barrier reached, only arrived ones are waited for: those will be reached and decide.
    return pending.received.size > 0 && this.#hasAll(pending) ? this.#triggerAligned(pending) : []
  }

  /** The clock has moved: the alignment timeout may have passed. */
  onTime(nowMs: number): GateOrder[] {
    const pending = this.#pending
    if (pending === null || pending.isTriggered) return []
    const { barrier, startedMs } = pending
    if (!hasDeadline(barrier) || nowMs - startedMs < barrier.alignmentTimeoutMs) return []
    return this.#triggerUnaligned(pending, barrier)
  }

  #isOver(checkpointId: number): boolean {
    return checkpointId < this.#latestId || (checkpointId === this.#latestId && this.#pending === null)
  }

  /** Makes the checkpoint of `barrier` the pending one. */
  #begin(barrier: CheckpointBarrier, nowMs: number): GateOrder[] {
    if (this.pendingId === barrier.checkpointId) return []
    const orders = this.#abort('subsumed')
    this.#latestId = barrier.checkpointId
    this.#pending = {
      barrier,
      startedMs: nowMs,
      arrived: new Set(),
      received: new Set(),
      isTriggered: false,
    }
    return hasDeadline(barrier)
      ? [...orders, { kind: 'wakeAt', timeMs: nowMs + barrier.alignmentTimeoutMs }]
      : orders
  }

  /** Channels that are late become recording ones; of those whose barrier is queued, all there is to record is. */
  #triggerUnaligned(pending: Pending, barrier: CheckpointBarrier): GateOrder[] {
    pending.barrier = barrier
    pending.isTriggered = true
    const recording = this.#open().filter((channel) => !pending.received.has(channel))
    const arrived = recording.filter((channel) => pending.arrived.has(channel))
    return [
      { kind: 'trigger', barrier, isUnaligned: true, recording },
      ...arrived.flatMap((channel) => this.#receive(pending, channel)),
    ]
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

  #triggerAligned({ barrier }: Pending): GateOrder[] {
    this.#pending = null
    return [
      { kind: 'trigger', barrier, isUnaligned: false, recording: [] },
      { kind: 'complete', checkpointId: barrier.checkpointId },
      ...this.#unblockAll(),
    ]
  }

  /** Gives up the pending checkpoint, if there is one. */
  #abort(reason: AbortReason): GateOrder[] {
    const checkpointId = this.pendingId
    if (checkpointId === null) return []
    this.#pending = null
    return [{ kind: 'abort', checkpointId, reason }, ...this.#unblockAll()]
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

/** Whether the barrier turns a late alignment into an unaligned snapshot. Savepoints never do. */
function hasDeadline({ alignmentTimeoutMs, isSavepoint, isUnaligned }: CheckpointBarrier): boolean {
  return alignmentTimeoutMs !== Number.POSITIVE_INFINITY && !isSavepoint && !isUnaligned
}
