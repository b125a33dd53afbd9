/**
 * Which of a window's records the window function gets to see, or which are kept for the next firing. Windows with
 * an evictor keep all their records. The rules are those of Flink's evictors.
 */
import { SluiceError } from '../base/errors.ts'
import { type Duration, parseDuration } from '../base/units.ts'
import type { Window } from './window.ts'

export interface TimestampedValue<T> {
  readonly value: T
  /** NaN if the record has none. */
  readonly timestamp: number
}

/** Both methods return some of the elements they were given, in the same order. */
export interface Evictor<T> {
  readonly name: string
  /** What stays, before the function is called. Absent: all. */
  before?(elements: TimestampedValue<T>[], window: Window): TimestampedValue<T>[]
  /** What stays for the next firing, after the function was called. Absent: all. */
  after?(elements: TimestampedValue<T>[], window: Window): TimestampedValue<T>[]
}

export interface EvictorOptions {
  /** Evict after the window function instead of before it. */
  readonly after?: boolean
}

type Evict<T> = (elements: TimestampedValue<T>[], window: Window) => TimestampedValue<T>[]

/** An evictor out of one function, applied before or after the window function. */
export function evictor<T>(name: string, evict: Evict<T>, options: EvictorOptions = {}): Evictor<T> {
  return options.after === true ? { name: `${name} (after)`, after: evict } : { name, before: evict }
}

/** Keeps the last `count` records. */
export function countEvictor<T>(count: number, options?: EvictorOptions): Evictor<T> {
  if (!Number.isInteger(count) || count < 0) {
    throw new SluiceError('GRAPH_INVALID', `a count evictor needs an integer >= 0, found ${count}`)
  }
  return evictor(
    `count ${count}`,
    (all) => (all.length <= count ? all : all.slice(all.length - count)),
    options,
  )
}

/** Keeps what is younger than the youngest record minus `size`; does nothing if the first has no timestamp. */
export function timeEvictor<T>(size: Duration, options?: EvictorOptions): Evictor<T> {
  const sizeMs = parseDuration(size)
  const evict: Evict<T> = (all) => {
    if (all.length === 0 || Number.isNaN(all[0]!.timestamp)) return all
    let youngest = Number.NEGATIVE_INFINITY
    for (const { timestamp } of all) if (timestamp > youngest) youngest = timestamp
    return all.filter(({ timestamp }) => !(timestamp <= youngest - sizeMs))
  }
  return evictor(`time ${sizeMs}ms`, evict, options)
}

/** Drops records whose difference to the last one is `threshold` or more. */
export function deltaEvictor<T>(
  threshold: number,
  delta: (value: T, last: T) => number,
  options?: EvictorOptions,
): Evictor<T> {
  const evict: Evict<T> = (all) => {
    const last = all.at(-1)
    return last === undefined ? all : all.filter(({ value }) => delta(value, last.value) < threshold)
  }
  return evictor(`delta ${threshold}`, evict, options)
}
