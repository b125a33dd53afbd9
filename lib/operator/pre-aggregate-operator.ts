/**
 * The first half of an aggregation over a whole stream, in every subtask: folds the records of a slice of time, so that
 * the one subtask with the windows gets a partial accumulator per slice instead of every record. Flink's two-phase
 * aggregation, over slices.
 *
 * G1. What the windows come to is what they would come to with the records themselves: a partial leaves before the
 *     watermark that makes a window over its slice due, and at once if one is due already.
 * G2. There is no state: everything leaves before a barrier does.
 */
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import type { SliceGrid } from '../window/slice-grid.ts'
import { timestampUnusable } from './event-timestamp.ts'
import { OneInputOperator } from './stream-operator.ts'
import type { Folding } from './window-contents.ts'

export interface PartialAggregate<A> {
  /** Records in it. */
  readonly count: number
  readonly accumulator: A
}

export function partialType<A>(accumulator: Type<A>): Type<PartialAggregate<A>> {
  return t.object({ count: t.int64, accumulator: accumulator as Type<unknown> }) as unknown as Type<
    PartialAggregate<A>
  >
}

/** An aggregation as its second half sees it. */
export function partialFolding<I, A, O>(folding: Folding<I, A, O>): Folding<PartialAggregate<A>, A, O> {
  const merge = folding.merge!
  return {
    ...folding,
    add: (partial, sum) => (sum === undefined ? partial.accumulator : merge(sum, partial.accumulator)),
  }
}

/** Slices that wait for their watermark; when there are more, all go. Only where event time stands still. */
const SLICES_MAX = 1024

class OpenSlice<A> {
  /** The end of the first window over it. */
  readonly firstEnd: number
  count = 0
  accumulator: A | undefined = undefined

  constructor(firstEnd: number) {
    this.firstEnd = firstEnd
  }
}

export class PreAggregateOperator<I, A> extends OneInputOperator<I, PartialAggregate<A>> {
  readonly #grid: SliceGrid
  readonly #folding: Folding<I, A, unknown>
  readonly #slices = new Map<number, OpenSlice<A>>()
  /** The slice of the last record: consecutive ones mostly fall into the same. */
  #start = Number.NaN
  #slice: OpenSlice<A> | undefined

  constructor(grid: SliceGrid, folding: Folding<I, A, unknown>) {
    super()
    this.#grid = grid
    this.#folding = folding
  }

  override processElement(value: I): void {
    const timestamp = this.context.time[0]!
    let slice = this.#slice
    if (slice === undefined || !(timestamp >= this.#start && timestamp < this.#start + this.#grid.sliceMs)) {
      slice = this.#enterSlice(timestamp)
    }
    slice.accumulator = this.#folding.add(value, slice.accumulator)
    slice.count++
    if (slice.firstEnd - 1 <= this.currentWatermark) this.#emit(this.#start, slice)
  }

  override processWatermark(timestamp: number): boolean {
    this.#emitUntil(timestamp)
    return super.processWatermark(timestamp)
  }

  override processStatus(isIdle: boolean): void {
    this.#emitAll()
    super.processStatus(isIdle)
  }

  override prepareSnapshot(): void {
    this.#emitAll()
  }

  override finish(): void {
    this.#emitAll()
  }

  #enterSlice(timestamp: number): OpenSlice<A> {
    if (!Number.isSafeInteger(timestamp)) throw timestampUnusable(timestamp, this.context)
    const start = this.#grid.sliceOf(timestamp)
    let slice = this.#slices.get(start)
    if (slice === undefined) {
      if (this.#slices.size >= SLICES_MAX) this.#emitAll()
      slice = new OpenSlice(this.#grid.firstEndOver(start))
      this.#slices.set(start, slice)
    }
    this.#start = start
    this.#slice = slice
    return slice
  }

  #emitUntil(watermark: number): void {
    for (const [start, slice] of this.#slices) if (slice.firstEnd - 1 <= watermark) this.#emit(start, slice)
  }

  #emitAll(): void {
    for (const [start, slice] of this.#slices) this.#emit(start, slice)
  }

  #emit(start: number, { count, accumulator }: OpenSlice<A>): void {
    this.#slices.delete(start)
    this.#slice = undefined
    const time = this.context.time
    const before = time[0]!
    time[0] = start
    this.output.collect({ count, accumulator: accumulator as A })
    time[0] = before
  }
}
