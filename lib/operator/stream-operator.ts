/**
 * The contract between an operator and the task that runs it. Operators are synchronous and push: the task calls
 * them with records and events, they call their output. The timestamp of the record in hand is not a parameter but
 * a cell in {@link OperatorContext.time}: passing doubles between functions that are not inlined would allocate one
 * object per record and step.
 *
 * O1. An operator that changes the timestamp cell around an emission restores it before it returns.
 * O2. A watermark is passed on only after everything it released has been emitted.
 * O3. `processWatermark` may stop half way, if {@link OperatorContext.shouldPause} says so, by returning false; it
 *     is then called again with the same watermark before anything else reaches the operator.
 */
import type { Clock } from '../base/clock.ts'
import { SluiceError } from '../base/errors.ts'
import type { Key } from '../base/hash.ts'
import type { Logger } from '../base/logger.ts'
import type { Connections } from '../function/connections.ts'
import type { RichFunction } from '../function/functions.ts'
import type { RuntimeContext } from '../function/runtime-context.ts'
import type { MetricGroup } from '../metrics/metric-group.ts'
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts'
import type { OperatorStateBackend } from '../state/operator-state.ts'
import type { StateDescriptor } from '../state/state-descriptor.ts'
import type { Timer } from '../state/timer-table.ts'
import { RestoredTimers, type TimersOnRestore } from '../time/restored-timers.ts'
import type { ProcessingTime, TimerService } from '../time/timer-service.ts'
import { MIN_TIMESTAMP } from '../time/timestamp.ts'
import type { AlignedWatermark } from '../time/watermark-alignment.ts'

/** What an operator emits to: the next operators of the chain, or the edges that leave the task. */
export interface Output<O> {
  collect(value: O): void
  /** A record for the side output `tag`; dropped if nobody reads it. */
  collectSide(tag: string, value: unknown): void
  emitWatermark(timestamp: number): void
  emitStatus(isIdle: boolean): void
}

/** Everything the task gives an operator. */
export interface OperatorContext {
  readonly jobId: string
  readonly jobName: string
  readonly operatorName: string
  readonly uid: string
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly maxParallelism: number
  readonly attempt: number
  /** Whether the job takes checkpoints; sinks that commit do it then, and otherwise as soon as they can. */
  readonly hasCheckpoints: boolean
  /** [0]: timestamp of the record in hand, NaN if it has none. Shared by the whole chain. */
  readonly time: Float64Array
  readonly clock: Clock
  readonly processingTime: ProcessingTime
  readonly log: Logger
  readonly metrics: MetricGroup
  readonly connections: Connections
  readonly operatorState: OperatorStateBackend
  /** Null on streams that are not keyed. */
  readonly keyed: KeyedStateBackend | null
  /** How often periodic watermark generators are asked. */
  readonly watermarkIntervalMs: number
  /** What happens with processing-time timers that came due while the job was down. */
  readonly timersOnRestore: TimersOnRestore
  /** True when a long burst of work should make room: other tasks, control messages or a barrier are waiting. */
  shouldPause(): boolean
  /** Tells the task that this operator, which had nothing to do, has something now. */
  wake(): void
  /** Calls back in the task, between records: from there an operator may emit what a promise has come to. */
  defer(callback: () => void): void
  /** Fails the subtask: for errors in asynchronous callbacks, which no caller would catch. */
  fail(error: unknown): void
}

/** JavaScript text that does an operator's work in the generated code of its chain; see chain-code. */
export interface InlineCode {
  /** Values the text refers to, by name. */
  readonly bindings: Readonly<Record<string, unknown>>
  /** Statements that process the record in variable `value`; `emit(expression)` yields those that hand one on. */
  body(emit: (expression: string) => string): string
}

const inUse = new WeakSet<object>()

/**
 * Opens and closes a user's function object, once each. An object may serve one subtask only: its fields would be
 * shared otherwise. Where several subtasks run in one thread, an object made outside the job function is caught here.
 */
class FunctionLifecycle {
  readonly #fn: RichFunction
  #isOpen = false

  constructor(fn: RichFunction) {
    this.#fn = fn
  }

  async open(context: OperatorContext): Promise<void> {
    if (this.#fn.open === undefined) return
    if (inUse.has(this.#fn)) {
      throw new SluiceError(
        'GRAPH_INVALID',
        `the function object of operator "${context.operatorName}" is used by several operators or subtasks at once; create it inside the job function, one per use`,
      )
    }
    inUse.add(this.#fn)
    this.#isOpen = true
    await this.#fn.open(toRuntimeContext(context))
  }

  close(): void | Promise<void> {
    if (this.#fn.open !== undefined && !this.#isOpen) return
    inUse.delete(this.#fn)
    this.#isOpen = false
    return this.#fn.close?.()
  }
}

export abstract class StreamOperator<O> {
  protected context!: OperatorContext
  protected output!: Output<O>
  /** Set in `setup` by operators that have timers; from there on watermarks and the clock fire them. */
  protected timers: TimerService | null = null
  /** Of operators whose watermarks are aligned with those of others. */
  readonly aligned: AlignedWatermark | null = null
  /** Event time as far as it has come here. */
  protected currentWatermark = MIN_TIMESTAMP
  readonly #lifecycle: FunctionLifecycle | null
  #restoredTimers: RestoredTimers | null = null

  /** `fn`: the user's function, if there is one; it is opened and closed with the operator. */
  constructor(fn: RichFunction | null = null) {
    this.#lifecycle = fn === null ? null : new FunctionLifecycle(fn)
  }

  setup(context: OperatorContext, output: Output<O>): void {
    this.context = context
    this.output = output
    context.keyed?.useClock(context.processingTime)
  }

  /** Before the first record, after state has been restored. */
  open(): void | Promise<void> {
    return this.#open()
  }

  processWatermark(timestamp: number): boolean {
    this.currentWatermark = timestamp
    if (this.timers !== null && !this.timers.advanceWatermark(timestamp)) return false
    this.output.emitWatermark(timestamp)
    return true
  }

  processStatus(isIdle: boolean): void {
    this.output.emitStatus(isIdle)
  }

  /** A promise if no record should come before it resolves; asked between batches. */
  whenReady(): Promise<void> | undefined {
    return undefined
  }

  /** All input has been processed; what is still held back goes out now. */
  finish(): void | Promise<void> {}

  /** Releases what `open` took. Called once, also after a failure. */
  close(): void | Promise<void> {
    this.timers?.close()
    return this.#lifecycle?.close()
  }

  /** A snapshot is about to be taken: what is not in state yet goes there (or to the outside) now. */
  prepareSnapshot(_checkpointId: number): void | Promise<void> {
    this.#restoredTimers?.noteSnapshot()
  }

  /** A checkpoint that contains a snapshot of this operator is complete everywhere. */
  checkpointCompleted(_checkpointId: number): void | Promise<void> {}

  /** Emits what periodic watermarks have come to, now rather than at the next beat. */
  emitPeriodicWatermark(): void {}

  /** False while a snapshot would catch half of a step; see SliceWindowOperator. */
  get isSnapshotSafe(): boolean {
    return true
  }

  /** True while something that was finished waits for a checkpoint to be committed; asked after `finish`. */
  get isAwaitingCheckpoint(): boolean {
    return false
  }

  /** A processing-time timer came due while the job was down and is to be skipped; false: it fires nevertheless. */
  protected skipTimer(_timer: Timer): boolean {
    return true
  }

  async #open(): Promise<void> {
    await this.#lifecycle?.open(this.context)
    if (this.timers === null) return
    this.#restoredTimers = new RestoredTimers(this.context, this.timers)
    this.#restoredTimers.settle((timer) => this.skipTimer(timer))
    this.timers.schedule()
  }
}

export abstract class OneInputOperator<I, O> extends StreamOperator<O> {
  abstract processElement(value: I): void

  /** Operators worth inlining override this; it is asked after `setup` and before `open`. */
  inline(): InlineCode {
    return { bindings: { operator: this }, body: () => 'operator.processElement(value);' }
  }
}

export abstract class TwoInputOperator<A, B, O> extends StreamOperator<O> {
  abstract processElement1(value: A): void
  abstract processElement2(value: B): void
}

/** How an input of a keyed operator finds the key of a record. */
export type KeyOf = (value: never) => Key

/** The runtime context functions see, over that of their operator. */
function toRuntimeContext(context: OperatorContext): RuntimeContext {
  return {
    jobName: context.jobName,
    operatorName: context.operatorName,
    uid: context.uid,
    subtaskIndex: context.subtaskIndex,
    parallelism: context.parallelism,
    maxParallelism: context.maxParallelism,
    attempt: context.attempt,
    log: context.log,
    metrics: context.metrics,
    processingTime: () => context.processingTime.now(),
    state: <S>(descriptor: StateDescriptor<S>) => keyedBackend(context).state(descriptor),
  }
}

export function keyedBackend(context: OperatorContext): KeyedStateBackend {
  if (context.keyed !== null) return context.keyed
  throw new SluiceError(
    'UNSUPPORTED',
    `operator "${context.operatorName}" asks for keyed state or timers, but its stream is not keyed: call keyBy first`,
  )
}
