/**
 * Runs a sink without a job, on the operator that runs it in one: a writer and a committer per subtask. Snapshots go
 * through the sink's types, as they do on their way to storage.
 */
import { assert } from '../../../lib/base/assert.ts'
import { type Clock, systemClock } from '../../../lib/base/clock.ts'
import { type Logger, silentLogger } from '../../../lib/base/logger.ts'
import type { Connections } from '../../../lib/function/connections.ts'
import type { Sink, SinkWriter } from '../../../lib/function/sink.ts'
import { MetricGroup } from '../../../lib/metrics/metric-group.ts'
import { SinkOperator } from '../../../lib/operator/sink-operator.ts'
import type { OperatorContext, Output } from '../../../lib/operator/stream-operator.ts'
import { OperatorStateBackend, type OperatorStateSnapshot } from '../../../lib/state/operator-state.ts'
import { HarnessTime } from '../../../lib/testing/harness-time.ts'
import { NO_TIMESTAMP } from '../../../lib/time/timestamp.ts'

/** Of one subtask: elements of its list states. */
export interface SinkSnapshot {
  readonly writer: readonly Uint8Array[]
  readonly pending: readonly Uint8Array[]
}

export interface SinkDriverOptions {
  readonly clock?: Clock
  readonly jobId?: string
  readonly uid?: string
  readonly subtaskIndex?: number
  readonly parallelism?: number
  readonly attempt?: number
  readonly hasCheckpoints?: boolean
  readonly log?: Logger
  readonly connections?: Connections
  readonly restored?: SinkSnapshot
}

const WRITER = 'sink/writer'
const COMMITTABLES = 'sink/committables'
const NO_OUTPUT: Output<never> = { emit() {}, emitTo() {}, emitWatermark() {}, emitStatus() {} } as never

export class SinkDriver<I, W, C> {
  readonly metrics = new MetricGroup()
  /** What the sink reported from callbacks. */
  readonly errors: unknown[] = []
  readonly #operator: SinkOperator<I>
  readonly #state = new OperatorStateBackend()
  readonly #time = new Float64Array([NO_TIMESTAMP])
  #writer: SinkWriter<I, W, C> | undefined
  #meanwhile: (() => Promise<void>) | undefined
  /** Of each state, as the sink declares it. */
  readonly #declared = new Map<string, OperatorStateSnapshot>()
  #closed: Promise<void> | undefined

  private constructor(sink: Sink<I, W, C>, options: SinkDriverOptions) {
    this.#operator = new SinkOperator(this.#watched(sink) as Sink<I>)
    this.#operator.setup(this.#context(options), NO_OUTPUT)
    for (const state of this.#state.snapshot()) this.#declared.set(state.name, state)
  }

  /** Commits what the snapshot has pending, then makes the writer. */
  static async open<I, W, C>(
    sink: Sink<I, W, C>,
    options: SinkDriverOptions = {},
  ): Promise<SinkDriver<I, W, C>> {
    const driver = new SinkDriver(sink, options)
    if (options.restored !== undefined) driver.#restore(options.restored)
    await driver.#operator.open()
    return driver
  }

  write(value: I, timestamp?: number): void {
    this.#time[0] = timestamp ?? NO_TIMESTAMP
    this.#operator.processElement(value)
  }

  watermark(timestamp: number): void {
    this.#operator.processWatermark(timestamp)
  }

  /** Writes, and waits where the sink says so. */
  async writeAll(values: Iterable<I>): Promise<void> {
    let count = 0
    for (const value of values) {
      this.write(value)
      if (++count % 100 === 0) await this.whenReady()
    }
  }

  whenReady(): Promise<void> | undefined {
    return this.#operator.whenReady()
  }

  async flush(): Promise<void> {
    await this.#writer!.flush(false)
  }

  /** A barrier; `isEnd`: no record follows. `meanwhile` happens between pre-commit and snapshot. */
  async checkpoint(
    checkpointId: number,
    isEnd = false,
    meanwhile?: () => Promise<void>,
  ): Promise<SinkSnapshot> {
    if (isEnd) await this.#operator.finish()
    this.#meanwhile = meanwhile
    await this.#operator.prepareSnapshot(checkpointId)
    this.#meanwhile = undefined
    return { writer: this.#itemsOf(WRITER), pending: this.#itemsOf(COMMITTABLES) }
  }

  complete(checkpointId: number): Promise<void> {
    return this.#operator.checkpointCompleted(checkpointId)
  }

  /** The end of a job without checkpoints. */
  async finish(): Promise<void> {
    await this.checkpoint(Number.MAX_SAFE_INTEGER - 1, true)
    await this.complete(Number.MAX_SAFE_INTEGER - 1)
    await this.close()
  }

  close(): Promise<void> {
    this.#closed ??= this.#operator.close()
    return this.#closed
  }

  /** The same sink, whose writer can be reached. */
  #watched({ name, writerStateType, committableType, createWriter, createCommitter }: Sink<I, W, C>) {
    return {
      name,
      ...(writerStateType === undefined ? {} : { writerStateType }),
      ...(committableType === undefined ? {} : { committableType }),
      ...(createCommitter === undefined ? {} : { createCommitter }),
      createWriter: (...args: Parameters<typeof createWriter>) => {
        const writer = createWriter(...args)
        this.#writer = writer
        const { prepareCommit } = writer
        if (prepareCommit !== undefined) {
          writer.prepareCommit = async () => {
            const committables = await prepareCommit.call(writer)
            await this.#meanwhile?.()
            return committables
          }
        }
        return writer
      },
    }
  }

  #restore({ writer, pending }: SinkSnapshot): void {
    const states = { [WRITER]: writer, [COMMITTABLES]: pending }
    for (const [name, items] of Object.entries(states)) {
      const declared = this.#declared.get(name)
      if (declared !== undefined) this.#state.restore([{ ...declared, items }])
      else assert(items.length === 0, `no ${name}: the sink declares none`)
    }
  }

  #itemsOf(name: string): readonly Uint8Array[] {
    return this.#state.snapshot().find((state) => state.name === name)?.items ?? []
  }

  #context(options: SinkDriverOptions): OperatorContext {
    return {
      jobId: options.jobId ?? 'job',
      jobName: 'job',
      operatorName: 'sink',
      uid: options.uid ?? 'sink',
      subtaskIndex: options.subtaskIndex ?? 0,
      parallelism: options.parallelism ?? 1,
      maxParallelism: 128,
      attempt: options.attempt ?? 0,
      hasCheckpoints: options.hasCheckpoints ?? true,
      time: this.#time,
      clock: options.clock ?? systemClock,
      processingTime: new HarnessTime(0),
      log: options.log ?? silentLogger,
      metrics: this.metrics,
      connections: options.connections ?? {},
      operatorState: this.#state,
      keyed: null,
      watermarkIntervalMs: 200,
      timersOnRestore: 'fire',
      shouldPause: () => false,
      wake: () => {},
      defer: (callback) => callback(),
      fail: (error) => void this.errors.push(error),
    }
  }
}
