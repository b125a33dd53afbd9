/**
 * The brain of checkpointing for one job: when a checkpoint is started, whose acknowledgement is awaited, when it is
 * complete, what is given up and what is kept. Events in, orders out. `actors/job-checkpoints.ts` is its shell.
 *
 * A checkpoint is triggered, acknowledged by every subtask that ran when it was triggered, stored (its metadata is
 * written, the one step that makes it real) and then announced. Anything that goes wrong before that aborts it.
 *
 * K1. Ids count from 1 (or from the one restored) and are never used again.
 * K2. A completed checkpoint aborts (subsumes) older pending ones; savepoints neither subsume nor are subsumed.
 * K3. Acknowledgements for what is not pending change nothing. What they have written for an aborted checkpoint is to
 *     be discarded; that of a completed one is part of it, however often it is acknowledged.
 * K4. The newest `retained` completed checkpoints are kept, older ones are discarded; savepoints are the user's.
 * K5. Nothing is triggered once it has been stopped or all tasks have finished; what was requested is dropped.
 */
import { unreachable } from '../base/assert.ts'
import type { CheckpointFailureReason } from './checkpoint-failures.ts'
import { CheckpointFailures } from './checkpoint-failures.ts'
import {
  type CheckpointRequest,
  CheckpointRequestDecider,
  type DeciderSituation,
  type RequestDecision,
} from './checkpoint-request-decider.ts'

export interface CheckpointCoordinatorOptions {
  /** Between the starts of periodic checkpoints; Infinity: none. */
  readonly intervalMs: number
  readonly pauseMinMs: number
  readonly timeoutMs: number
  readonly concurrentMax: number
  /** Completed checkpoints that are kept. */
  readonly retained: number
  /** Failures in a row that are accepted; one more fails the job. */
  readonly tolerableFailures: number
  /** The id after which ids begin; 0 for a new job. */
  readonly lastCheckpointId: number
  /** Completed ones of earlier attempts, oldest first. */
  readonly completed: readonly number[]
}

/** Requests that wait; at more, the least urgent is dropped. */
const QUEUED_MAX = 1000
/** Aborted checkpoints that are remembered; of older ones, files that are written late stay until the job ends. */
const ABORTED_MAX = 1000

/** `S` is what a subtask acknowledges with. */
export type CheckpointEvent<S> =
  | { readonly kind: 'requested'; readonly request: CheckpointRequest }
  | {
      readonly kind: 'acknowledged'
      readonly checkpointId: number
      readonly task: string
      readonly snapshot: S
    }
  | {
      readonly kind: 'declined'
      readonly checkpointId: number
      readonly task: string
      readonly reason: CheckpointFailureReason
    }
  /** A task has finished: it acknowledges nothing any more. */
  | { readonly kind: 'finished'; readonly task: string }
  /** The metadata has been written, or could not be. */
  | { readonly kind: 'stored'; readonly checkpointId: number; readonly isOk: boolean }
  | { readonly kind: 'tick' }
  /** The attempt is over; what is pending is aborted. */
  | { readonly kind: 'stopped'; readonly reason: CheckpointFailureReason }

export type CheckpointOrder<S> =
  | {
      readonly kind: 'trigger'
      readonly checkpointId: number
      readonly request: CheckpointRequest
      readonly tasks: readonly string[]
    }
  /** Write the metadata, then report `stored`. */
  | {
      readonly kind: 'store'
      readonly checkpointId: number
      readonly request: CheckpointRequest
      readonly snapshots: ReadonlyMap<string, S>
    }
  /** Tell the tasks; sinks commit. */
  | { readonly kind: 'announce'; readonly checkpointId: number; readonly request: CheckpointRequest }
  | {
      readonly kind: 'abort'
      readonly checkpointId: number
      readonly request: CheckpointRequest
      readonly reason: CheckpointFailureReason
    }
  /** The request has come to nothing before it became a checkpoint. */
  | { readonly kind: 'drop'; readonly request: CheckpointRequest; readonly reason: CheckpointFailureReason }
  /** The request waits for a running checkpoint to end. */
  | { readonly kind: 'defer'; readonly request: CheckpointRequest }
  /** A completed checkpoint is no longer needed. */
  | { readonly kind: 'discard'; readonly checkpointId: number }
  /** It came too late; `snapshot`: what is to be discarded. */
  | { readonly kind: 'ignore'; readonly checkpointId: number; readonly snapshot: S | null }
  | { readonly kind: 'failJob'; readonly reason: CheckpointFailureReason }

interface Pending<S> {
  readonly checkpointId: number
  readonly request: CheckpointRequest
  readonly startedMs: number
  readonly awaited: Set<string>
  readonly snapshots: Map<string, S>
  isStoring: boolean
}

export class CheckpointCoordinator<S> {
  readonly #options: CheckpointCoordinatorOptions
  readonly #decider: CheckpointRequestDecider
  readonly #failures: CheckpointFailures
  readonly #tasks: Set<string>
  readonly #pending = new Map<number, Pending<S>>()
  /** Oldest first. */
  #completed: readonly number[]
  readonly #aborted = new Set<number>()
  #stopReason: CheckpointFailureReason | null = null
  #lastId: number
  #lastCompletionMs = Number.NEGATIVE_INFINITY
  #nextPeriodicMs: number

  /** `tasks`: ids of the subtasks that run. */
  constructor(options: CheckpointCoordinatorOptions, tasks: Iterable<string>, nowMs: number) {
    const { concurrentMax, pauseMinMs, tolerableFailures, lastCheckpointId, intervalMs, completed } = options
    this.#options = options
    this.#decider = new CheckpointRequestDecider({ concurrentMax, pauseMinMs, queuedMax: QUEUED_MAX })
    this.#failures = new CheckpointFailures(tolerableFailures)
    this.#tasks = new Set(tasks)
    this.#lastId = lastCheckpointId
    this.#completed = completed
    this.#nextPeriodicMs = nowMs + intervalMs
  }

  /** Ids of completed checkpoints that are kept, oldest first. */
  get retained(): readonly number[] {
    return this.#completed
  }

  get pendingIds(): number[] {
    return [...this.#pending.keys()]
  }

  on(event: CheckpointEvent<S>, nowMs: number): CheckpointOrder<S>[] {
    switch (event.kind) {
      case 'requested':
        return this.#onRequest(event.request, nowMs)
      case 'acknowledged':
        return this.#onAcknowledged(event)
      case 'declined':
        return this.#abort(event.checkpointId, event.reason, nowMs)
      case 'finished':
        return this.#onFinished(event.task, nowMs)
      case 'stored':
        return this.#onStored(event.checkpointId, event.isOk, nowMs)
      case 'tick':
        return this.#onTick(nowMs)
      case 'stopped':
        return this.#onStopped(event.reason, nowMs)
    }
  }

  #onRequest(request: CheckpointRequest, nowMs: number): CheckpointOrder<S>[] {
    const orders = this.#carryOut(this.#decider.onRequest(request, this.#situation(nowMs)), nowMs)
    const isSettled = orders.some((order) => 'request' in order && order.request === request)
    return isSettled ? orders : [...orders, { kind: 'defer', request }]
  }

  #carryOut(decisions: readonly RequestDecision[], nowMs: number): CheckpointOrder<S>[] {
    return decisions.flatMap((decision): CheckpointOrder<S>[] => {
      switch (decision.kind) {
        case 'execute':
          return [this.#trigger(decision.request, nowMs)]
        case 'drop':
          return [{ kind: 'drop', request: decision.request, reason: decision.reason }]
        case 'reschedule':
          if (this.#isPeriodic) this.#nextPeriodicMs = nowMs + decision.delayMs
          return []
        default:
          return unreachable(decision)
      }
    })
  }

  #trigger(request: CheckpointRequest, nowMs: number): CheckpointOrder<S> {
    const refusal = this.#stopReason ?? (this.#tasks.size === 0 ? 'not-all-tasks-running' : null)
    if (refusal !== null) return { kind: 'drop', request, reason: refusal }
    const checkpointId = ++this.#lastId
    const awaited = new Set(this.#tasks)
    this.#pending.set(checkpointId, {
      checkpointId,
      request,
      startedMs: nowMs,
      awaited,
      snapshots: new Map(),
      isStoring: false,
    })
    return { kind: 'trigger', checkpointId, request, tasks: [...awaited] }
  }

  #onAcknowledged({
    checkpointId,
    task,
    snapshot,
  }: Extract<CheckpointEvent<S>, { kind: 'acknowledged' }>): CheckpointOrder<S>[] {
    const pending = this.#pending.get(checkpointId)
    if (pending === undefined) {
      const isUseless = this.#aborted.has(checkpointId)
      return [{ kind: 'ignore', checkpointId, snapshot: isUseless ? snapshot : null }]
    }
    if (!pending.awaited.delete(task)) return []
    pending.snapshots.set(task, snapshot)
    if (pending.awaited.size > 0) return []
    pending.isStoring = true
    return [{ kind: 'store', checkpointId, request: pending.request, snapshots: pending.snapshots }]
  }

  #onStored(checkpointId: number, isOk: boolean, nowMs: number): CheckpointOrder<S>[] {
    const pending = this.#pending.get(checkpointId)
    if (pending === undefined) return isOk ? [{ kind: 'discard', checkpointId }] : []
    if (!isOk) return this.#abort(checkpointId, 'finalize-failure', nowMs)
    this.#pending.delete(checkpointId)
    this.#failures.onSuccess(checkpointId)
    const { request } = pending
    const orders: CheckpointOrder<S>[] = [{ kind: 'announce', checkpointId, request }]
    if (request.type === 'checkpoint') {
      this.#lastCompletionMs = nowMs
      orders.push(...this.#subsumeOlder(checkpointId), ...this.#retain(checkpointId))
    }
    return [...orders, ...this.#poll(nowMs)]
  }

  #subsumeOlder(checkpointId: number): CheckpointOrder<S>[] {
    const older = [...this.#pending.values()].filter(
      (pending) => pending.checkpointId < checkpointId && pending.request.type === 'checkpoint',
    )
    return older.map((pending) => this.#giveUp(pending, 'subsumed'))
  }

  #retain(checkpointId: number): CheckpointOrder<S>[] {
    const all = [...this.#completed, checkpointId]
    const surplus = Math.max(0, all.length - this.#options.retained)
    this.#completed = all.slice(surplus)
    return all.slice(0, surplus).map((id) => ({ kind: 'discard', checkpointId: id }))
  }

  /** A finished task will not acknowledge; whether its barrier was passed on cannot be known, so it is tried again. */
  #onFinished(task: string, nowMs: number): CheckpointOrder<S>[] {
    this.#tasks.delete(task)
    const affected = [...this.#pending.values()].filter(({ awaited }) => awaited.has(task))
    return affected.flatMap(({ checkpointId, request }) => [
      ...this.#abort(checkpointId, 'declined-input-end-of-stream', nowMs),
      ...this.#onRequest({ ...request, isForced: true }, nowMs),
    ])
  }

  #onStopped(reason: CheckpointFailureReason, nowMs: number): CheckpointOrder<S>[] {
    this.#stopReason = reason
    this.#nextPeriodicMs = Number.POSITIVE_INFINITY
    const orders = [...this.#pending.values()].map((pending) => this.#giveUp(pending, reason))
    return [...orders, ...this.#poll(nowMs)]
  }

  #abort(checkpointId: number, reason: CheckpointFailureReason, nowMs: number): CheckpointOrder<S>[] {
    const pending = this.#pending.get(checkpointId)
    if (pending === undefined) return []
    const abort = this.#giveUp(pending, reason)
    const isFatal = pending.request.type === 'checkpoint' && this.#failures.onFailure(checkpointId, reason)
    return isFatal ? [abort, { kind: 'failJob', reason }] : [abort, ...this.#poll(nowMs)]
  }

  #giveUp({ checkpointId, request }: Pending<S>, reason: CheckpointFailureReason): CheckpointOrder<S> {
    this.#pending.delete(checkpointId)
    this.#aborted.add(checkpointId)
    for (const oldest of this.#aborted) {
      if (this.#aborted.size <= ABORTED_MAX) break
      this.#aborted.delete(oldest)
    }
    return { kind: 'abort', checkpointId, request, reason }
  }

  #onTick(nowMs: number): CheckpointOrder<S>[] {
    const expired = [...this.#pending.values()].filter(
      ({ startedMs }) => nowMs - startedMs >= this.#options.timeoutMs,
    )
    const orders = expired.flatMap(({ checkpointId }) => this.#abort(checkpointId, 'expired', nowMs))
    if (nowMs < this.#nextPeriodicMs) return orders
    this.#nextPeriodicMs = Math.max(this.#nextPeriodicMs + this.#options.intervalMs, nowMs)
    // One periodic request in the queue is enough: the next tick adds another if it is still needed.
    if (this.#decider.queuedCount > 0) return orders
    const request: CheckpointRequest = {
      id: `periodic-${this.#lastId + 1}`,
      type: 'checkpoint',
      isPeriodic: true,
      isForced: false,
    }
    return [...orders, ...this.#onRequest(request, nowMs)]
  }

  /** Starts all that may be: several slots can have become free at once. */
  #poll(nowMs: number): CheckpointOrder<S>[] {
    const orders: CheckpointOrder<S>[] = []
    for (;;) {
      const decisions = this.#decider.poll(this.#situation(nowMs))
      if (decisions.length === 0) return orders
      orders.push(...this.#carryOut(decisions, nowMs))
    }
  }

  get #isPeriodic(): boolean {
    return this.#nextPeriodicMs !== Number.POSITIVE_INFINITY
  }

  #situation(nowMs: number): DeciderSituation {
    return {
      pendingCount: this.#pending.size,
      cleaningCount: 0,
      isTriggering: false,
      lastCompletionMs: this.#lastCompletionMs,
      nowMs,
    }
  }
}
