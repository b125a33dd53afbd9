/**
 * Tumbling and sliding event-time windows with an incremental aggregation and the default trigger, without the cost
 * per record and window of the general operator. Time is cut into slices of gcd(size, slide); a record goes into one
 * slice whatever the number of windows over it, and a window is the merge of its slices (Krishnamurthy et al. 2006,
 * Arroyo, Flink SQL). There are no timers: the due windows of all keys are found by their end.
 *
 * S1. Results are those of the window operator with the same settings.
 * S2. `#pendingEnds` holds the end of every window that has records and has not fired.
 * S3. A slice stays until the cleanup time of the last window over it.
 * S4. In the heap, records are held back until there are enough to be added together. Whoever looks at slices, or lets
 *     others do so, adds them first: watermarks and snapshots. Records of one slice keep their order.
 *
 * A snapshot needs to know which windows have fired already, since slices outlive the first of their windows. That is
 * one timestamp, kept per key group so that it survives rescaling. After a restore event time begins anew, as it does
 * for the window operator: records are late by the watermark that comes then, and a window that had fired does so again
 * when the watermark passes it again, for the keys that have had a record for it since. One difference: of a sliding
 * window that had gone at the snapshot, slices may be left which later windows need, so it cannot begin anew with
 * nothing in it; for such a window records stay late.
 */
import { MinHeap } from '../base/min-heap.ts'
import type { OutputTag } from '../function/output-tag.ts'
import type { Counter } from '../metrics/metric-group.ts'
import type { Entry } from '../state/entry.ts'
import type { FlatTable } from '../state/flat-table.ts'
import { HeldRecords } from '../state/held-records.ts'
import type { KeyContext } from '../state/key-context.ts'
import type { MapKey } from '../state/map-key.ts'
import { HeapSliceTable, type SliceTable } from '../state/slice-table.ts'
import type { Timer, TimerTable } from '../state/timer-table.ts'
import { MIN_TIMESTAMP } from '../time/timestamp.ts'
import { t } from '../types/t.ts'
import { SliceGrid } from '../window/slice-grid.ts'
import type { AlignedWindows } from '../window/window-assigner.ts'
import { timestampUnusable } from './event-timestamp.ts'
import { SliceMerge } from './slice-merge.ts'
import { keyedBackend, OneInputOperator, type OperatorContext, type Output } from './stream-operator.ts'
import type { Folding } from './window-contents.ts'

export interface SliceWindowOptions<I, A, O> {
  readonly assigner: AlignedWindows<I>
  readonly folding: Folding<I, A, O>
  readonly allowedLatenessMs: number
  readonly lateTag: OutputTag<I> | null
  /** How many records a value stands for, where that may be more than one. */
  readonly recordCountOf?: (value: I) => number
}

/** After this many results a firing pass asks whether it should make room for something else. */
const PAUSE_CHECK_INTERVAL = 64

/** From this many slices per window on it pays to keep what windows that overlap have in common. */
const MERGED_SLICES_MIN = 4

/** Whether these windows can be sliced at all. */
export function isSliceable(assigner: AlignedWindows<never>, folding: { readonly merge: unknown }): boolean {
  const { timeDomain, sizeMs, slideMs } = assigner
  return timeDomain === 'event' && slideMs <= sizeMs && (slideMs === sizeMs || folding.merge !== null)
}

export class SliceWindowOperator<I, A, O> extends OneInputOperator<I, O> {
  readonly #folding: Folding<I, A, O>
  readonly #grid: SliceGrid
  readonly #sizeMs: number
  readonly #slideMs: number
  readonly #sliceMs: number
  readonly #latenessMs: number
  readonly #lateTag: OutputTag<I> | null
  readonly #recordCountOf: ((value: I) => number) | null
  readonly #pendingEnds = new MinHeap()
  readonly #isPending = new Set<number>()
  #keyContext!: KeyContext
  #slices!: SliceTable<A>
  /** #slices, if they are in the heap. */
  #heapSlices: HeapSliceTable<A> | null = null
  readonly #held = new HeldRecords<I>()
  /** Where windows have many slices. */
  #merge: SliceMerge<A> | null = null
  /** Per key group, up to when windows had fired at the last snapshot; null where slices never outlive a firing. */
  #firedTable: FlatTable<number> | null = null
  /** Windows to be fired again for a key, by their last millisecond; there where #firedTable is. */
  #refires: TimerTable | null = null
  /** What #firedTable said after a restore; null once the watermark has caught up with all of it. */
  #restoredFired: Map<number, number> | null = null
  #lateDropped!: Counter
  #watermark = MIN_TIMESTAMP
  /** The slice of the last record. */
  #slice = Number.NaN
  /** Slices that begin before this may be late. */
  #firstLive = Number.NEGATIVE_INFINITY
  /** Slices that begin before this lie in a window that has fired. */
  #firstUnfired = Number.NEGATIVE_INFINITY
  #firing: Generator<void, void, void> | null = null

  constructor(options: SliceWindowOptions<I, A, O>) {
    super()
    this.#grid = new SliceGrid(options.assigner)
    const { sizeMs, slideMs, sliceMs } = this.#grid
    this.#folding = options.folding
    this.#sizeMs = sizeMs
    this.#slideMs = slideMs
    this.#sliceMs = sliceMs
    this.#latenessMs = options.allowedLatenessMs
    this.#lateTag = options.lateTag
    this.#recordCountOf = options.recordCountOf ?? null
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    const keyed = keyedBackend(context)
    this.#keyContext = keyed.context
    this.#slices = keyed.sliceTable('window/slices', this.#folding.type)
    // It holds as much again as the slices: not where they are in a store because there is no room for them.
    this.#heapSlices = this.#slices instanceof HeapSliceTable ? this.#slices : null
    if (this.#heapSlices !== null && this.#sizeMs / this.#sliceMs >= MERGED_SLICES_MIN) {
      this.#merge = new SliceMerge(this.#grid, this.#folding, this.#slices, keyed.context)
    }
    if (this.#sliceMs < this.#sizeMs || this.#latenessMs > 0) {
      this.#firedTable = keyed.flatTable('window/fired', t.float64)
      this.#refires = keyed.timerTable('window/refires')
    }
    this.#lateDropped = context.metrics.counter('late_records_dropped_total')
  }

  override open(): void {
    if (this.#firedTable !== null && this.#firedTable.size > 0) {
      this.#restoredFired = new Map()
      this.#firstLive = Number.POSITIVE_INFINITY
      for (const { key, value } of this.#firedTable.entries())
        this.#restoredFired.set(key as number, value as number)
    }
    const fired = this.#restoredFired === null ? MIN_TIMESTAMP : Math.min(...this.#restoredFired.values())
    for (const slice of this.#slices.slices()) this.#addPendingEnds(slice, fired)
  }

  override prepareSnapshot(): void {
    this.#addHeld()
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
      this.#processOld(value, slice)
      return
    }
    if (this.#heapSlices !== null && slice >= this.#firstUnfired) {
      this.#merge?.changed(slice)
      if (this.#held.push(slice, value, this.#keyContext)) this.#addHeld()
      return
    }
    this.#add(value, slice)
    if (slice < this.#firstUnfired) this.#refire(slice, this.#watermark)
  }

  override processWatermark(timestamp: number): boolean {
    this.#addHeld()
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
    if (!Number.isSafeInteger(timestamp)) throw timestampUnusable(timestamp, this.context)
    this.#slice = this.#grid.sliceOf(timestamp)
    return this.#slice
  }

  #add(value: I, slice: number): void {
    this.#merge?.changed(slice)
    const slices = this.#slices
    const before = slices.get(slice)
    const accumulator = this.#folding.add(value, before)
    if (before === undefined && !slices.hasSlice(slice)) this.#addPendingEnds(slice, this.#watermark)
    slices.put(slice, accumulator)
  }

  /** Another key may be the current one afterwards. */
  #addHeld(): void {
    const held = this.#held
    for (let from = 0, to = 0; from < held.count; from = to) {
      to = held.endOfSlice(from)
      const slice = held.slices[from]!
      if (!this.#slices.hasSlice(slice)) this.#addPendingEnds(slice, this.#watermark)
      this.#heapSlices!.addAll(slice, held, from, to, this.#folding)
    }
    held.count = 0
  }

  /** A record that is late or, while the watermark catches up after a restore, may be. */
  #processOld(value: I, slice: number): void {
    if (this.#restoredFired !== null) {
      const fired = this.#restoredFired.get(this.#keyContext.keyGroup) ?? MIN_TIMESTAMP
      const gone = this.#sliceMs === this.#sizeMs ? this.#watermark : Math.max(fired, this.#watermark)
      if (this.#grid.lastEndOver(slice) - 1 + this.#latenessMs > gone) {
        this.#add(value, slice)
        this.#refire(slice, gone)
        this.#refireLater(slice, fired, gone)
        return
      }
    }
    if (this.#lateTag !== null) this.output.collectSide(this.#lateTag.id, value)
    else this.#lateDropped.increment(this.#recordCountOf?.(value) ?? 1)
  }

  #addPendingEnds(slice: number, fired: number): void {
    for (
      let end = this.#grid.firstEndOver(slice);
      end <= this.#grid.lastEndOver(slice);
      end += this.#slideMs
    ) {
      if (end - 1 <= fired || this.#isPending.has(end)) continue
      this.#isPending.add(end)
      this.#pendingEnds.push(end)
    }
  }

  *#fireUntil(watermark: number): Generator<void, void, void> {
    if (watermark > this.#watermark) this.#watermark = watermark
    while (this.#pendingEnds.size > 0 && this.#pendingEnds.peek() - 1 <= watermark) {
      const end = this.#pendingEnds.pop()
      this.#isPending.delete(end)
      yield* this.#fireAgain(end - 1)
      yield* this.#sliceMs === this.#sizeMs ? this.#fireSlice(end) : this.#fireMerged(end)
      yield
    }
    yield* this.#fireAgain(watermark)
    if (this.#restoredFired !== null && Math.max(...this.#restoredFired.values()) <= watermark) {
      this.#restoredFired = null
    }
    this.#dropSlices()
  }

  *#fireAgain(until: number): Generator<void, void, void> {
    if (this.#refires === null) return
    const fire = ({ timestamp }: Timer) =>
      this.#emit(this.#keyContext.mapKey, timestamp + 1, this.#accumulatorOf(timestamp + 1))
    while (!this.#refires.fire(until, fire, () => true)) yield
  }

  *#fireSlice(end: number): Generator<void, void, void> {
    let count = 0
    for (const entry of this.#slices.ofSlice(end - this.#sizeMs)) {
      if (this.#restoredFired !== null && this.#hasFired(entry, end)) continue
      this.#emit(entry.key, end, entry.value as A)
      if (++count % PAUSE_CHECK_INTERVAL === 0) yield
    }
  }

  *#fireMerged(end: number): Generator<void, void, void> {
    if (this.#merge !== null && this.#restoredFired === null) {
      yield* this.#merge.ofWindow(end, (key, accumulator) => this.#emit(key, end, accumulator))
      return
    }
    const { merge, copy } = this.#folding
    const merged = new Map<MapKey, A>()
    let count = 0
    for (let slice = end - this.#sizeMs; slice < end; slice += this.#sliceMs) {
      for (const entry of this.#slices.ofSlice(slice)) {
        if (this.#restoredFired !== null && this.#hasFired(entry, end)) continue
        const before = merged.get(entry.key)
        const value = entry.value as A
        merged.set(entry.key, before === undefined ? copy(value) : merge!(before, value))
        if (++count % PAUSE_CHECK_INTERVAL === 0) yield
      }
    }
    for (const [key, accumulator] of merged) {
      this.#emit(key, end, accumulator)
      if (++count % PAUSE_CHECK_INTERVAL === 0) yield
    }
  }

  /** Whether the window had fired for the entry's key before the snapshot we were restored from. */
  #hasFired(entry: Entry<A>, end: number): boolean {
    if (entry.keyGroup < 0) entry.keyGroup = this.#keyContext.groupOf(entry.key)
    return end - 1 <= (this.#restoredFired!.get(entry.keyGroup) ?? MIN_TIMESTAMP)
  }

  /**
   * A late record that is still allowed: the windows over its slice that have fired fire again for its key, the latest
   * first, as the window operator does it.
   */
  #refire(slice: number, gone: number): void {
    const first = this.#grid.firstEndOver(slice)
    for (let end = this.#grid.lastEndOver(slice); end >= first; end -= this.#slideMs) {
      if (end - 1 > this.#watermark) continue
      if (end - 1 + this.#latenessMs <= gone) return
      this.#emit(this.#keyContext.mapKey, end, this.#accumulatorOf(end))
    }
  }

  /** The windows over the slice that had fired at the snapshot fire again when the watermark comes there again. */
  #refireLater(slice: number, fired: number, gone: number): void {
    const first = this.#grid.firstEndOver(slice)
    for (let end = this.#grid.lastEndOver(slice); end >= first; end -= this.#slideMs) {
      if (end - 1 > fired || end - 1 <= this.#watermark) continue
      if (end - 1 + this.#latenessMs <= gone) return
      this.#refires!.register(end - 1, undefined)
    }
  }

  /** What the current key has in the window, which is not nothing. */
  #accumulatorOf(end: number): A {
    const { merge, copy } = this.#folding
    if (this.#sliceMs === this.#sizeMs) return this.#slices.peek(end - this.#sizeMs) as A
    let accumulator: A | undefined
    for (let slice = end - this.#sizeMs; slice < end; slice += this.#sliceMs) {
      const value = this.#slices.peek(slice)
      if (value === undefined) continue
      accumulator = accumulator === undefined ? copy(value) : merge!(accumulator, value)
    }
    return accumulator!
  }

  #emit(key: MapKey, end: number, accumulator: A): void {
    const time = this.context.time
    const before = time[0]!
    time[0] = end - 1
    // A new object each, since results may keep it.
    const window = { key: this.#keyContext.keyOf(key), start: end - this.#sizeMs, end }
    this.output.collect(this.#folding.result(accumulator, window))
    time[0] = before
  }

  #dropSlices(): void {
    const firstLive = this.#grid.firstSliceAfter(this.#watermark + 1 - this.#latenessMs)
    for (const slice of this.#slices.slices()) if (slice < firstLive) this.#slices.removeSlice(slice)
    if (this.#restoredFired !== null) return
    this.#firstLive = firstLive
    if (this.#latenessMs > 0) this.#firstUnfired = this.#grid.lastEndUntil(this.#watermark + 1)
  }
}
