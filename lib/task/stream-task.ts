/**
 * A running subtask: one chain, its inputs (or its source), its outputs. Knows neither actors nor threads: the slot
 * loop calls `step` while there is work, the subtask actor tells it what the coordinator wants.
 *
 * T1. Everything that touches operators happens inside `step`, or while the state is neither running nor draining.
 * T2. `step` does not begin new work while an output lacks credit or an operator is paused (back pressure). A barrier
 *     needs no credit: what it sets off goes on all the same, unless an operator is paused.
 * T3. `step` returns within a few milliseconds, unless a single call of a user function takes longer.
 *
 * Life: created -> opening -> ready (waits for the others) -> running -> finishing (operators finish) -> draining
 * (outputs arrive) -> finished. A sink that still has to commit stays in finishing until a checkpoint that holds its
 * last output is complete (Flink's FLIP-147). From any of them: failed or cancelled. Operators are closed before
 * finished, failed or cancelled is reported.
 */
import { assert } from '../base/assert.ts'
import type { Clock, TimerHandle } from '../base/clock.ts'
import { asError, SluiceError } from '../base/errors.ts'
import { BarrierGate } from '../checkpoint/barrier-gate.ts'
import { BarrierTracker } from '../checkpoint/barrier-tracker.ts'
import type { StateSize } from '../checkpoint/snapshot-chain.ts'
import type {
  SnapshotTarget,
  SnapshotTimes,
  StatefulOperator,
  SubtaskSnapshot,
} from '../checkpoint/subtask-snapshot.ts'
import { isFinal, type SubtaskState } from '../graph/execution-graph.ts'
import type { OutputChannel } from '../network/channel.ts'
import type { RecordWriter } from '../network/record-writer.ts'
import { type CheckpointBarrier, END_OF_INPUT } from '../network/stream-event.ts'
import type { SourceOperator } from '../operator/source-operator.ts'
import { loadRestored } from '../state/keyed-snapshot.ts'
import { misfitError } from '../state/state-misfit.ts'
import type { ProcessingTime } from '../time/timer-service.ts'
import { AdaptiveChunk } from './adaptive-chunk.ts'
import { POSITION_CELL_INDEX } from './chain-code.ts'
import { InputLookahead } from './input-lookahead.ts'
import {
  type InputChannelOf,
  type InputEvents,
  InputProcessor,
  type RestoredInputs,
} from './input-processor.ts'
import type { OperatorChain } from './operator-chain.ts'
import { TaskCheckpoints } from './task-checkpoints.ts'

/** What a step came to. `idle`: nothing to do. `blocked`: there is, but an output or a sink is not ready. */
export type StepResult = 'progress' | 'idle' | 'blocked' | 'ended'

export interface TaskListener {
  /** The state has changed; `error` comes with failed. */
  onState(state: SubtaskState, error?: Error): void
  /** There is something to do again. */
  onWake(): void
  /** As TaskCheckpointsOptions. */
  openSnapshot(barrier: CheckpointBarrier, size: StateSize | null, onChange: () => void): SnapshotTarget
  /** What a checkpoint keeps of this subtask besides what has gone to the target. */
  onSnapshot(barrier: CheckpointBarrier, snapshot: SubtaskSnapshot, times: SnapshotTimes): void
  /** There will be no snapshot for the checkpoint. */
  onUnused(checkpointId: number, snapshot: SubtaskSnapshot): void
  onDeclined(checkpointId: number, error: Error): void
}

export interface TaskParts {
  readonly clock: Clock
  readonly time: Float64Array
  readonly inputs: readonly InputChannelOf[]
  /** Null: nothing was in flight, and nothing is known of event time. */
  readonly restoredInputs: RestoredInputs | null
  /** The head of the chain, where that is a source. */
  readonly source: SourceOperator<unknown, never> | null
  readonly writers: readonly RecordWriter[]
  /** Output not sent for this long is sent however little it is. */
  readonly lingerMs: number
  /** Whether channels wait for each other at a barrier; otherwise records may be processed twice after a failure. */
  readonly isExactlyOnce: boolean
}

/** Restored in one go: a millisecond or two. */
const LOAD_ROWS = 5000
export class StreamTask {
  readonly processingTime: ProcessingTime
  readonly #parts: TaskParts
  readonly #clock: Clock
  readonly #listener: TaskListener
  readonly #outputs: readonly OutputChannel[]
  readonly #chunk = new AdaptiveChunk()
  /** Callbacks of timers that are due, and of results that have come; each operator has at most one of a kind here. */
  readonly #mail: (() => void)[] = []
  readonly #nowMs: () => number
  /** Indices of the operators that reading waits for, because their watermarks are aligned with others'. */
  #alignedIndices: readonly number[] = []
  #chain!: OperatorChain
  #operators: readonly StatefulOperator[] = []
  #input: InputProcessor | null = null
  #checkpoints!: TaskCheckpoints
  /** All operators have finished, and a checkpoint has to complete before the task may end. */
  #isAwaitingCheckpoint = false
  #state: SubtaskState = 'created'
  #sinkReady: Promise<void> | null = null
  #stateReady: Promise<void> | null = null
  #hasReachedEnd = false
  #deadlineMs = 0
  #mayPause = false
  /** The newest checkpoint triggered here of whose barrier the input has been told, since nobody sends it. */
  #announcedId = 0
  #alignmentTimer: TimerHandle | null = null
  #ending: Promise<void> | null = null

  constructor(parts: TaskParts, listener: TaskListener) {
    this.#parts = parts
    this.#clock = parts.clock
    this.#listener = listener
    this.#outputs = parts.writers.flatMap((writer) => writer.channels)
    this.#nowMs = () => this.#clock.monotonic()
    this.processingTime = {
      now: () => this.#clock.now(),
      callAt: (timestamp, callback) =>
        this.#clock.schedule(timestamp - this.#clock.now(), () => this.post(callback)),
    }
    for (const output of this.#outputs) output.onAvailable = () => this.wake()
  }

  get state(): SubtaskState {
    return this.#state
  }

  get chain(): OperatorChain {
    return this.#chain
  }

  get checkpoints(): TaskCheckpoints {
    return this.#checkpoints
  }

  get outputs(): readonly OutputChannel[] {
    return this.#outputs
  }

  get inputs(): readonly InputChannelOf[] {
    return this.#parts.inputs
  }

  /** Event time at the input; of a source, what it has emitted. -Infinity before the first watermark. */
  get watermark(): number {
    return this.#input?.valve.watermark ?? this.#parts.source?.watermark ?? Number.NEGATIVE_INFINITY
  }

  /** Records a source has emitted. */
  get sourceRecordCount(): number {
    return this.#parts.source?.recordCount ?? 0
  }

  /** All input has been processed and what came of it waits for a checkpoint to be committed. */
  get isAwaitingCheckpoint(): boolean {
    return this.#isAwaitingCheckpoint
  }

  /** What keeps the task from going on, for people. */
  get waitsFor(): string {
    if (this.#isAwaitingCheckpoint) return `a checkpoint, to commit; ${this.#checkpoints.describe()}`
    const stuck = this.#outputs.flatMap(({ isAvailable, isDrained }, i) =>
      isAvailable && (isDrained || this.#state !== 'draining') ? [] : [i],
    )
    if (stuck.length > 0) return `outputs ${stuck.join(', ')}`
    if (this.#state !== 'running') return `nothing: it is ${this.#state}`
    if (this.#sinkReady !== null) return 'a sink, or requests on their way'
    if (this.#checkpoints.isHolding) return this.#checkpoints.describe()
    const group = this.#awaited()
    if (group !== null) return `the slowest source of alignment group "${group}"`
    if (this.#input?.isAwaitingState === true) return 'state that is being read'
    const blocked = this.#input?.blocked ?? []
    return blocked.length > 0 ? `barriers; reached on inputs ${blocked.join(', ')}` : 'input'
  }

  /** The chain's operators were built with this task's hooks in their contexts, so it comes second. */
  attach(chain: OperatorChain, operators: readonly StatefulOperator[]): void {
    this.#chain = chain
    this.#operators = operators
    this.#alignedIndices = chain.operators.flatMap(({ operator }, k) =>
      operator.aligned === null ? [] : [k],
    )
    this.#checkpoints = new TaskCheckpoints({
      chain,
      operators,
      writers: this.#parts.writers,
      endEventTime: () => this.#pausably(() => this.#parts.source?.endOfInput()),
      hasEnded: () => isFinal(this.#state),
      nowMs: this.#nowMs,
      snapshotInputs: (recording) => ({
        watermark: this.#input?.valve.watermark ?? Number.NEGATIVE_INFINITY,
        inputs: this.#input?.snapshot(recording) ?? [],
      }),
      openSnapshot: (barrier, size, onChange) => this.#listener.openSnapshot(barrier, size, onChange),
      onUnused: (checkpointId, snapshot) => this.#listener.onUnused(checkpointId, snapshot),
      onDeclined: (checkpointId, error) => this.#listener.onDeclined(checkpointId, error),
      onGivenUp: (checkpointId) => this.#input?.giveUp(checkpointId, this.#nowMs()),
      onSnapshot: (barrier, snapshot, times) => this.#listener.onSnapshot(barrier, snapshot, times),
      onWake: () => this.wake(),
      onError: (error) => void this.fail(error),
    })
    const { inputs, isExactlyOnce, restoredInputs } = this.#parts
    if (inputs.length === 0) return
    const gate = isExactlyOnce ? new BarrierGate(inputs.length) : new BarrierTracker(inputs.length)
    const events: InputEvents = {
      watermark: (timestamp) => this.#pausably(() => chain.processWatermark(timestamp)),
      status: (isIdle) => chain.processStatus(isIdle),
      snapshot: (trigger) => this.#checkpoints.take(trigger),
      subsumed: (checkpointId) => this.#listener.onDeclined(checkpointId, subsumed(checkpointId)),
      wakeAt: (timeMs) => {
        this.#alignmentTimer?.cancel()
        this.#alignmentTimer = this.#clock.schedule(timeMs - this.#nowMs(), () => this.wake())
      },
      data: () => this.wake(),
    }
    const prefetch = operators[0]?.keyed?.prefetch ?? null
    const lookahead = prefetch === null ? null : new InputLookahead(prefetch, chain.setKeys)
    this.#input = new InputProcessor(inputs, chain.inputs, gate, events, restoredInputs, lookahead)
    const { watermark } = this.#input.valve
    // Operators begin where event time was, so that what was late is late again.
    if (watermark !== Number.NEGATIVE_INFINITY) this.#mail.push(() => chain.processWatermark(watermark))
  }

  /** Opens the operators; the task can then be started. */
  async open(): Promise<void> {
    assert(this.#state === 'created', 'a task is opened once')
    this.#enter('opening')
    try {
      await this.#load()
      await this.#chain.open()
      this.#refuseMisfits()
      if (this.#ending === null) this.#enter('ready')
    } catch (error) {
      await this.fail(asError(error))
    }
  }

  start(): void {
    if (this.#state !== 'ready') return
    this.#enter('running')
    this.wake()
  }

  wake(): void {
    this.#listener.onWake()
  }

  /** For operators: calls back in a step. */
  post(callback: () => void): void {
    this.#mail.push(callback)
    this.wake()
  }

  /** For operators: whether a long burst should make room. */
  shouldPause(): boolean {
    if (!this.#mayPause) return false
    return this.#nowMs() >= this.#deadlineMs || !this.#isOutputAvailable() || this.#isStateBusy()
  }

  /** Works until there is nothing to do, something blocks, or `deadlineMs` (monotonic) has come. */
  step(deadlineMs: number): StepResult {
    if (this.#state === 'draining' && this.#ending === null) return this.#drain()
    const isRunning = this.#state === 'running' || this.#isAwaitingCheckpoint
    if (!isRunning || this.#ending !== null) return 'blocked'
    this.#deadlineMs = deadlineMs
    try {
      return this.#isAwaitingCheckpoint ? this.#await() : this.#run(deadlineMs)
    } catch (error) {
      void this.fail(this.#chain.attribute(error, this.#describePosition()))
      return 'ended'
    }
  }

  /** Sends output that has waited long enough. */
  flush(nowMs: number): void {
    const { lingerMs } = this.#parts
    try {
      for (const output of this.#outputs) if (output.oldestUnsentMs + lingerMs <= nowMs) output.flush()
    } catch (error) {
      void this.fail(this.#chain.attribute(error, 'while sending'))
    }
  }

  /** When {@link flush} has something to do next; Infinity if nothing is unsent. */
  nextFlushMs(): number {
    let oldest = Number.POSITIVE_INFINITY
    for (const { oldestUnsentMs } of this.#outputs) if (oldestUnsentMs < oldest) oldest = oldestUnsentMs
    return oldest + this.#parts.lingerMs
  }

  tick(nowMs: number): void {
    for (const output of this.#outputs) output.tick(nowMs)
    for (const { channel } of this.#parts.inputs) channel.tick(nowMs)
  }

  /** Ends the task with an error; resolves when its operators are closed. */
  fail(error: Error): Promise<void> {
    return this.#end('failed', error)
  }

  /** Ends the task if it has not ended, and lets go of it; resolves when its operators are closed. */
  async cancel(): Promise<void> {
    await this.#end('cancelled')
    this.#closeInputs()
  }

  /** Puts restored state in place, in slices, so that heartbeats get through. */
  async #load(): Promise<void> {
    for (const { keyed } of this.#operators) {
      if (keyed === null) continue
      for (const _slice of loadRestored(keyed, LOAD_ROWS)) {
        await new Promise<void>((resolve) => this.#clock.defer(resolve))
        await keyed.whenReady()
        if (this.#ending !== null) return
      }
    }
  }

  /** Nothing has been processed yet. */
  #refuseMisfits(): void {
    const misfits = this.#operators.flatMap(({ id, keyed, operatorState }) => [
      ...(keyed?.misfits.take(id) ?? []),
      ...operatorState.misfits.take(id),
    ])
    if (misfits.length > 0) throw misfitError(misfits)
  }

  #run(deadlineMs: number): StepResult {
    let hasProgressed = false
    for (;;) {
      this.#checkpoints.drain()
      const result = this.#once()
      if (result === 'progress' || this.#checkpoints.canWrite) hasProgressed = true
      else {
        if (result === 'idle') this.#flushLocal()
        return hasProgressed && result !== 'ended' ? 'progress' : result
      }
      if (this.#nowMs() >= deadlineMs) return 'progress'
    }
  }

  /** One unit of work: what a barrier sets off, a piece of a paused watermark, a mail, a chunk of input. */
  #once(): StepResult {
    if (this.#reactToBarriers()) return 'progress'
    const isReady = this.#isOutputAvailable() && !this.#isSinkBusy() && !this.#isStateBusy()
    // A barrier need not wait until a burst of timers is over: those that have not fired are in the snapshot.
    if (this.#chain.isPaused && !(this.#checkpoints.isHolding && this.#chain.isSnapshotSafe)) {
      if (!isReady) return 'blocked'
      this.#pausably(() => this.#chain.resume())
      return 'progress'
    }
    if (this.#checkpoints.isHolding || !isReady) return 'blocked'
    const mail = this.#mail.shift()
    if (mail !== undefined) {
      this.#pausably(mail)
      return 'progress'
    }
    return this.#input === null ? this.#pollSource() : this.#processInput(this.#input)
  }

  /** True if there was something to do. */
  #reactToBarriers(): boolean {
    const checkpoints = this.#checkpoints
    if (checkpoints.isHolding) return checkpoints.advance()
    if (this.#input === null) {
      checkpoints.takeTriggered()
      return checkpoints.isHolding && checkpoints.advance()
    }
    const { triggered } = checkpoints
    if (triggered !== null && triggered.checkpointId > this.#announcedId && this.#input.hasEndArrived) {
      this.#announcedId = triggered.checkpointId
      this.#input.arriveEverywhere(triggered)
    }
    return this.#input.react(this.#nowMs())
  }

  /** Only what is called like this may pause: in the middle of a batch of records nobody would stop for it. */
  #pausably(call: () => void): void {
    this.#mayPause = true
    call()
    this.#mayPause = false
  }

  #processInput(input: InputProcessor): StepResult {
    if (input.step(this.#nowMs)) return 'progress'
    if (!input.hasEnded) return input.isAwaitingState ? 'blocked' : 'idle'
    return this.#finish()
  }

  #pollSource(): StepResult {
    if (this.#hasReachedEnd) return this.#finish()
    if (this.#awaited() !== null) return 'idle'
    const recordsMax = this.#chunk.size
    const startedMs = this.#nowMs()
    const result = this.#parts.source!.poll(recordsMax)
    if (result === 'idle') return 'idle'
    this.#chunk.measured(recordsMax, this.#nowMs() - startedMs)
    if (result === 'end') {
      this.#hasReachedEnd = true
      this.#pausably(() => this.#parts.source!.endOfInput())
    } else if (this.#alignedIndices.length > 0) this.#pausably(() => this.#emitAligned())
    return 'progress'
  }

  /** The alignment group this source waits for. */
  #awaited(): string | null {
    for (const k of this.#alignedIndices) {
      const { aligned } = this.#chain.operators[k]!.operator
      if (aligned?.isAhead === true) return aligned.alignment.group
    }
    return null
  }

  /** At the next beat a fast source would be far ahead already. */
  #emitAligned(): void {
    for (const k of this.#alignedIndices) {
      this.#chain.call(k, () => this.#chain.operators[k]!.operator.emitPeriodicWatermark())
    }
  }

  #finish(): StepResult {
    // A snapshot that was begun is written first: nobody would once the task has ended.
    if (this.#checkpoints.isWriting) return this.#checkpoints.canWrite ? 'progress' : 'blocked'
    this.#enter('finishing')
    this.#chain.finish().then(
      () => {
        if (this.#ending !== null) return
        if (this.#chain.isAwaitingCheckpoint) {
          this.#isAwaitingCheckpoint = true
          this.#enter('finishing')
        } else this.#endOutput()
        this.wake()
      },
      (error) => this.fail(error),
    )
    return 'blocked'
  }

  /** Between the end of the input and the commit of what came of it. */
  #await(): StepResult {
    this.#checkpoints.takeTriggered()
    if (this.#checkpoints.isHolding) return this.#checkpoints.advance() ? 'progress' : 'blocked'
    if (this.#checkpoints.isWriting) {
      if (!this.#checkpoints.canWrite) return 'blocked'
      this.#checkpoints.drain()
      return 'progress'
    }
    if (this.#chain.isAwaitingCheckpoint) return 'idle'
    this.#isAwaitingCheckpoint = false
    this.#endOutput()
    return 'progress'
  }

  #endOutput(): void {
    for (const writer of this.#parts.writers) writer.event(END_OF_INPUT)
    this.#enter('draining')
  }

  #drain(): StepResult {
    if (!this.#outputs.every((output) => output.isDrained)) return 'blocked'
    void this.#end('finished')
    return 'ended'
  }

  #end(state: 'finished' | 'failed' | 'cancelled', error?: Error): Promise<void> {
    this.#ending ??= this.#close(state, error)
    return this.#ending
  }

  async #close(state: 'finished' | 'failed' | 'cancelled', error: Error | undefined): Promise<void> {
    this.#mail.length = 0
    this.#alignmentTimer?.cancel()
    try {
      await this.#chain.close()
    } catch (closeError) {
      if (state === 'finished') {
        state = 'failed'
        error = asError(closeError)
      }
    }
    for (const output of this.#outputs) output.close()
    // Those upstream are not done before they know that everything has arrived, and what says so may get lost: a task
    // that has finished goes on answering until it is let go of.
    if (state === 'finished') for (const { channel } of this.#parts.inputs) channel.tick(this.#nowMs())
    else this.#closeInputs()
    this.#state = state
    this.#listener.onState(state, error === undefined ? undefined : asError(error))
  }

  #closeInputs(): void {
    for (const { channel } of this.#parts.inputs) channel.close()
  }

  #isOutputAvailable(): boolean {
    for (const writer of this.#parts.writers) if (!writer.isAvailable) return false
    return true
  }

  /** State on disk has fallen behind. */
  #isStateBusy(): boolean {
    if (this.#stateReady !== null) return true
    for (const [k, { keyed }] of this.#operators.entries()) {
      if (keyed === null || keyed.isReady) continue
      this.#stateReady = keyed.whenReady() ?? null
      this.#stateReady?.then(
        () => {
          this.#stateReady = null
          this.wake()
        },
        (error) => this.fail(this.#chain.attribute(error, 'while writing state', k)),
      )
      return this.#stateReady !== null
    }
    return false
  }

  #isSinkBusy(): boolean {
    if (this.#sinkReady !== null) return true
    const ready = this.#chain.whenReady()
    if (ready === undefined) return false
    this.#sinkReady = ready
    ready.then(
      () => {
        this.#sinkReady = null
        this.wake()
      },
      (error) => this.fail(error),
    )
    return true
  }

  /** Nothing more to do: what waits for a task in the same thread need not wait for the linger. */
  #flushLocal(): void {
    for (const output of this.#outputs) if (output.isLocal) output.flush()
  }

  #describePosition(): string {
    const position = this.#parts.time[POSITION_CELL_INDEX]!
    if (this.#input !== null && Number.isNaN(position)) return 'between records'
    return this.#input?.describePosition(position) ?? `record ${this.sourceRecordCount} of the source`
  }

  #enter(state: SubtaskState): void {
    this.#state = state
    this.#listener.onState(state)
  }
}

function subsumed(checkpointId: number): SluiceError {
  return new SluiceError(
    'CHECKPOINT_SUBSUMED',
    `the barrier of a newer checkpoint came before checkpoint ${checkpointId} was through`,
  )
}
