/**
 * Runs a source reader at the head of a chain: gives records their timestamps, makes one watermark out of those of
 * its splits, and keeps the splits with their positions in snapshots. Flink's SourceOperator.
 */
import type {
  PollResult,
  ReaderContext,
  ReaderOutput,
  Source,
  SourceReader,
  Split,
  SplitOutput,
} from '../function/source.ts'
import { Counter } from '../metrics/metric-group.ts'
import type { OperatorListState } from '../state/operator-state.ts'
import { MAX_TIMESTAMP, NO_TIMESTAMP } from '../time/timestamp.ts'
import { AlignedWatermark } from '../time/watermark-alignment.ts'
import { WatermarkMultiplexer } from '../time/watermark-multiplexer.ts'
import {
  noWatermarks,
  type WatermarkGenerator,
  type WatermarkOutput,
  type WatermarkStrategy,
} from '../time/watermark-strategy.ts'
import type { Type } from '../types/type.ts'
import { PeriodicEmission } from './periodic-emission.ts'
import { type OperatorContext, type Output, StreamOperator } from './stream-operator.ts'
import { assignTimestamp, checkTimestamp } from './timestamps-operator.ts'
import { WatermarkEmitter } from './watermark-emitter.ts'

/** The way to the enumerator, which runs elsewhere. */
export interface SourceLink {
  requestSplit(): void
}

export class SourceOperator<T, S extends Split> extends StreamOperator<T> implements ReaderOutput<T> {
  override readonly aligned: AlignedWatermark | null
  readonly #source: Source<T, S>
  readonly #strategy: WatermarkStrategy<T> | null
  readonly #splitOutputs = new Map<
    string,
    SplitOutput<T> & { readonly generator: WatermarkGenerator<T> | null }
  >()
  #link!: SourceLink
  #reader!: SourceReader<T, S>
  #splits!: OperatorListState<S>
  #emitter!: WatermarkEmitter
  #multiplexer!: WatermarkMultiplexer
  #periodic: PeriodicEmission | null = null
  /** Notices that there have been no splits for the idleness timeout: nothing to hold others back for. */
  #withoutSplits: WatermarkGenerator<unknown> | null = null
  /** Splits too far ahead of the slowest source of the alignment group. */
  #paused: ReadonlySet<string> = new Set()
  readonly #records = new Counter()

  constructor(source: Source<T, S>, strategy: WatermarkStrategy<T> | null) {
    super()
    this.#source = source
    this.#strategy = strategy
    const alignment = strategy?.alignment ?? null
    this.aligned = alignment === null ? null : new AlignedWatermark(alignment)
  }

  override setup(context: OperatorContext, output: Output<T>): void {
    super.setup(context, output)
    this.#splits = context.operatorState.listState('source/splits', this.#source.splitType, 'split')
    this.#emitter = new WatermarkEmitter(output, this.aligned)
    this.#multiplexer = new WatermarkMultiplexer(this.#emitter)
  }

  get source(): Source<unknown> {
    return this.#source as Source<unknown>
  }

  get splitType(): Type<S> {
    return this.#source.splitType
  }

  /** What event time has come to. */
  get watermark(): number {
    return this.#emitter.watermark
  }

  /** Records emitted by this subtask. */
  get recordCount(): number {
    return this.#records.value
  }

  /** Must precede `open`. */
  connect(link: SourceLink): void {
    this.#link = link
  }

  override async open(): Promise<void> {
    const reader = this.#source.createReader(this.#readerContext())
    this.#reader = reader
    const idleTimeoutMs = this.#strategy?.idleTimeoutMs ?? null
    if (idleTimeoutMs !== null) {
      this.#withoutSplits = noWatermarks().withIdleness(idleTimeoutMs).newGenerator(this.context.clock)
    }
    await reader.start?.()
    if (this.#splits.get().length > 0) this.#addSplits(this.#splits.get())
    this.#link.requestSplit()
    this.#periodic = new PeriodicEmission(this.context, () => this.emitPeriodicWatermark())
    this.#periodic.start()
  }

  addSplits(splits: readonly S[]): void {
    this.#addSplits(splits)
    this.context.wake()
  }

  noMoreSplits(): void {
    this.#reader.noMoreSplits()
    this.context.wake()
  }

  poll(recordsMax: number): PollResult {
    if (this.aligned !== null) this.#pauseSplits(this.aligned.splitLimit)
    return this.#reader.poll(this, recordsMax)
  }

  /** Everything has been read: event time ends. */
  endOfInput(): void {
    this.#emitter.emitWatermark(MAX_TIMESTAMP)
  }

  override prepareSnapshot(): void {
    this.#splits.update(this.#reader.snapshot())
  }

  override checkpointCompleted(checkpointId: number): void {
    this.#reader.checkpointCompleted?.(checkpointId)
  }

  override finish(): void {
    this.#emitSplits(() => true)
  }

  override close(): void | Promise<void> {
    this.#periodic?.close()
    return this.#reader?.close()
  }

  ofSplit(splitId: string): SplitOutput<T> {
    const known = this.#splitOutputs.get(splitId)
    if (known !== undefined) return known
    this.#multiplexer.register(splitId)
    this.#withoutSplits?.onEvent(undefined, NO_TIMESTAMP, this.#emitter)
    const output =
      this.#strategy === null
        ? new PlainSplitOutput(this.context, this.output, this.#multiplexer.immediate(splitId), this.#records)
        : this.#generatingOutput(splitId, this.#strategy)
    this.#splitOutputs.set(splitId, output)
    return output
  }

  releaseSplit(splitId: string): void {
    const output = this.#splitOutputs.get(splitId)
    if (output === undefined) return
    // How far it came counts, even if it is the only split and no other follows for long.
    output.generator?.onPeriodicEmit(this.#multiplexer.deferred(splitId))
    this.#multiplexer.onPeriodicEmit()
    this.#splitOutputs.delete(splitId)
    this.#multiplexer.unregister(splitId)
  }

  /** Splits hold event time back from when they are assigned, not from when the reader gets to them. */
  #addSplits(splits: readonly S[]): void {
    for (const { id } of splits) this.ofSplit(id)
    this.#reader.addSplits(splits, this)
  }

  #generatingOutput(splitId: string, strategy: WatermarkStrategy<T>): GeneratingSplitOutput<T> {
    const generator = strategy.newGenerator(this.context.clock)
    const watermarks = this.#multiplexer.immediate(splitId)
    return new GeneratingSplitOutput(
      this.context,
      this.output,
      strategy,
      generator,
      watermarks,
      this.#records,
    )
  }

  /** Splits that are paused are not idle: their generators' clocks stand still meanwhile. */
  override emitPeriodicWatermark(): void {
    if (this.aligned?.isAhead !== true) this.#emitSplits((splitId) => !this.#paused.has(splitId))
  }

  #emitSplits(isWanted: (splitId: string) => boolean): void {
    for (const [splitId, { generator }] of this.#splitOutputs) {
      if (isWanted(splitId)) generator?.onPeriodicEmit(this.#multiplexer.deferred(splitId))
    }
    if (this.#splitOutputs.size > 0) this.#multiplexer.onPeriodicEmit()
    else this.#withoutSplits?.onPeriodicEmit(this.#emitter)
  }

  /** Tells the reader which splits to leave alone, where that has changed. */
  #pauseSplits(limit: number): void {
    if (this.#reader.pauseSplits === undefined) return
    const ahead = this.#multiplexer.idsAhead(limit)
    if (ahead.size === this.#paused.size && [...ahead].every((splitId) => this.#paused.has(splitId))) return
    this.#paused = ahead
    this.#reader.pauseSplits(ahead)
  }

  #readerContext(): ReaderContext {
    const { subtaskIndex, parallelism, clock, log, metrics, connections } = this.context
    return {
      subtaskIndex,
      parallelism,
      clock,
      log,
      metrics,
      connections,
      wake: () => this.context.wake(),
      requestSplit: () => this.#link.requestSplit(),
      fail: (error) => this.context.fail(error),
    }
  }
}

/** Without a strategy: timestamps and watermarks are those of the source, if it has any. */
class PlainSplitOutput<T> implements SplitOutput<T> {
  readonly generator = null
  readonly #time: Float64Array
  readonly #output: Output<T>
  readonly #watermarks: WatermarkOutput
  readonly #records: Counter
  readonly #operatorName: string

  constructor(context: OperatorContext, output: Output<T>, watermarks: WatermarkOutput, records: Counter) {
    this.#time = context.time
    this.#operatorName = context.operatorName
    this.#output = output
    this.#watermarks = watermarks
    this.#records = records
  }

  collect(value: T, timestamp: number = NO_TIMESTAMP): void {
    this.#records.value++
    checkTimestamp(timestamp, this.#operatorName)
    this.#time[0] = timestamp
    this.#output.collect(value)
  }

  emitWatermark(timestamp: number): void {
    this.#watermarks.emitWatermark(timestamp)
  }

  markIdle(): void {
    this.#watermarks.markIdle()
  }
}

class GeneratingSplitOutput<T> implements SplitOutput<T> {
  readonly generator: WatermarkGenerator<T>
  readonly #time: Float64Array
  readonly #output: Output<T>
  readonly #timestampOf: WatermarkStrategy<T>['timestampOf']
  readonly #watermarks: WatermarkOutput
  readonly #operatorName: string
  readonly #records: Counter

  constructor(
    context: OperatorContext,
    output: Output<T>,
    strategy: WatermarkStrategy<T>,
    generator: WatermarkGenerator<T>,
    watermarks: WatermarkOutput,
    records: Counter,
  ) {
    this.#records = records
    this.generator = generator
    this.#time = context.time
    this.#output = output
    this.#timestampOf = strategy.timestampOf
    this.#watermarks = watermarks
    this.#operatorName = context.operatorName
  }

  collect(value: T, timestamp: number = NO_TIMESTAMP): void {
    this.#records.value++
    checkTimestamp(timestamp, this.#operatorName)
    const assigner = this.#timestampOf
    const assigned =
      assigner === null ? timestamp : assignTimestamp(assigner, value, timestamp, this.#operatorName)
    this.#time[0] = assigned
    this.#output.collect(value)
    this.generator.onEvent(value, assigned, this.#watermarks)
  }

  emitWatermark(): void {}

  markIdle(): void {
    this.#watermarks.markIdle()
  }
}
