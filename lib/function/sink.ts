/**
 * How results get out. A writer per subtask writes records; where a system can make written data visible in a second
 * step, a committer does so once the checkpoint that covers the data is complete. Flink's Sink V2.
 *
 * A writer that only writes gives at-least-once. With a committer, results are exactly-once if `commit` is idempotent:
 * it is repeated after a failure with the same committables.
 */
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { MetricGroup } from '../metrics/metric-group.ts'
import type { Type } from '../types/type.ts'
import type { Connections } from './connections.ts'

export interface Sink<I, W = unknown, C = unknown> {
  readonly name: string
  /** Never set: makes a sink of the wrong type a compile error. */
  readonly accepts?: (value: I) => void
  /** `restored`: what the writers of the subtasks this one stands for had saved; empty on a fresh start. */
  createWriter(context: SinkContext, restored: readonly W[]): SinkWriter<I, W, C>
  /** Type of what writers save in checkpoints; needed if `snapshot` returns anything. */
  readonly writerStateType?: Type<W>
  createCommitter?(context: SinkContext): Committer<C>
  /** Type of committables; needed if there is a committer. */
  readonly committableType?: Type<C>
}

export interface SinkContext {
  readonly jobId: string
  readonly jobName: string
  readonly uid: string
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly attempt: number
  /** Whether the job takes checkpoints. If not, nothing is ever restored, and commits happen at the end. */
  readonly hasCheckpoints: boolean
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: MetricGroup
  readonly connections: Connections
  /** Reports an error from an asynchronous callback. */
  fail(error: unknown): void
}

export interface WriteContext {
  /** Event time of the record, if it has one. */
  readonly timestamp: number | undefined
  readonly watermark: number
}

export interface SinkWriter<I, W = unknown, C = unknown> {
  /** Takes a record; synchronous. What cannot be written at once goes into a buffer of the writer. */
  write(value: I, context: WriteContext): void
  /** A promise if the buffer is full: no record comes before it resolves. Asked between batches of records. */
  whenReady?(): Promise<void> | undefined
  onWatermark?(timestamp: number): void
  /** Resolves when all that was written is with the external system (visible or not). */
  flush(isEndOfInput: boolean): void | Promise<void>
  /** Hands over what has been written since the last call, to be committed. Called after `flush`. */
  prepareCommit?(): readonly C[] | Promise<readonly C[]>
  /** What a new writer needs to go on. Called at every checkpoint, after `prepareCommit`. */
  snapshot?(checkpointId: number): readonly W[]
  close(): void | Promise<void>
}

export interface Committer<C> {
  /** Makes data visible. May be called again with the same committables; must then do nothing. */
  commit(committables: readonly C[]): void | Promise<void>
  close?(): void | Promise<void>
}
