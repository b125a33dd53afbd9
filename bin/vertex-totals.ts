/** What the subtasks of a vertex report, taken together. */
import type { VertexDescription } from '../lib/protocol/job-submission.ts'

export interface VertexTotals {
  readonly name: string
  readonly parallelism: number
  /** How many subtasks are in each state. */
  readonly states: ReadonlyMap<string, number>
  readonly recordsIn: number
  readonly recordsOut: number
  readonly bytesOut: number
  /** Event time of the subtask that is furthest behind; null if one has none yet. */
  readonly watermark: number | null
  readonly busyMs: number
  readonly backPressuredMs: number
  readonly idleMs: number
  /** Shares of the three together. */
  readonly busy: number
  readonly backPressured: number
  readonly idle: number
}

export function vertexTotals({ name, parallelism, subtasks }: VertexDescription): VertexTotals {
  const states = new Map<string, number>()
  const sums = { recordsIn: 0, recordsOut: 0, bytesOut: 0, busyMs: 0, backPressuredMs: 0, idleMs: 0 }
  let watermark: number | null = subtasks.length === 0 ? null : Number.POSITIVE_INFINITY
  for (const { state, metrics } of subtasks) {
    states.set(state, (states.get(state) ?? 0) + 1)
    if (metrics !== null)
      for (const field of Object.keys(sums) as (keyof typeof sums)[]) sums[field] += metrics[field]
    const own = metrics?.watermark ?? null
    watermark = watermark === null || own === null ? null : Math.min(watermark, own)
  }
  return { name, parallelism, states, watermark, ...sums, ...sharesOf(sums) }
}

export function sharesOf(times: { busyMs: number; backPressuredMs: number; idleMs: number }) {
  const totalMs = Math.max(1, times.busyMs + times.backPressuredMs + times.idleMs)
  return {
    busy: times.busyMs / totalMs,
    backPressured: times.backPressuredMs / totalMs,
    idle: times.idleMs / totalMs,
  }
}
