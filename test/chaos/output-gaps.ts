/** How long nothing came out: from the times at which each message did. */

export interface Gap {
  readonly fromMs: number
  readonly ms: number
}

/** Between each two messages that follow each other; `timesMs` ascending. */
export function gapsOf(timesMs: readonly number[]): Gap[] {
  return timesMs.slice(1).map((ms, i) => ({ fromMs: timesMs[i]!, ms: ms - timesMs[i]! }))
}

/** The longest that began in the given time, or was under way at its beginning; 0 if there is none. */
export function longestGap(gaps: readonly Gap[], fromMs: number, toMs: number): number {
  return Math.max(
    0,
    ...gaps.filter((gap) => gap.fromMs + gap.ms > fromMs && gap.fromMs < toMs).map(({ ms }) => ms),
  )
}

/** The value that the given share of all values does not exceed; NaN without values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}
