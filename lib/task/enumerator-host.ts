/**
 * Runs the enumerator of one source and sees to it that what it hands out arrives in order: splits travel as bytes,
 * numbered per reader, and are kept until the reader has them. Transport is the caller's matter (`deliver`).
 */
import { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import type { Clock } from '../base/clock.ts'
import { SluiceError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Connections } from '../function/connections.ts'
import type { Source, Split, SplitEnumerator } from '../function/source.ts'
import type { Type } from '../types/type.ts'

/** What a reader is told. `splits` is null for "no more splits". */
export interface SplitDelivery {
  /** Counts from 0 per reader; a repeated delivery has the same number. */
  readonly sequence: number
  readonly splits: readonly Uint8Array[] | null
  /** Handed out after the snapshot for this checkpoint; 0: before any. */
  readonly afterCheckpoint: number
}

export interface EnumeratorHostOptions<S extends Split, E> {
  readonly source: Source<unknown, S, E>
  readonly parallelism: number
  readonly clock: Clock
  readonly log: Logger
  readonly connections: Connections
  readonly restored: Uint8Array | undefined
  /** Resolves when the reader has taken the delivery; retries are the callee's. */
  deliver(subtaskIndex: number, delivery: SplitDelivery): Promise<void>
  fail(error: unknown): void
}

export class EnumeratorHost<S extends Split, E> {
  readonly #options: EnumeratorHostOptions<S, E>
  readonly #enumerator: SplitEnumerator<E>
  /** Per reader, deliveries follow each other on a promise chain. */
  readonly #deliveries = new Map<number, { next: number; last: Promise<void> }>()
  #snapshotId = 0
  /** The last one, for those who ask again. */
  #snapshot: Promise<Uint8Array> | null = null
  #isClosed = false

  constructor(options: EnumeratorHostOptions<S, E>) {
    this.#options = options
    const { source, restored } = options
    const state =
      restored === undefined ? undefined : source.enumeratorStateType.row.read(new ByteReader(restored))
    this.#enumerator = source.createEnumerator(
      {
        parallelism: options.parallelism,
        clock: options.clock,
        log: options.log,
        connections: options.connections,
        assign: (split, subtaskIndex) => this.#send(subtaskIndex, [encode(source.splitType, split)]),
        noMoreSplits: (subtaskIndex) => this.#send(subtaskIndex, null),
        fail: (error) => options.fail(error),
      },
      state,
    )
  }

  async start(): Promise<void> {
    await this.#enumerator.start()
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
   * again gets the same; null for an older one, which it is too late for.
   */
  async snapshot(checkpointId: number): Promise<Uint8Array | null> {
    if (checkpointId < this.#snapshotId) return null
    if (checkpointId > this.#snapshotId || this.#snapshot === null) this.#snapshot = this.#take(checkpointId)
    return this.#snapshot
  }

  async #take(checkpointId: number): Promise<Uint8Array> {
    this.#snapshotId = checkpointId
    const state = encode(this.#options.source.enumeratorStateType, this.#enumerator.snapshot())
    await Promise.all([...this.#deliveries.values()].map(({ last }) => last))
    return state
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#enumerator.close()
  }

  #send(subtaskIndex: number, splits: readonly Uint8Array[] | null): void {
    const { parallelism } = this.#options
    if (!Number.isInteger(subtaskIndex) || subtaskIndex < 0 || subtaskIndex >= parallelism) {
      throw new SluiceError(
        'CONNECTOR_FAILED',
        `a split enumerator must assign splits to subtasks from 0 to ${parallelism - 1}, found ${subtaskIndex}`,
      )
    }
    const queue = this.#deliveries.get(subtaskIndex) ?? { next: 0, last: Promise.resolve() }
    const delivery = { sequence: queue.next++, splits, afterCheckpoint: this.#snapshotId }
    queue.last = queue.last.then(async () => {
      if (this.#isClosed) return
      try {
        await this.#options.deliver(subtaskIndex, delivery)
      } catch (error) {
        this.#options.fail(error)
      }
    })
    this.#deliveries.set(subtaskIndex, queue)
  }
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
