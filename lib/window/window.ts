/**
 * A half-open interval of time [start, end). The global window is the whole of time, so that one class serves all
 * assigners; in Flink's terms TimeWindow and GlobalWindow.
 */

export class Window {
  readonly start: number
  readonly end: number

  constructor(start: number, end: number) {
    this.start = start
    this.end = end
  }

  /** The last millisecond that belongs to the window; results carry it as their timestamp. */
  get maxTimestamp(): number {
    return this.end - 1
  }

  equals(other: Window): boolean {
    return this.start === other.start && this.end === other.end
  }

  /** Whether the two overlap or touch: sessions that merely touch are one session. */
  intersects(other: Window): boolean {
    return this.start <= other.end && this.end >= other.start
  }

  /** The smallest window that covers both. */
  cover(other: Window): Window {
    return new Window(Math.min(this.start, other.start), Math.max(this.end, other.end))
  }
}

export const GLOBAL_WINDOW = new Window(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)

/** The start of the window of `size` that holds `timestamp`; floors, for negative times and offsets too. */
export function windowStart(timestamp: number, offset: number, size: number): number {
  return Math.floor((timestamp - offset) / size) * size + offset
}

export interface MergedWindows {
  readonly result: Window
  readonly sources: readonly Window[]
}

/** Groups of windows that overlap or touch, by start; groups of one included. TimeWindow#mergeWindows. */
export function mergeWindows(windows: readonly Window[]): MergedWindows[] {
  const groups: { result: Window; sources: Window[] }[] = []
  for (const window of [...windows].sort((a, b) => a.start - b.start)) {
    const last = groups.at(-1)
    if (last?.result.intersects(window)) {
      last.result = last.result.cover(window)
      last.sources.push(window)
    } else groups.push({ result: window, sources: [window] })
  }
  return groups
}
