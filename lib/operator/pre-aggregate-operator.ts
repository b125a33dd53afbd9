/**
 * The first phase of an aggregation in two, in the subtasks the records come from: folds those of a slice of time, and
 * of a key if there are keys, so that the subtask with the windows gets a partial accumulator instead of every record.
 * So it matters less that a whole stream, or a key that most records have, ends up in one subtask. Flink's local-global
 * aggregation, over slices.
 *
 * G1. What the windows come to is what they would come to with the records themselves: a partial leaves before the
 *     watermark that makes a window over its slice due, and at once if one is due already.
 * G2. There is no state: everything leaves before a barrier does.
 * G3. At most PARTIALS_MAX partials wait for their watermark; when there are more, all go. Where there are more keys
 *     than that, this phase is in vain, and does no other harm.
 */
import type { Key } from '../base/hash.ts'
import { fromMapKey, type MapKey, toMapKey } from '../state/map-key.ts'
import { flatText } from '../types/detach-code.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import type { SliceGrid } from '../window/slice-grid.ts'
import { timestampUnusable } from './event-timestamp.ts'
import { OneInputOperator } from './stream-operator.ts'
import type { Folding } from './window-contents.ts'

export interface PartialAggregate<A> {
  /** Of the records in it, if they have one. */
  readonly key?: Key
  /** Records in it. */
  readonly count: number
  readonly accumulator: A
}

export function partialType<A>(accumulator: Type<A>, isKeyed: boolean): Type<PartialAggregate<A>> {
  const fields = { count: t.int64, accumulator: accumulator as Type<unknown> }
  const type = isKeyed ? t.object({ key: t.any, ...fields }) : t.object(fields)
  return type as unknown as Type<PartialAggregate<A>>
}

/** An aggregation as its second half sees it. */
export function partialFolding<I, A, O>(folding: Folding<I, A, O>): Folding<PartialAggregate<A>, A, O> {
  const merge = folding.merge!
  return {
    ...folding,
    add: (partial, sum) => (sum === undefined ? partial.accumulator : merge(sum, partial.accumulator)),
  }
}

/** They go within one call, which takes a few milliseconds. */
const PARTIALS_MAX = 8192

class OpenPartial<A> {
  count = 0
  accumulator: A | undefined = undefined
}

class OpenSlice<A> {
  /** The end of the first window over it. */
  readonly firstEnd: number
  /** Of records that have no key. */
  readonly whole = new OpenPartial<A>()
  readonly byKey = new Map<MapKey, OpenPartial<A>>()

  constructor(firstEnd: number) {
    this.firstEnd = firstEnd
  }
}

export class PreAggregateOperator<I, A> extends OneInputOperator<I, PartialAggregate<A>> {
  readonly #grid: SliceGrid
  readonly #folding: Folding<I, A, unknown>
  readonly #keyOf: ((value: I) => Key) | null
  /** Of slices, or of their keys. */
  #partialCount = 0
  readonly #slices = new Map<number, OpenSlice<A>>()
  /** The slice of the last record: consecutive ones mostly fall into the same. */
  #start = Number.NaN
  #slice: OpenSlice<A> | undefined

  /** `keyOf`: null where a whole stream is aggregated. */
  constructor(grid: SliceGrid, folding: Folding<I, A, unknown>, keyOf: ((value: I) => Key) | null) {
    super()
    this.#grid = grid
    this.#folding = folding
    this.#keyOf = keyOf
  }

  override processElement(value: I): void {
    if (this.#partialCount >= PARTIALS_MAX) this.#emitAll()
    const timestamp = this.context.time[0]!
    let slice = this.#slice
    if (slice === undefined || !(timestamp >= this.#start && timestamp < this.#start + this.#grid.sliceMs)) {
      slice = this.#enterSlice(timestamp)
    }
    const partial = this.#keyOf === null ? slice.whole : this.#partialOf(slice, this.#keyOf(value))
    partial.accumulator = this.#folding.add(value, partial.accumulator)
    partial.count++
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
    const slice = this.#slices.get(start) ?? this.#openSlice(start)
    this.#start = start
    this.#slice = slice
    return slice
  }

  #openSlice(start: number): OpenSlice<A> {
    if (this.#keyOf === null) this.#partialCount++
    const slice = new OpenSlice<A>(this.#grid.firstEndOver(start))
    this.#slices.set(start, slice)
    return slice
  }

  #partialOf(slice: OpenSlice<A>, key: Key): OpenPartial<A> {
    const mapKey = toMapKey(key)
    const known = slice.byKey.get(mapKey)
    if (known !== undefined) return known
    this.#partialCount++
    const partial = new OpenPartial<A>()
    // A text that was decoded is part of that of its whole batch, which would stay as long as the slice does.
    slice.byKey.set(typeof mapKey === 'string' ? flatText(mapKey) : mapKey, partial)
    return partial
  }

  #emitUntil(watermark: number): void {
    for (const [start, slice] of this.#slices) if (slice.firstEnd - 1 <= watermark) this.#emit(start, slice)
  }

  #emitAll(): void {
    for (const [start, slice] of this.#slices) this.#emit(start, slice)
  }

  #emit(start: number, { whole, byKey }: OpenSlice<A>): void {
    this.#slices.delete(start)
    this.#slice = undefined
    this.#partialCount -= this.#keyOf === null ? 1 : byKey.size
    const time = this.context.time
    const before = time[0]!
    time[0] = start
    if (whole.count > 0) this.output.collect({ count: whole.count, accumulator: whole.accumulator as A })
    for (const [mapKey, { count, accumulator }] of byKey) {
      this.output.collect({ key: fromMapKey(mapKey), count, accumulator: accumulator as A })
    }
    time[0] = before
  }
}
