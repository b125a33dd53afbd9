/**
 * Tumbling and sliding event-time windows with an incremental aggregation and the default trigger, without the cost
 * per record and window of the general operator. Time is cut into slices of gcd(size, slide); a record goes into one
 * slice whatever the number of windows over it, and a window is the merge of its slices (Krishnamurthy et al. 2006,
 * Arroyo, Flink SQL). There are no timers: the due windows of all keys are found by their end.
 *
 * S1. Results are those of the window operator with the same settings.
 * S2. `#pendingEnds` holds the end of every window that has records and has not fired.
 * S3. A slice stays until the cleanup time of the last window over it.
 *
 * A snapshot needs to know which windows have fired already, since slices outlive the first of their windows. That is
 * one timestamp, kept per key group so that it survives rescaling.
 */
import { SluiceError } from '../base/errors.ts'
import type { Key } from '../base/hash.ts'
import { MinHeap } from '../base/min-heap.ts'
import type { OutputTag } from '../function/output-tag.ts'
import type { Counter } from '../metrics/metric-group.ts'
import type { Entry } from '../state/entry.ts'
import type { FlatTable } from '../state/flat-table.ts'
import { keyGroupOf } from '../state/key-group.ts'
import { fromMapKey, type MapKey } from '../state/map-key.ts'
import type { SliceTable } from '../state/slice-table.ts'
import { MIN_TIMESTAMP } from '../time/timestamp.ts'
import { t } from '../types/t.ts'
import { windowStart } from '../window/window.ts'
import type { AlignedWindows } from '../window/window-assigner.ts'
import { keyedBackend, OneInputOperator, type OperatorContext, type Output } from './stream-operator.ts'
import type { Folding } from './window-contents.ts'

export interface SliceWindowOptions<I, A, O> {
  readonly assigner: AlignedWindows<I>
  readonly folding: Folding<I, A, O>
  readonly allowedLatenessMs: number
  readonly lateTag: OutputTag<I> | null
}

/** After this many results a firing pass asks whether it should make room for something else. */
const PAUSE_CHECK_INTERVAL = 64

/** Whether these windows can be sliced at all. */
export function isSliceable(
  assigner: AlignedWindows<never>,
  folding: Folding<never, never, unknown>,
): boolean {
  const { timeDomain, sizeMs, slideMs } = assigner
  return timeDomain === 'event' && slideMs <= sizeMs && (slideMs === sizeMs || folding.merge !== null)
}

export class SliceWindowOperator<I, A, O> extends OneInputOperator<I, O> {
  readonly #folding: Folding<I, A, O>
  readonly #sizeMs: number
  readonly #slideMs: number
  readonly #offsetMs: number
  readonly #sliceMs: number
  readonly #latenessMs: number
  readonly #lateTag: OutputTag<I> | null
  readonly #pendingEnds = new MinHeap()
  readonly #isPending = new Set<number>()
  #slices!: SliceTable<A>
  /** Per key group, up to when windows had fired at the last snapshot; null where slices never outlive a firing. */
  #firedTable: FlatTable<number> | null = null
  /** What #firedTable said after a restore; null once the watermark has caught up with all of it. */
  #restoredFired: Map<number, number> | null = null
  #lateDropped!: Counter
  #watermark = MIN_TIMESTAMP
  /** The slice of the last record. */
  #slice = Number.NaN
  /** Slices that begin before this are late. */
  #firstLive = Number.NEGATIVE_INFINITY
  /** Slices that begin before this lie in a window that has fired. */
  #firstUnfired = Number.NEGATIVE_INFINITY
  #firing: Generator<void, void, void> | null = null
  readonly #window = { key: 0 as Key, start: 0, end: 0 }

  constructor(options: SliceWindowOptions<I, A, O>) {
    super()
    const { sizeMs, slideMs, offsetMs } = options.assigner
    this.#folding = options.folding
    this.#sizeMs = sizeMs
    this.#slideMs = slideMs
    this.#offsetMs = offsetMs
    this.#sliceMs = greatestCommonDivisor(sizeMs, slideMs)
    this.#latenessMs = options.allowedLatenessMs
    this.#lateTag = options.lateTag
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    const keyed = keyedBackend(context)
    this.#slices = keyed.sliceTable('window/slices', this.#folding.type)
    if (this.#sliceMs < this.#sizeMs || this.#latenessMs > 0) {
      this.#firedTable = keyed.flatTable('window/fired', t.float64)
    }
    this.#lateDropped = context.metrics.counter('late_records_dropped_total')
  }

  override open(): void {
    if (this.#firedTable !== null && this.#firedTable.size > 0) {
      this.#restoredFired = new Map()
      for (const { key, value } of this.#firedTable.entries())
        this.#restoredFired.set(key as number, value as number)
    }
    const fired = this.#restoredFired === null ? MIN_TIMESTAMP : Math.min(...this.#restoredFired.values())
    for (const slice of this.#slices.slices()) this.#addPendingEnds(slice, fired)
  }

  override prepareSnapshot(): void {
    if (this.#firedTable === null) return
    const { keyGroups, context } = keyedBackend(this.context)
    for (let group = keyGroups.first; group <= keyGroups.last; group++) {
      context.setMapKey(group, group)
      this.#firedTable.put(Math.max(this.#watermark, this.#restoredFired?.get(group) ?? MIN_TIMESTAMP))
    }
  }

  override processElement(value: I): void {
    const timestamp = this.context.time[0]!
    let slice = this.#slice
    if (!(timestamp >= slice && timestamp < slice + this.#sliceMs)) slice = this.#enterSlice(timestamp)
    if (slice < this.#firstLive) {
      this.#onLate(value)
      return
    }
    const slices = this.#slices
    const entry = slices.find(slice)
    if (entry === undefined) this.#insert(slice, this.#folding.add(value, undefined))
    else slices.update(entry, this.#folding.add(value, slices.read(entry)))
    if (slice < this.#firstUnfired) this.#refire(slice)
  }

  override processWatermark(timestamp: number): boolean {
    this.#firing ??= this.#fireUntil(timestamp)
    while (this.#firing.next().done !== true) if (this.context.shouldPause()) return false
    this.#firing = null
    this.output.emitWatermark(timestamp)
    return true
  }

  override get isSnapshotSafe(): boolean {
    return this.#firing === null
  }

  #enterSlice(timestamp: number): number {
    if (Number.isNaN(timestamp)) {
      throw new SluiceError(
        'TIMESTAMP_MISSING',
        `operator "${this.context.operatorName}" (uid ${this.context.uid}) uses event time, but a record has no timestamp: set a watermark strategy that assigns one, for example .watermarks(boundedOutOfOrderness('5s', (r) => r.time))`,
      )
    }
    this.#slice = windowStart(timestamp, this.#offsetMs, this.#sliceMs)
    return this.#slice
  }

  #insert(slice: number, accumulator: A): void {
    if (!this.#slices.hasSlice(slice)) this.#addPendingEnds(slice, this.#watermark)
    this.#slices.insert(slice, accumulator)
  }

  #addPendingEnds(slice: number, fired: number): void {
    for (let end = this.#firstEndOver(slice); end <= this.#lastEndOver(slice); end += this.#slideMs) {
      if (end - 1 <= fired || this.#isPending.has(end)) continue
      this.#isPending.add(end)
      this.#pendingEnds.push(end)
    }
  }

  #firstEndOver(slice: number): number {
    return (
      windowStart(slice + this.#sliceMs - this.#sizeMs + this.#slideMs - 1, this.#offsetMs, this.#slideMs) +
      this.#sizeMs
    )
  }

  #lastEndOver(slice: number): number {
    return windowStart(slice, this.#offsetMs, this.#slideMs) + this.#sizeMs
  }

  *#fireUntil(watermark: number): Generator<void, void, void> {
    if (watermark > this.#watermark) this.#watermark = watermark
    while (this.#pendingEnds.size > 0 && this.#pendingEnds.peek() - 1 <= watermark) {
      const end = this.#pendingEnds.pop()
      this.#isPending.delete(end)
      yield* this.#fire(end)
      yield
    }
    if (this.#restoredFired !== null && Math.max(...this.#restoredFired.values()) <= watermark)
      this.#restoredFired = null
    this.#dropSlices()
  }

  *#fire(end: number): Generator<void, void, void> {
    const start = end - this.#sizeMs
    let count = 0
    if (this.#sliceMs === this.#sizeMs) {
      for (const entry of this.#slices.ofSlice(start)) {
        if (this.#restoredFired !== null && this.#hasFired(entry, end)) continue
        this.#emit(entry.key, start, end, entry.value as A)
        if (++count % PAUSE_CHECK_INTERVAL === 0) yield
      }
      return
    }
    for (const [key, accumulator] of this.#merged(start, end)) {
      this.#emit(key, start, end, accumulator)
      if (++count % PAUSE_CHECK_INTERVAL === 0) yield
    }
  }

  /** Whether the window had fired for the entry's key before the snapshot we were restored from. */
  #hasFired(entry: Entry<A>, end: number): boolean {
    const { maxParallelism } = keyedBackend(this.context).context
    if (entry.keyGroup < 0) entry.keyGroup = keyGroupOf(fromMapKey(entry.key), maxParallelism)
    return end - 1 <= (this.#restoredFired!.get(entry.keyGroup) ?? MIN_TIMESTAMP)
  }

  #merged(start: number, end: number): Map<MapKey, A> {
    const { merge, copy } = this.#folding
    const merged = new Map<MapKey, A>()
    for (let slice = start; slice < end; slice += this.#sliceMs) {
      for (const entry of this.#slices.ofSlice(slice)) {
        if (this.#restoredFired !== null && this.#hasFired(entry, end)) continue
        const before = merged.get(entry.key)
        const value = entry.value as A
        merged.set(entry.key, before === undefined ? copy(value) : merge!(before, value))
      }
    }
    return merged
  }

  /** A late record that is still allowed: the windows over its slice that have fired fire again for its key. */
  #refire(slice: number): void {
    const { merge, copy } = this.#folding
    const key = keyedBackend(this.context).context.mapKey
    for (let end = this.#firstEndOver(slice); end <= this.#lastEndOver(slice); end += this.#slideMs) {
      if (end - 1 > this.#watermark || end - 1 + this.#latenessMs <= this.#watermark) continue
      let accumulator: A | undefined
      for (let each = end - this.#sizeMs; each < end; each += this.#sliceMs) {
        const entry: Entry<A> | undefined = this.#slices.find(each)
        if (entry === undefined) continue
        const value = entry.value as A
        accumulator =
          this.#sliceMs === this.#sizeMs
            ? value
            : accumulator === undefined
              ? copy(value)
              : merge!(accumulator, value)
      }
      if (accumulator !== undefined) this.#emit(key, end - this.#sizeMs, end, accumulator)
    }
  }

  #emit(key: MapKey, start: number, end: number, accumulator: A): void {
    const time = this.context.time
    const before = time[0]!
    time[0] = end - 1
    const window = this.#window
    window.key = fromMapKey(key)
    window.start = start
    window.end = end
    this.output.collect(this.#folding.result(accumulator, window))
    time[0] = before
  }

  #dropSlices(): void {
    const watermark = this.#watermark
    for (const slice of this.#slices.slices()) {
      if (this.#lastEndOver(slice) - 1 + this.#latenessMs <= watermark) this.#slices.removeSlice(slice)
    }
    if (!Number.isFinite(watermark)) {
      if (watermark > 0) this.#firstLive = this.#firstUnfired = Number.POSITIVE_INFINITY
      return
    }
    this.#firstLive = this.#firstSliceWith(
      (slice) => this.#lastEndOver(slice) - 1 + this.#latenessMs > watermark,
    )
    this.#firstUnfired =
      this.#latenessMs === 0
        ? Number.NEGATIVE_INFINITY
        : this.#firstSliceWith((slice) => this.#firstEndOver(slice) - 1 > watermark)
  }

  /** The earliest slice with a property that holds for all later ones too. */
  #firstSliceWith(property: (slice: number) => boolean): number {
    let slice = windowStart(this.#watermark, this.#offsetMs, this.#sliceMs) + this.#sliceMs
    const earliest = slice - this.#sizeMs - this.#slideMs - this.#latenessMs - 2 * this.#sliceMs
    while (slice > earliest && property(slice - this.#sliceMs)) slice -= this.#sliceMs
    while (!property(slice)) slice += this.#sliceMs
    return slice
  }

  #onLate(value: I): void {
    if (this.#lateTag === null) this.#lateDropped.increment()
    else this.output.collectSide(this.#lateTag.id, value)
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
