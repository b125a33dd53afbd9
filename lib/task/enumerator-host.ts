/**
 * Runs the enumerator of one source and sees to it that what it hands out arrives in order: splits travel as bytes,
 * numbered per reader, and are kept until the reader has them. Transport is the caller's matter (`deliver`).
 *
 * Readers have attempts of their own. When one begins anew, what it was given after the checkpoint it begins with is
 * given back to the enumerator; its state of that checkpoint has the rest. A reader that was not there yet is not heard
 * of, and what is handed out to it waits.
 */
import { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import type { Clock } from '../base/clock.ts'
import { SluiceError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Connections } from '../function/connections.ts'
import type { Source, Split, SplitEnumerator } from '../function/source.ts'
import type { Type } from '../types/type.ts'
import { SplitAssignments } from './split-assignments.ts'

/** What a reader is told. `splits` is null for "no more splits". */
export interface SplitDelivery {
  /** The reader's, that it is for. */
  readonly attempt: number
  /** Counts from 0 per attempt; a repeated delivery has the same number. */
  readonly sequence: number
  readonly splits: readonly Uint8Array[] | null
  /** Handed out after the snapshot for this checkpoint; 0: before any since the attempt began. */
  readonly afterCheckpoint: number
}

export interface EnumeratorHostOptions<S extends Split, E> {
  readonly source: Source<unknown, S, E>
  readonly parallelism: number
  readonly clock: Clock
  readonly log: Logger
  readonly connections: Connections
  readonly restored: Uint8Array | undefined
  /** The checkpoint of the job that it begins with; 0: none, or what the job was submitted to begin from. */
  readonly restoredId: number
  /** Resolves when the reader has taken the delivery, or it is obsolete; retries are the callee's. */
  deliver(subtaskIndex: number, delivery: SplitDelivery, isObsolete: () => boolean): Promise<void>
  fail(error: unknown): void
}

/** An attempt of a reader. Deliveries follow each other on a promise chain. */
interface Reader {
  /** -1: it has not been heard of. */
  attempt: number
  /** The last snapshot when it began: barriers before that do not come by it. */
  since: number
  next: number
  last: Promise<void>
  /** Begins with what was handed out before it was heard of. */
  begin(): void
}

export class EnumeratorHost<S extends Split, E> {
  readonly #options: EnumeratorHostOptions<S, E>
  readonly #enumerator: SplitEnumerator<E, S>
  readonly #readers = new Map<number, Reader>()
  readonly #assignments: SplitAssignments<Uint8Array>
  #snapshotId = 0
  /** The last one, for those who ask again. */
  #snapshot: Promise<Uint8Array> | null = null
  #isClosed = false

  constructor(options: EnumeratorHostOptions<S, E>) {
    this.#options = options
    const { source, restored, restoredId } = options
    this.#assignments = new SplitAssignments(restoredId)
    const state =
      restored === undefined ? undefined : source.enumeratorStateType.row.read(new ByteReader(restored))
    this.#enumerator = source.createEnumerator(
      {
        parallelism: options.parallelism,
        clock: options.clock,
        log: options.log,
        connections: options.connections,
        assign: (split, subtaskIndex) => this.#assign(subtaskIndex, encode(source.splitType, split)),
        noMoreSplits: (subtaskIndex) => this.#send(subtaskIndex, null),
        fail: (error) => options.fail(error),
      },
      state,
    )
  }

  async start(): Promise<void> {
    await this.#enumerator.start()
  }

  /** The newest attempt of a reader that has been heard of; -1: none. */
  attemptOf(subtaskIndex: number): number {
    return this.#readers.get(subtaskIndex)?.attempt ?? -1
  }

  /** A later attempt of a reader begins, with a checkpoint of the job; 0: as for `restoredId`. */
  readerBegins(subtaskIndex: number, attempt: number, checkpointId: number): void {
    try {
      const isFirst = this.attemptOf(subtaskIndex) < 0
      const isAsExpected = !isFirst || checkpointId === this.#options.restoredId
      const splits = isFirst ? [] : this.#assignments.reset(subtaskIndex, checkpointId)
      if (splits === null || !isAsExpected) throw cannotReset(subtaskIndex, checkpointId)
      const reader = isFirst ? this.#readerOf(subtaskIndex) : newReader()
      reader.attempt = attempt
      reader.since = this.#snapshotId
      reader.begin()
      this.#readers.set(subtaskIndex, reader)
      if (splits.length > 0)
        this.#enumerator.addSplitsBack(decodeSplits(this.#options.source.splitType, splits), subtaskIndex)
    } catch (error) {
      this.#options.fail(error)
    }
  }

  onSplitRequest(subtaskIndex: number): void {
    try {
      this.#enumerator.onSplitRequest(subtaskIndex)
    } catch (error) {
      this.#options.fail(error)
    }
  }

  /**
   * The enumerator's state, once everything handed out before this call has arrived. What is handed out after it must
   * not overtake the barrier, or it would be in the state of both the enumerator and the reader. Who asks for the same
   * again gets the same; null for an older one, which it is too late for. `completedId`: that of the last checkpoint
   * that nobody goes back from.
   */
  async snapshot(checkpointId: number, completedId: number): Promise<Uint8Array | null> {
    if (checkpointId < this.#snapshotId) return null
    this.#assignments.completed(completedId)
    if (checkpointId > this.#snapshotId || this.#snapshot === null) this.#snapshot = this.#take(checkpointId)
    return this.#snapshot
  }

  async #take(checkpointId: number): Promise<Uint8Array> {
    this.#snapshotId = checkpointId
    this.#assignments.snapshot(checkpointId)
    const state = encode(this.#options.source.enumeratorStateType, this.#enumerator.snapshot())
    await Promise.all([...this.#readers.values()].map(({ last }) => last))
    return state
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#enumerator.close()
  }

  #assign(subtaskIndex: number, split: Uint8Array): void {
    this.#send(subtaskIndex, [split])
    this.#assignments.assigned(subtaskIndex, split)
  }

  #send(subtaskIndex: number, splits: readonly Uint8Array[] | null): void {
    const { parallelism } = this.#options
    if (!Number.isInteger(subtaskIndex) || subtaskIndex < 0 || subtaskIndex >= parallelism) {
      throw new SluiceError(
        'CONNECTOR_FAILED',
        `a split enumerator must assign splits to subtasks from 0 to ${parallelism - 1}, found ${subtaskIndex}`,
      )
    }
    const reader = this.#readerOf(subtaskIndex)
    const sequence = reader.next++
    const afterCheckpoint = this.#snapshotId > reader.since ? this.#snapshotId : 0
    const isObsolete = () => this.#isClosed || this.#readers.get(subtaskIndex) !== reader
    reader.last = reader.last.then(async () => {
      if (isObsolete()) return
      const delivery = { attempt: reader.attempt, sequence, splits, afterCheckpoint }
      try {
        await this.#options.deliver(subtaskIndex, delivery, isObsolete)
      } catch (error) {
        if (!isObsolete()) this.#options.fail(error)
      }
    })
  }

  #readerOf(subtaskIndex: number): Reader {
    const reader = this.#readers.get(subtaskIndex) ?? newReader()
    this.#readers.set(subtaskIndex, reader)
    return reader
  }
}

function newReader(): Reader {
  let begin = (): void => {}
  const last = new Promise<void>((resolve) => {
    begin = resolve
  })
  return { attempt: -1, since: 0, next: 0, last, begin }
}

/** The source is restarted as a whole then, with its enumerator. */
function cannotReset(subtaskIndex: number, checkpointId: number): SluiceError {
  return new SluiceError(
    'CONNECTOR_FAILED',
    `reader ${subtaskIndex} begins with checkpoint ${checkpointId}, and which splits it was given after it is not known`,
  )
}

function encode<T>(type: Type<T>, value: T): Uint8Array {
  const out = new ByteWriter()
  type.row.write(out, value)
  return out.toUint8Array()
}

/** The splits of a delivery. */
export function decodeSplits<S>(type: Type<S>, splits: readonly Uint8Array[]): S[] {
  return splits.map((bytes) => type.row.read(new ByteReader(bytes)))
}
