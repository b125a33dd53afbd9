/**
 * The checkpoints of one task: those it is asked to begin, and, step by step, what a barrier sets off once everything
 * before it has been processed. The task calls `takeTriggered`, `advance` and `drain` from its own steps, so that
 * operators are never touched in the middle of one; commits go on beside them.
 *
 * P1. From a barrier's arrival until the state is frozen no record is processed: `isHolding`.
 * P2. The barrier leaves before any record that follows it, and after all that came before.
 * P3. After a barrier that the task was told to halt at nothing is processed, unless its checkpoint is given up.
 * P4. One snapshot is written at a time; the next barrier has what is left of the last written at once.
 * P5. What is said of a checkpoint that has been given up came late, and changes nothing.
 */
import { assert } from '../base/assert.ts'
import { asError } from '../base/errors.ts'
import type { InputSnapshot } from '../checkpoint/channel-snapshot.ts'
import {
  FrozenSubtask,
  type SnapshotTimes,
  type StatefulOperator,
  type SubtaskSnapshot,
} from '../checkpoint/subtask-snapshot.ts'
import type { RecordWriter } from '../network/record-writer.ts'
import type { CheckpointBarrier } from '../network/stream-event.ts'
import type { OperatorChain } from './operator-chain.ts'

export interface TaskCheckpointsOptions {
  readonly chain: OperatorChain
  readonly operators: readonly StatefulOperator[]
  readonly writers: readonly RecordWriter[]
  /** Monotonic. */
  nowMs(): number
  /** How far event time has come on the channels. */
  snapshotInputs(): readonly InputSnapshot[]
  /** Event time ends here: a source that is to be drained. */
  endEventTime(): void
  /** The task has ended: there is nothing to commit any more. */
  hasEnded(): boolean
  /** A snapshot is complete and may be stored. */
  onSnapshot(barrier: CheckpointBarrier, snapshot: SubtaskSnapshot, times: SnapshotTimes): void
  /** There is something to do again. */
  onWake(): void
  onError(error: Error): void
}

/** Entries written per call: a fraction of a millisecond. */
const DRAIN_ENTRIES = 1000
/** Checkpoints given up that are remembered: an order for an older one would have to be late by as many. */
const GIVEN_UP_MAX = 100

interface Held {
  readonly barrier: CheckpointBarrier
  readonly alignmentMs: number
  readonly sinceMs: number
  phase: 'waiting' | 'preparing' | 'prepared'
}

interface Frozen {
  readonly barrier: CheckpointBarrier
  readonly subtask: FrozenSubtask
  readonly inputs: readonly InputSnapshot[]
  readonly times: SnapshotTimes
}

export class TaskCheckpoints {
  readonly #options: TaskCheckpointsOptions
  /** Asked for by the coordinator, oldest first, as many as it has pending. */
  #triggered: CheckpointBarrier[] = []
  /** Its barrier waits, is being prepared, or is prepared. */
  #held: Held | null = null
  #frozen: Frozen | null = null
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
    this.#triggered.shift()
    this.take(barrier, 0)
  }

  /** Everything before the barrier has been processed. Ids that are not newer than the last are ignored. */
  take(barrier: CheckpointBarrier, alignmentMs: number): void {
    if (barrier.checkpointId <= this.#takenId) return
    assert(this.#held === null, 'no input is read while a barrier is held')
    this.#takenId = barrier.checkpointId
    this.#held = { barrier, alignmentMs, sinceMs: this.#options.nowMs(), phase: 'waiting' }
    this.#options.onWake()
  }

  /** Does what can be done for the held barrier; false if that is nothing. */
  advance(): boolean {
    const held = this.#held
    const { chain } = this.#options
    if (held === null || held.phase === 'preparing' || !chain.isSnapshotSafe) return false
    if (held.phase === 'prepared') {
      this.#freeze(held)
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
    const { barrier, subtask, inputs, times } = this.#frozen
    const operators = subtask.drain(DRAIN_ENTRIES)
    if (operators === null) return
    this.#frozen = null
    this.#options.onSnapshot(barrier, { operators, inputs }, times)
  }

  #freeze({ barrier, alignmentMs, sinceMs }: Held): void {
    while (this.#frozen !== null) this.drain()
    const { writers, operators, nowMs } = this.#options
    for (const writer of writers) writer.event(barrier)
    const subtask = new FrozenSubtask(operators)
    const inputs = this.#options.snapshotInputs()
    const frozenMs = nowMs()
    const times = { isUnaligned: false, alignmentMs, syncMs: frozenMs - sinceMs, frozenMs }
    this.#frozen = { barrier, subtask, inputs, times }
    this.#frozenId = barrier.checkpointId
    this.#held = null
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
