/**
 * What each key has in a window of many slices, from one window to the next without merging all its slices again. Per
 * key two stacks, as Tangwongsan, Hirzel and Schneider describe them ("Low-Latency Sliding-Window Aggregation in
 * Worst-Case Constant Time", 2017): `front` has, for every slice of the older part, the merge of all from there to the
 * boundary; `back` is the merge of everything after it. A window is the top of one with the other. When the front has
 * been used up, everything becomes front. So a slice of a key is merged twice in all, and a window once.
 *
 * M1. All here follows from the slices: nothing of it is in snapshots.
 * M2. Windows are asked for by ascending end.
 * M3. Accumulators in the slices and in `front` are never changed; `back` is ours alone.
 */
import type { KeyContext } from '../state/key-context.ts'
import type { MapKey } from '../state/map-key.ts'
import type { SliceTable } from '../state/slice-table.ts'
import type { SliceGrid } from '../window/slice-grid.ts'
import type { Folding } from './window-contents.ts'

class Stacks<A> {
  /** From the newest slice to the oldest, which is on top; two lists, since one of pairs would be twice as large. */
  readonly frontSlices: number[] = []
  readonly front: A[] = []
  back: A | undefined = undefined
  /** A slice that is part of these has changed. */
  isStale = false
}

function empty<A>(stacks: Stacks<A>): void {
  stacks.frontSlices.length = 0
  stacks.front.length = 0
  stacks.back = undefined
  stacks.isStale = false
}

/** After this many entries a walk makes room for something else, if there is. */
const PAUSE_CHECK_INTERVAL = 64

export class SliceMerge<A> {
  readonly #grid: SliceGrid
  readonly #folding: Pick<Folding<never, A, unknown>, 'merge' | 'copy'>
  readonly #slices: SliceTable<A>
  readonly #keyContext: KeyContext
  readonly #keys = new Map<MapKey, Stacks<A>>()
  /** Slices from here on are in `back`. */
  #boundary = Number.NEGATIVE_INFINITY
  /** Slices from here on are not in the stacks yet. */
  #until = Number.NEGATIVE_INFINITY

  constructor(
    grid: SliceGrid,
    folding: Pick<Folding<never, A, unknown>, 'merge' | 'copy'>,
    slices: SliceTable<A>,
    keyContext: KeyContext,
  ) {
    this.#grid = grid
    this.#folding = folding
    this.#slices = slices
    this.#keyContext = keyContext
  }

  /** The current key has got a record in a slice. */
  changed(slice: number): void {
    if (slice >= this.#until) return
    const stacks = this.#stacksOf(this.#keyContext.mapKey)
    stacks.isStale = true
  }

  /** Calls `emit` for every key with something in the window that ends at `end`. Yields now and then. */
  *ofWindow(end: number, emit: (key: MapKey, accumulator: A) => void): Generator<void, void, void> {
    const first = end - this.#grid.sizeMs
    if (first >= this.#boundary) yield* this.#restack(first, end)
    else yield* this.#append(end)
    let count = 0
    for (const [key, stacks] of this.#keys) {
      if (stacks.isStale) this.#restackKey(key, stacks, first, end)
      const accumulator = this.#topOf(stacks, first)
      if (accumulator === undefined) this.#keys.delete(key)
      else emit(key, accumulator)
      if (++count % PAUSE_CHECK_INTERVAL === 0) yield
    }
  }

  /** Everything becomes front. */
  *#restack(first: number, end: number): Generator<void, void, void> {
    for (const stacks of this.#keys.values()) empty(stacks)
    this.#boundary = end
    this.#until = end
    let count = 0
    for (let slice = end - this.#grid.sliceMs; slice >= first; slice -= this.#grid.sliceMs) {
      for (const { key, value } of this.#slices.ofSlice(slice)) {
        this.#push(this.#stacksOf(key), slice, value as A)
        if (++count % PAUSE_CHECK_INTERVAL === 0) yield
      }
    }
  }

  #restackKey(key: MapKey, stacks: Stacks<A>, first: number, end: number): void {
    empty(stacks)
    this.#keyContext.setMapKey(key, -1)
    const { sliceMs } = this.#grid
    for (let slice = this.#boundary; slice < end; slice += sliceMs) {
      const value = this.#slices.peek(slice)
      if (value !== undefined) this.#add(stacks, value)
    }
    for (let slice = this.#boundary - sliceMs; slice >= first; slice -= sliceMs) {
      const value = this.#slices.peek(slice)
      if (value !== undefined) this.#push(stacks, slice, value)
    }
  }

  *#append(end: number): Generator<void, void, void> {
    let count = 0
    for (; this.#until < end; this.#until += this.#grid.sliceMs) {
      for (const { key, value } of this.#slices.ofSlice(this.#until)) {
        this.#add(this.#stacksOf(key), value as A)
        if (++count % PAUSE_CHECK_INTERVAL === 0) yield
      }
    }
  }

  #push(stacks: Stacks<A>, slice: number, value: A): void {
    const { front, frontSlices } = stacks
    const copy = this.#folding.copy(value)
    const newer = front.at(-1)
    front.push(newer === undefined ? copy : this.#folding.merge!(copy, newer))
    frontSlices.push(slice)
  }

  #add(stacks: Stacks<A>, value: A): void {
    stacks.back =
      stacks.back === undefined ? this.#folding.copy(value) : this.#folding.merge!(stacks.back, value)
  }

  /** What a key has from slice `first` on; undefined for nothing. */
  #topOf({ front, frontSlices, back }: Stacks<A>, first: number): A | undefined {
    let top = front.length - 1
    while (top >= 0 && frontSlices[top]! < first) {
      frontSlices.pop()
      front.pop()
      top--
    }
    if (top < 0) return back === undefined ? undefined : this.#folding.copy(back)
    const copy = this.#folding.copy(front[top]!)
    return back === undefined ? copy : this.#folding.merge!(copy, back)
  }

  #stacksOf(key: MapKey): Stacks<A> {
    let stacks = this.#keys.get(key)
    if (stacks === undefined) {
      stacks = new Stacks()
      this.#keys.set(key, stacks)
    }
    return stacks
  }
}
