/**
 * Runs a sink's writer and, if it has one, its committer at the end of a chain. Two-phase commit: what was written
 * before a barrier is pre-committed with the snapshot and committed when the checkpoint is complete; what a restored
 * snapshot holds was part of a complete checkpoint and is committed (again) before anything new. Flink's
 * SinkWriterOperator and CommitterOperator in one.
 */
import { SluiceError } from '../base/errors.ts'
import type { Committer, Sink, SinkContext, SinkWriter, WriteContext } from '../function/sink.ts'
import type { OperatorListState } from '../state/operator-state.ts'
import { MIN_TIMESTAMP, timestampOrUndefined } from '../time/timestamp.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import { type InlineCode, OneInputOperator, type OperatorContext, type Output } from './stream-operator.ts'

interface Pending {
  readonly checkpointId: number
  readonly committable: unknown
}

/** Of what was pre-committed at the end of the input: it belongs to the next checkpoint, whichever that is. */
const NEXT_CHECKPOINT = Number.MAX_SAFE_INTEGER

export class SinkOperator<I> extends OneInputOperator<I, never> {
  readonly #sink: Sink<I>
  #sinkContext!: SinkContext
  #writer!: SinkWriter<I>
  #committer: Committer<unknown> | null = null
  #writerState: OperatorListState<unknown> | null = null
  /** Pre-committed, waiting for their checkpoint to complete. */
  #pending: Pending[] = []
  #pendingState: OperatorListState<Pending> | null = null
  readonly #writeContext: WriteContext & { watermark: number }

  constructor(sink: Sink<I>) {
    super()
    this.#sink = sink
    const operator = this
    this.#writeContext = {
      watermark: MIN_TIMESTAMP,
      get timestamp() {
        return timestampOrUndefined(operator.context.time[0]!)
      },
    }
  }

  override setup(context: OperatorContext, output: Output<never>): void {
    super.setup(context, output)
    const { writerStateType, committableType } = this.#sink
    if (writerStateType !== undefined) {
      this.#writerState = context.operatorState.listState('sink/writer', writerStateType, 'split')
    }
    if (this.#sink.createCommitter !== undefined) {
      const type = t.object({
        checkpointId: t.int64,
        committable: (committableType ?? t.any) as Type<unknown>,
      })
      this.#pendingState = context.operatorState.listState(
        'sink/committables',
        type as Type<Pending>,
        'split',
      )
    }
    this.#sinkContext = { ...context, fail: (error) => context.fail(error) }
  }

  override async open(): Promise<void> {
    if (this.#sink.createCommitter !== undefined)
      this.#committer = this.#sink.createCommitter(this.#sinkContext)
    const restored = this.#pendingState?.get() ?? []
    if (restored.length > 0) await this.#committer!.commit(restored.map(({ committable }) => committable))
    this.#writer = this.#sink.createWriter(this.#sinkContext, this.#writerState?.get() ?? [])
  }

  override processElement(value: I): void {
    this.#writer.write(value, this.#writeContext)
  }

  override inline(): InlineCode {
    return { bindings: { operator: this }, body: () => 'operator.processElement(value);' }
  }

  override whenReady(): Promise<void> | undefined {
    return this.#writer.whenReady?.()
  }

  override processWatermark(timestamp: number): boolean {
    this.#writeContext.watermark = timestamp
    this.#writer.onWatermark?.(timestamp)
    this.output.emitWatermark(timestamp)
    return true
  }

  override async prepareSnapshot(checkpointId: number): Promise<void> {
    await this.#writer.flush(false)
    this.#pending = this.#pending.map((each) =>
      each.checkpointId === NEXT_CHECKPOINT ? { ...each, checkpointId } : each,
    )
    await this.#preCommit(checkpointId)
    this.#saveWriter(this.#writer.snapshot?.(checkpointId) ?? [])
    this.#pendingState?.update(this.#pending)
  }

  override async checkpointCompleted(checkpointId: number): Promise<void> {
    const ready = this.#pending.filter((pending) => pending.checkpointId <= checkpointId)
    if (ready.length === 0) return
    await this.#committer!.commit(ready.map(({ committable }) => committable))
    this.#pending = this.#pending.filter((pending) => pending.checkpointId > checkpointId)
  }

  override async finish(): Promise<void> {
    await this.#writer.flush(true)
    await this.#preCommit(NEXT_CHECKPOINT)
    if (!this.context.hasCheckpoints) await this.checkpointCompleted(NEXT_CHECKPOINT)
  }

  override get isAwaitingCheckpoint(): boolean {
    return this.context.hasCheckpoints && this.#pending.length > 0
  }

  override async close(): Promise<void> {
    try {
      await this.#writer?.close()
    } finally {
      await this.#committer?.close?.()
    }
  }

  /** A writer is told of every checkpoint, one without anything to save as well: it may count by them. */
  #saveWriter(states: readonly unknown[]): void {
    if (this.#writerState === null && states.length > 0) {
      throw new SluiceError(
        'UNSUPPORTED',
        `the writer of sink ${this.#sink.name} has ${states.length} states to save, and the sink no writerStateType to save them with`,
      )
    }
    this.#writerState?.update(states)
  }

  async #preCommit(checkpointId: number): Promise<void> {
    if (this.#committer === null || this.#writer.prepareCommit === undefined) return
    for (const committable of await this.#writer.prepareCommit())
      this.#pending.push({ checkpointId, committable })
  }
}
