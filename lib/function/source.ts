/**
 * How data gets in. A source divides its input into splits (files, partitions, ranges of a stream); one enumerator
 * per source finds them and hands them to readers, one reader per subtask reads them. Flink's FLIP-27.
 *
 * A reader never blocks: it collects what it has and returns. Readers that wait for I/O fill a bounded queue of their
 * own and call `context.wake()` when there is something to poll.
 *
 * Exactly once rests on two promises of a source: a split as returned by `SourceReader.snapshot` says where to go on
 * reading, and reading from there gives the same records again.
 */
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { MetricGroup } from '../metrics/metric-group.ts'
import type { Type } from '../types/type.ts'
import type { Connections } from './connections.ts'

/** A part of the input and how far it has been read. Plain data. */
export interface Split {
  /** Unique within the source. */
  readonly id: string
}

export interface Source<T, S extends Split = Split, E = unknown> {
  /** For graphs and logs; operators are called after it if the user gives no name. */
  readonly name: string
  /** Bounded sources end, and the job with them. */
  readonly isBounded: boolean
  readonly type: Type<T>
  /**
   * Texts in its records are not parts of larger ones, such as a file: state in the same chain keeps them as they are,
   * and finds a key that is the very same text sooner. Default: false, and state keeps copies.
   */
  readonly hasOwnTexts?: boolean
  readonly splitType: Type<S>
  /** What an enumerator keeps in checkpoints. */
  readonly enumeratorStateType: Type<E>
  createEnumerator(context: EnumeratorContext<S>, restored: E | undefined): SplitEnumerator<E, S>
  createReader(context: ReaderContext): SourceReader<T, S>
}

export interface EnumeratorContext<S extends Split> {
  /** Number of readers. */
  readonly parallelism: number
  readonly clock: Clock
  readonly log: Logger
  readonly connections: Connections
  /** Hands a split to the reader of a subtask. */
  assign(split: S, subtaskIndex: number): void
  /** Tells a reader that it has all its splits; when they are read, it is done. */
  noMoreSplits(subtaskIndex: number): void
  /** Reports an error from an asynchronous callback; the job fails (or restarts) with it. */
  fail(error: unknown): void
}

/** Runs once per source, beside one of its readers. Calls never overlap. */
export interface SplitEnumerator<E, S extends Split> {
  /** Called once, before any other call. */
  start(): void | Promise<void>
  /**
   * A reader has nothing to read; called once after each reader's start and whenever it asks. One that is started anew
   * has forgotten what it was told.
   */
  onSplitRequest(subtaskIndex: number): void
  /**
   * A reader has failed, and goes on from the last checkpoint while the others go on: these are the splits it has been
   * assigned since, as they were then. They are to be assigned again, and part of snapshots until they are; to whoever
   * asks from now on, which that reader does next, but to none that has been told `noMoreSplits`, as it may be gone.
   */
  addSplitsBack(splits: readonly S[], subtaskIndex: number): void
  /** What to restore from: the splits not yet assigned, and whatever tells known from new ones. */
  snapshot(): E
  close(): void | Promise<void>
}

export interface ReaderContext {
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: MetricGroup
  readonly connections: Connections
  /** There may be something to poll now. */
  wake(): void
  /** Asks the enumerator for another split. */
  requestSplit(): void
  /** Reports an error from an asynchronous callback. */
  fail(error: unknown): void
}

/**
 * What a poll found: `more`: poll again soon. `idle`: nothing now, `wake` will be called. `end`: nothing ever again;
 * only after `noMoreSplits`.
 */
export type PollResult = 'more' | 'idle' | 'end'

export interface SourceReader<T, S extends Split> {
  start?(): void | Promise<void>
  /** Splits to read from now on, new ones or restored ones. */
  addSplits(splits: readonly S[], output: ReaderOutput<T>): void
  noMoreSplits(): void
  /**
   * Splits not to be collected from until told otherwise, because they are ahead of the sources they are aligned with;
   * those of the call before may go on. A reader without this is paused as a whole, once its slowest split is ahead.
   */
  pauseSplits?(splitIds: ReadonlySet<string>): void
  /** Collects at most `recordsMax` records and returns. */
  poll(output: ReaderOutput<T>, recordsMax: number): PollResult
  /** Every unfinished split, positioned after the last record collected. */
  snapshot(): S[]
  /** A checkpoint that contains all splits as of a snapshot has been completed. */
  checkpointCompleted?(checkpointId: number): void
  close(): void | Promise<void>
}

export interface SplitOutput<T> {
  /** Emits a record. `timestamp` (ms) is what the system it came from says; a watermark strategy may override it. */
  collect(value: T, timestamp?: number): void
  /** For sources that know event time themselves; used only where the job sets no watermark strategy. */
  emitWatermark(timestamp: number): void
  markIdle(): void
}

export interface ReaderOutput<T> {
  /** The output of one split. Each has a watermark of its own; the source's is the least of them. */
  ofSplit(splitId: string): SplitOutput<T>
  /** The split has been read to its end: it no longer holds event time back. */
  releaseSplit(splitId: string): void
}
