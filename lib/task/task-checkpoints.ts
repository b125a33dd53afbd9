/**
 * The checkpoints of one task: those it is asked to begin, and, step by step, what a barrier sets off once everything
 * before it has been processed. The task calls `takeTriggered`, `advance` and `drain` from its own steps, so that
 * operators are never touched in the middle of one; commits go on beside them.
 *
 * P1. From when a snapshot is decided on until the state is frozen no record is processed: `isHolding`.
 * P2. The barrier leaves before any record that follows it, and after all that came before.
 * P3. After a barrier that the task was told to halt at nothing is processed, unless its checkpoint is given up.
 * P4. One snapshot is written at a time, a millisecond's worth per step, and not faster than it can be stored; the
 *     next barrier is held until the last byte of the one before it has been written.
 * P5. An unaligned snapshot is complete when its data in flight has been recorded, however long the state has been.
 * P6. What is said of a checkpoint that has been given up came late, and changes nothing. Its state is written to the
 *     end all the same, as the next snapshot builds on it; only a target that is closed ends that.
 */
import { assert } from '../base/assert.ts'
import { asError, SluiceError } from '../base/errors.ts'
import type { InputSnapshot } from '../checkpoint/channel-snapshot.ts'
import type { StateSize } from '../checkpoint/snapshot-chain.ts'
import {
  FrozenSubtask,
  type OperatorSnapshot,
  type SnapshotTarget,
  type SnapshotTimes,
  type StatefulOperator,
  type SubtaskSnapshot,
  SubtaskWalk,
} from '../checkpoint/subtask-snapshot.ts'
import type { RecordWriter } from '../network/record-writer.ts'
import type { CheckpointBarrier } from '../network/stream-event.ts'
import type { ChannelRecording } from './channel-recording.ts'
import type { SnapshotTrigger } from './input-processor.ts'
import type { OperatorChain } from './operator-chain.ts'

export interface TaskCheckpointsOptions {
  readonly chain: OperatorChain
  readonly operators: readonly StatefulOperator[]
  readonly writers: readonly RecordWriter[]
  /** Monotonic. */
  nowMs(): number
  /** Event time at the inputs, and on each of their channels; with the data in flight that is being recorded. */
  snapshotInputs(recording: ChannelRecording | null): Pick<SubtaskSnapshot, 'watermark' | 'inputs'>
  /** Event time ends here: a source that is to be drained. */
  endEventTime(): void
  /** The task has ended: there is nothing to commit any more. */
  hasEnded(): boolean
  /** A snapshot is about to be taken; `size` is null without keyed state. `onChange`: the state of the target has. */
  openSnapshot(barrier: CheckpointBarrier, size: StateSize | null, onChange: () => void): SnapshotTarget
  /** All keyed state has gone to the target, and this is the rest. */
  onSnapshot(barrier: CheckpointBarrier, snapshot: SubtaskSnapshot, times: SnapshotTimes): void
  /** As onSnapshot, but of a checkpoint that will not be: the snapshot is only built on. */
  onUnused(checkpointId: number, snapshot: SubtaskSnapshot): void
  /** There will be no snapshot, and the coordinator does not know. */
  onDeclined(checkpointId: number, error: Error): void
  /** Nobody waits for this checkpoint any more. */
  onGivenUp(checkpointId: number): void
  /** There is something to do again. */
  onWake(): void
  onError(error: Error): void
}

/** How long a step writes. */
const DRAIN_MS = 1
/** Entries written between two looks at the clock. */
const DRAIN_ENTRIES = 64
/** Checkpoints given up that are remembered: an order for an older one would have to be late by as many. */
const GIVEN_UP_MAX = 100

interface Held extends SnapshotTrigger {
  readonly sinceMs: number
  phase: 'waiting' | 'preparing' | 'prepared'
}

interface Frozen {
  readonly barrier: CheckpointBarrier
  readonly target: SnapshotTarget
  readonly subtask: FrozenSubtask
  readonly atInputs: { readonly watermark: number; readonly inputs: readonly InputSnapshot[] }
  readonly recording: ChannelRecording | null
  readonly startedMs: number
  readonly times: SnapshotTimes
  /** Once all has been written; it may have to wait for the recording. */
  operators: readonly OperatorSnapshot[] | null
}

export class TaskCheckpoints {
  readonly #options: TaskCheckpointsOptions
  /** Asked for by the coordinator, oldest first, as many as it has pending. */
  #triggered: CheckpointBarrier[] = []
  /** Its barrier waits, is being prepared, or is prepared. */
  #held: Held | null = null
  #frozen: Frozen | null = null
  /** All state is written; data in flight is still being recorded. At most one: the gate records for one checkpoint. */
  #recording: Frozen | null = null
  #walk: SubtaskWalk | null = null
  #commits: Promise<void> = Promise.resolve()
  readonly #givenUp: number[] = []
  #takenId = 0
  #frozenId = 0
  #endedId = 0
  #haltId = 0
  #drainId: number | null = null

  constructor(options: TaskCheckpointsOptions) {
    this.#options = options
  }

  get isHolding(): boolean {
    return this.#held !== null || (this.#frozenId > 0 && this.#frozenId === this.#haltId)
  }

  get isWriting(): boolean {
    return this.#frozen !== null
  }

  /** There is something to write, and somewhere to write it to; otherwise `onWake` says when. */
  get canWrite(): boolean {
    return this.#frozen !== null && this.#frozen.target.state !== 'busy'
  }

  /** Checkpoints up to this one need not be waited for: their barriers have passed, or will never come. */
  get passedId(): number {
    return Math.max(this.#endedId, this.#frozenId)
  }

  /** For people. */
  describe(): string {
    if (this.#held !== null) return `checkpoint ${this.#held.barrier.checkpointId} is ${this.#held.phase}`
    return this.isHolding ? `halted at checkpoint ${this.#haltId}` : `last checkpoint ${this.#frozenId}`
  }

  /** The coordinator wants a checkpoint of which this task is the first, or the first that still runs. */
  trigger(barrier: CheckpointBarrier): void {
    const { checkpointId } = barrier
    const isKnown = this.#triggered.some((other) => other.checkpointId === checkpointId)
    if (isKnown || this.#givenUp.includes(checkpointId)) return
    this.#triggered.push(barrier)
    this.#triggered.sort((a, b) => a.checkpointId - b.checkpointId)
    this.#options.onWake()
  }

  /** This checkpoint's barrier is the last thing that is processed; `isDrain`: sources end event time before it. */
  haltAt(checkpointId: number, isDrain: boolean): void {
    if (this.#givenUp.includes(checkpointId)) return
    this.#haltId = checkpointId
    if (isDrain) this.#drainId = checkpointId
  }

  /** Nobody waits for this checkpoint any more. Resolves when sinks have committed what it covers, if they are to. */
  ended(checkpointId: number, mustCommit: boolean): Promise<void> {
    this.#endedId = Math.max(this.#endedId, checkpointId)
    if (mustCommit) {
      this.#commits = this.#commits.then(() => this.#commit(checkpointId))
      return this.#commits
    }
    this.#triggered = this.#triggered.filter((barrier) => barrier.checkpointId !== checkpointId)
    this.#givenUp.push(checkpointId)
    if (this.#givenUp.length > GIVEN_UP_MAX) this.#givenUp.shift()
    if (this.#haltId === checkpointId) this.#haltId = 0
    this.#options.onGivenUp(checkpointId)
    this.#options.onWake()
    return Promise.resolve()
  }

  /** Takes what was triggered first; not while another is held, nor after the one to halt at. */
  takeTriggered(): void {
    const barrier = this.#triggered[0]
    if (barrier === undefined || this.isHolding) return
    if (this.#drainId === barrier.checkpointId && !this.#options.chain.isPaused) {
      this.#drainId = null
      this.#options.endEventTime()
    }
    // What event time releases comes before the last barrier of all, in as many steps as it takes.
    if (barrier.checkpointId === this.#haltId && this.#options.chain.isPaused) return
    this.take({ barrier, startedMs: this.#options.nowMs(), recording: null })
  }

  /** What was triggered first and has not been taken. */
  get triggered(): CheckpointBarrier | null {
    return this.#triggered[0] ?? null
  }

  /** What the snapshot is to hold has been decided. Ids that are not newer than the last are ignored. */
  take(trigger: SnapshotTrigger): void {
    const { checkpointId } = trigger.barrier
    this.#triggered = this.#triggered.filter((barrier) => barrier.checkpointId > checkpointId)
    if (checkpointId <= this.#takenId) return
    assert(this.#held === null, 'no input is read while a barrier is held')
    this.#takenId = checkpointId
    this.#held = { ...trigger, sinceMs: this.#options.nowMs(), phase: 'waiting' }
    this.#options.onWake()
  }

  /** Does what can be done for the held barrier; false if that is nothing. */
  advance(): boolean {
    const held = this.#held
    const { chain } = this.#options
    if (held === null || held.phase === 'preparing' || !chain.isSnapshotSafe) return false
    if (held.phase === 'prepared') {
      if (this.#frozen === null) this.#freeze(held)
      else if (this.canWrite) this.drain()
      else return false
      return true
    }
    held.phase = 'preparing'
    chain.prepareSnapshot(held.barrier.checkpointId).then(
      () => {
        held.phase = 'prepared'
        this.#options.onWake()
      },
      (error) => this.#options.onError(error),
    )
    return true
  }

  /** Writes a piece of the frozen state, and gives out a snapshot that is complete. */
  drain(): void {
    this.#finishRecording()
    const { nowMs } = this.#options
    const endMs = nowMs() + DRAIN_MS
    while (this.canWrite) {
      this.#write(this.#frozen!)
      if (nowMs() >= endMs) return
    }
  }

  #write(frozen: Frozen): void {
    const { target, subtask } = frozen
    if (target.state === 'closed') {
      subtask.abandon()
      this.#frozen = null
      return
    }
    frozen.operators = subtask.drain(DRAIN_ENTRIES)
    if (frozen.operators === null) return
    this.#frozen = null
    if (target.isFolding && this.#walk?.hasEnded === true) {
      this.#walk = null
      target.folded()
    }
    // One before it that still waits has been given up: see the gate.
    if (this.#recording !== null) this.#leaveUnused(this.#recording)
    this.#recording = frozen
    this.#finishRecording()
  }

  #freeze({ barrier, startedMs, sinceMs, recording }: Held): void {
    const { writers, operators, nowMs, onWake } = this.#options
    for (const writer of writers) writer.event(barrier)
    const target = this.#options.openSnapshot(barrier, sizeOf(operators), onWake)
    if (target.kind === 'base') this.#walk = null
    if (target.isFolding) this.#walk ??= new SubtaskWalk(operators)
    const subtask = new FrozenSubtask(operators, target, target.isFolding ? this.#walk : null)
    const atInputs = this.#options.snapshotInputs(recording)
    const frozenMs = nowMs()
    const times = {
      isUnaligned: recording !== null,
      alignmentMs: sinceMs - startedMs,
      syncMs: frozenMs - sinceMs,
      frozenMs,
    }
    this.#frozen = { barrier, target, subtask, atInputs, recording, startedMs, times, operators: null }
    this.#frozenId = barrier.checkpointId
    this.#held = null
  }

  #finishRecording(): void {
    if (this.#recording === null) return
    const { barrier, recording, operators, atInputs, startedMs, times } = this.#recording
    const state = recording?.state ?? 'complete'
    if (state === 'recording') return
    const frozen = this.#recording
    this.#recording = null
    const { checkpointId } = barrier
    if (state !== 'complete') this.#leaveUnused(frozen)
    if (state === 'complete') {
      const alignmentMs = recording === null ? times.alignmentMs : recording.completedMs - startedMs
      this.#options.onSnapshot(barrier, { operators: operators!, ...atInputs }, { ...times, alignmentMs })
    } else if (state === 'overflown') {
      this.#options.onGivenUp(checkpointId)
      this.#options.onDeclined(
        checkpointId,
        new SluiceError('CHECKPOINT_FAILED', 'more data is in flight than an unaligned checkpoint can hold'),
      )
    }
  }

  /** Without the data in flight it is part of no checkpoint, but the next snapshot builds on its state. */
  #leaveUnused({ barrier, operators, atInputs }: Frozen): void {
    const { checkpointId } = barrier
    this.#options.onUnused(checkpointId, { operators: operators!, watermark: atInputs.watermark, inputs: [] })
  }

  async #commit(checkpointId: number): Promise<void> {
    if (this.#options.hasEnded()) return
    try {
      await this.#options.chain.checkpointCompleted(checkpointId)
    } catch (error) {
      this.#options.onError(asError(error))
    }
    this.#options.onWake()
  }
}

function sizeOf(operators: readonly StatefulOperator[]): StateSize | null {
  const backends = operators.flatMap(({ keyed }) => (keyed === null ? [] : [keyed]))
  if (backends.length === 0) return null
  return {
    entryCount: backends.reduce((sum, { size }) => sum + size, 0),
    changedCount: backends.reduce((sum, { changedCount }) => sum + changedCount, 0),
    entryCountOf: (operatorId, state) =>
      operators.find(({ id }) => id === operatorId)?.keyed?.sizeOf(state) ?? null,
  }
}
