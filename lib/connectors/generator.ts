/**
 * Sources that compute their records: element i of a sequence by a function of i, as fast as it is read or at a rate;
 * or the elements of an array. Split into one range per subtask: subtask s of k emits elements s, s+k, s+2k, ... so
 * that what is emitted as a whole does not depend on k, and order within a subtask follows the sequence.
 */
import { SluiceError } from '../base/errors.ts'
import type {
  PollResult,
  ReaderOutput,
  Source,
  SourceReader,
  Split,
  SplitOutput,
} from '../function/source.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import { staticSplits } from './static-splits.ts'

export interface GeneratorOptions<T> {
  /** Element `index` of the sequence; must give the same each time, since recovery asks again. */
  readonly generate: (index: number) => T
  /** Length of the sequence; default: endless. */
  readonly count?: number
  /** Elements per second over all subtasks; default: as fast as they are taken. */
  readonly ratePerSecond?: number
  readonly type?: Type<T>
  /** The record's timestamp; a watermark strategy may say otherwise. */
  readonly timestamp?: (value: T, index: number) => number
  readonly name?: string
}

/** The elements begin, begin + step, begin + 2 step, ... below end. */
interface RangeSplit extends Split {
  readonly id: string
  readonly next: number
  readonly step: number
}

const RANGE_SPLIT: Type<RangeSplit> = t.object({ id: t.string, next: t.int64, step: t.int64 })

/** At a rate, elements come in bursts of this many ms. */
const BURST_MS = 2

export function generator<T>(options: GeneratorOptions<T>): Source<T, RangeSplit, readonly RangeSplit[]> {
  const { count = Number.POSITIVE_INFINITY, ratePerSecond } = options
  if (!(count >= 0))
    throw new SluiceError('GRAPH_INVALID', `a generator's count must not be negative, found ${count}`)
  if (ratePerSecond !== undefined && !(ratePerSecond > 0)) {
    throw new SluiceError('GRAPH_INVALID', `a generator's rate must be positive, found ${ratePerSecond}`)
  }
  return {
    name: options.name ?? 'generator',
    isBounded: Number.isFinite(count),
    hasOwnTexts: true,
    type: options.type ?? (t.any as Type<T>),
    splitType: RANGE_SPLIT,
    enumeratorStateType: t.list(RANGE_SPLIT),
    createEnumerator(context, restored) {
      const { parallelism } = context
      const splits = Array.from({ length: parallelism }, (_, i) => ({
        id: `${i}`,
        next: i,
        step: parallelism,
      }))
      return staticSplits(context, splits, restored)
    },
    createReader: ({ clock, parallelism, wake }) => {
      const ratePerMs = ratePerSecond === undefined ? null : ratePerSecond / 1000 / parallelism
      return new RangeReader(options, count, ratePerMs, clock, wake)
    },
  }
}

/** The elements of an array, in order if read by one subtask. */
export function collection<T>(
  items: readonly T[],
  type?: Type<T>,
): Source<T, RangeSplit, readonly RangeSplit[]> {
  return generator({
    name: 'collection',
    count: items.length,
    generate: (index) => items[index]!,
    ...(type === undefined ? {} : { type }),
  })
}

interface Range {
  readonly id: string
  readonly step: number
  readonly output: SplitOutput<never>
  next: number
}

class RangeReader<T> implements SourceReader<T, RangeSplit> {
  readonly #generate: (index: number) => T
  readonly #timestamp: ((value: T, index: number) => number) | null
  readonly #count: number
  readonly #pace: Pace | null
  readonly #ranges: Range[] = []
  #paused: ReadonlySet<string> = new Set()
  #hasAllSplits = false

  constructor(
    options: GeneratorOptions<T>,
    count: number,
    ratePerMs: number | null,
    clock: ConstructorParameters<typeof Pace>[1],
    wake: () => void,
  ) {
    this.#generate = options.generate
    this.#timestamp = options.timestamp ?? null
    this.#count = count
    this.#pace = ratePerMs === null ? null : new Pace(ratePerMs, clock, wake)
  }

  addSplits(splits: readonly RangeSplit[], output: ReaderOutput<T>): void {
    for (const { id, next, step } of splits) {
      this.#ranges.push({ id, next, step, output: output.ofSplit(id) as SplitOutput<never> })
    }
  }

  noMoreSplits(): void {
    this.#hasAllSplits = true
  }

  pauseSplits(splitIds: ReadonlySet<string>): void {
    this.#paused = splitIds
  }

  poll(output: ReaderOutput<T>, recordsMax: number): PollResult {
    if (this.#ranges.length === 0) return this.#hasAllSplits ? 'end' : 'idle'
    const turn = this.#ranges.findIndex(({ id }) => !this.#paused.has(id))
    const range = this.#ranges[turn]
    if (range === undefined) return 'idle'
    const allowed = this.#pace === null ? recordsMax : this.#pace.take(recordsMax)
    if (allowed === 0) return 'idle'
    this.#emit(range, allowed)
    this.#ranges.splice(turn, 1)
    if (range.next < this.#count) this.#ranges.push(range)
    else output.releaseSplit(range.id)
    return 'more'
  }

  snapshot(): RangeSplit[] {
    return this.#ranges.map(({ id, next, step }) => ({ id, next, step }))
  }

  close(): void {
    this.#pace?.close()
  }

  #emit(range: Range, recordsMax: number): void {
    const output = range.output as SplitOutput<T>
    const { step } = range
    const end = Math.min(this.#count, range.next + recordsMax * step)
    const timestampOf = this.#timestamp
    let index = range.next
    for (; index < end; index += step) {
      const value = this.#generate(index)
      range.next = index + step
      if (timestampOf === null) output.collect(value)
      else output.collect(value, timestampOf(value, index))
    }
  }
}

/** Lets through a number of elements per ms, in bursts. What was not taken in time is not caught up on for ever. */
class Pace {
  readonly #perMs: number
  readonly #clock: {
    monotonic(): number
    schedule(delayMs: number, callback: () => void): { cancel(): void }
  }
  readonly #wake: () => void
  readonly #creditMax: number
  #credit = 0
  #creditedMs: number
  #timer: { cancel(): void } | null = null

  constructor(
    perMs: number,
    clock: { monotonic(): number; schedule(delayMs: number, callback: () => void): { cancel(): void } },
    wake: () => void,
  ) {
    this.#perMs = perMs
    this.#clock = clock
    this.#wake = wake
    this.#creditMax = Math.max(1, perMs * 1000)
    this.#creditedMs = clock.monotonic()
  }

  /** How many of `wanted` may be emitted now; if none, wakes the task when one may. */
  take(wanted: number): number {
    const nowMs = this.#clock.monotonic()
    this.#credit = Math.min(this.#creditMax, this.#credit + (nowMs - this.#creditedMs) * this.#perMs)
    this.#creditedMs = nowMs
    const taken = Math.min(wanted, Math.floor(this.#credit))
    this.#credit -= taken
    if (taken === 0)
      this.#timer ??= this.#clock.schedule(Math.max(BURST_MS, 1 / this.#perMs), () => this.#onTimer())
    return taken
  }

  close(): void {
    this.#timer?.cancel()
  }

  #onTimer(): void {
    this.#timer = null
    this.#wake()
  }
}
