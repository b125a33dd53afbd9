/**
 * The checkpoints of one task, step by step: what a barrier sets off once everything before it has been processed.
 * The task calls `advance` and `drain` from its own steps, so that operators are never touched in the middle of one.
 *
 * P1. From a barrier's arrival until the state is frozen no record is processed: `isHolding`.
 * P2. The barrier leaves before any record that follows it, and after all that came before.
 * P3. After a barrier that the task was told to halt at nothing is processed, unless its checkpoint is given up.
 * P4. One snapshot is written at a time; the next barrier has what is left of the last written at once.
 */
import { assert } from '../base/assert.ts'
import { FrozenSubtask, type StatefulOperator, type SubtaskSnapshot } from '../checkpoint/subtask-snapshot.ts'
import type { RecordWriter } from '../network/record-writer.ts'
import type { CheckpointBarrier } from '../network/stream-event.ts'
import type { OperatorChain } from './operator-chain.ts'

export interface TaskCheckpointsOptions {
  readonly chain: OperatorChain
  readonly operators: readonly StatefulOperator[]
  readonly writers: readonly RecordWriter[]
  /** A snapshot is complete and may be stored. */
  onSnapshot(barrier: CheckpointBarrier, snapshot: SubtaskSnapshot): void
  /** `advance` has something to do again. */
  onWake(): void
  onError(error: Error): void
}

/** Entries written per call: a fraction of a millisecond. */
const DRAIN_ENTRIES = 1000

export class TaskCheckpoints {
  readonly #options: TaskCheckpointsOptions
  /** Its barrier waits, is being prepared, or is prepared. */
  #held: { readonly barrier: CheckpointBarrier; phase: 'waiting' | 'preparing' | 'prepared' } | null = null
  #frozen: { readonly barrier: CheckpointBarrier; readonly subtask: FrozenSubtask } | null = null
  #latestId = 0
  #frozenId = 0
  #haltId = 0

  constructor(options: TaskCheckpointsOptions) {
    this.#options = options
  }

  get isHolding(): boolean {
    return this.#held !== null || (this.#frozenId > 0 && this.#frozenId === this.#haltId)
  }

  get isWriting(): boolean {
    return this.#frozen !== null
  }

  /** The newest checkpoint whose snapshot has been taken. */
  get frozenId(): number {
    return this.#frozenId
  }

  /** For people. */
  describe(): string {
    if (this.#held !== null) return `checkpoint ${this.#held.barrier.checkpointId} is ${this.#held.phase}`
    return this.isHolding ? `halted at checkpoint ${this.#haltId}` : `last checkpoint ${this.#frozenId}`
  }

  /** Everything before the barrier has been processed. Ids that are not newer than the last are ignored. */
  take(barrier: CheckpointBarrier): void {
    if (barrier.checkpointId <= this.#latestId) return
    assert(this.#held === null, 'no input is read while a barrier is held')
    this.#latestId = barrier.checkpointId
    this.#held = { barrier, phase: 'waiting' }
    this.#options.onWake()
  }

  haltAt(checkpointId: number): void {
    this.#haltId = checkpointId
  }

  /** A checkpoint was given up: nobody need halt for it. */
  goOn(checkpointId: number): void {
    if (this.#haltId !== checkpointId) return
    this.#haltId = 0
    this.#options.onWake()
  }

  /** Does what can be done for the held barrier; false if that is nothing. The chain is not paused. */
  advance(): boolean {
    const held = this.#held
    const { chain } = this.#options
    if (held === null || held.phase === 'preparing' || !chain.isSnapshotSafe) return false
    if (held.phase === 'prepared') {
      this.#freeze(held.barrier)
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

  /** Writes a piece of the frozen state. */
  drain(): void {
    if (this.#frozen === null) return
    const { barrier, subtask } = this.#frozen
    const snapshot = subtask.drain(DRAIN_ENTRIES)
    if (snapshot === null) return
    this.#frozen = null
    this.#options.onSnapshot(barrier, snapshot)
  }

  #freeze(barrier: CheckpointBarrier): void {
    while (this.#frozen !== null) this.drain()
    for (const writer of this.#options.writers) writer.event(barrier)
    this.#frozen = { barrier, subtask: new FrozenSubtask(this.#options.operators) }
    this.#frozenId = barrier.checkpointId
    this.#held = null
  }
}
