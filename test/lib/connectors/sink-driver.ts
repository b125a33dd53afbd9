/**
 * Runs a sink without a job: a writer and a committer per subtask, as the engine calls them. Snapshots go through the
 * sink's types, as they would on their way to storage.
 */
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import { type Clock, systemClock } from '../../../lib/base/clock.ts'
import { type Logger, silentLogger } from '../../../lib/base/logger.ts'
import type { Connections } from '../../../lib/function/connections.ts'
import type { Committer, Sink, SinkContext, SinkWriter } from '../../../lib/function/sink.ts'
import { MetricGroup } from '../../../lib/metrics/metric-group.ts'
import type { Type } from '../../../lib/types/type.ts'

/** Of one subtask. */
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

interface Pending {
  readonly checkpointId: number
  readonly committable: unknown
}

export class SinkDriver<I, W, C> {
  readonly metrics = new MetricGroup()
  /** What the sink reported from callbacks. */
  readonly errors: unknown[] = []
  readonly #sink: Sink<I, W, C>
  readonly #writer: SinkWriter<I, W, C>
  readonly #committer: Committer<C> | undefined
  #pending: Pending[] = []
  #closed: Promise<void> | undefined

  private constructor(
    sink: Sink<I, W, C>,
    context: SinkContext,
    committer: Committer<C> | undefined,
    restored: W[],
  ) {
    this.#sink = sink
    this.#committer = committer
    this.#writer = sink.createWriter(
      { ...context, metrics: this.metrics, fail: (error) => void this.errors.push(error) },
      restored,
    )
  }

  /** Commits what the snapshot has pending, then makes the writer. */
  static async open<I, W, C>(
    sink: Sink<I, W, C>,
    options: SinkDriverOptions = {},
  ): Promise<SinkDriver<I, W, C>> {
    const { restored } = options
    const context: SinkContext = {
      jobId: options.jobId ?? 'job',
      jobName: 'job',
      uid: options.uid ?? 'sink',
      subtaskIndex: options.subtaskIndex ?? 0,
      parallelism: options.parallelism ?? 1,
      attempt: options.attempt ?? 0,
      hasCheckpoints: options.hasCheckpoints ?? true,
      clock: options.clock ?? systemClock,
      log: options.log ?? silentLogger,
      metrics: new MetricGroup(),
      connections: options.connections ?? {},
      fail: () => {},
    }
    const committer = sink.createCommitter?.(context)
    const pending = (restored?.pending ?? []).map((bytes) => decode(sink.committableType!, bytes))
    if (pending.length > 0) await committer!.commit(pending)
    const states = (restored?.writer ?? []).map((bytes) => decode(sink.writerStateType!, bytes))
    return new SinkDriver(sink, context, committer, states)
  }

  write(value: I, timestamp?: number): void {
    this.#writer.write(value, { timestamp, watermark: Number.NEGATIVE_INFINITY })
  }

  watermark(timestamp: number): void {
    this.#writer.onWatermark?.(timestamp)
  }

  /** Writes, and waits where the sink says so. */
  async writeAll(values: Iterable<I>): Promise<void> {
    let count = 0
    for (const value of values) {
      this.write(value)
      if (++count % 100 === 0) await this.#writer.whenReady?.()
    }
  }

  whenReady(): Promise<void> | undefined {
    return this.#writer.whenReady?.()
  }

  async flush(): Promise<void> {
    await this.#writer.flush(false)
  }

  /** A barrier; `isEnd`: no record follows. `meanwhile` happens between pre-commit and snapshot. */
  async checkpoint(
    checkpointId: number,
    isEnd = false,
    meanwhile?: () => Promise<void>,
  ): Promise<SinkSnapshot> {
    await this.#writer.flush(isEnd)
    for (const committable of (await this.#writer.prepareCommit?.()) ?? [])
      this.#pending.push({ checkpointId, committable })
    await meanwhile?.()
    const writer = this.#writer.snapshot?.(checkpointId) ?? []
    return {
      writer: writer.map((state) => encode(this.#sink.writerStateType!, state)),
      pending: this.#pending.map(({ committable }) => encode(this.#sink.committableType!, committable as C)),
    }
  }

  async complete(checkpointId: number): Promise<void> {
    const ready = this.#pending.filter((pending) => pending.checkpointId <= checkpointId)
    this.#pending = this.#pending.filter((pending) => pending.checkpointId > checkpointId)
    if (ready.length > 0) await this.#committer!.commit(ready.map(({ committable }) => committable as C))
  }

  /** The end of a job without checkpoints. */
  async finish(): Promise<void> {
    await this.checkpoint(Number.MAX_SAFE_INTEGER, true)
    await this.complete(Number.MAX_SAFE_INTEGER)
    await this.close()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await this.#writer.close()
    await this.#committer?.close?.()
  }
}

function encode<V>(type: Type<V>, value: V): Uint8Array {
  const out = new ByteWriter()
  type.row.write(out, value)
  return out.toUint8Array()
}

function decode<V>(type: Type<V>, bytes: Uint8Array): V {
  return type.row.read(new ByteReader(bytes))
}
