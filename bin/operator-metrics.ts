/** What operators and functions of a job count, over all subtasks. */
import type { VertexDescription } from '../lib/protocol/job-submission.ts'

export interface OperatorMetric {
  readonly uid: string
  readonly name: string
  readonly total: number
}

/** Those that are not zero, by operator and name. */
export function operatorMetrics(vertices: readonly VertexDescription[]): OperatorMetric[] {
  const totals = new Map<string, number>()
  for (const { subtasks } of vertices) {
    for (const { metrics } of subtasks) {
      for (const [name, value] of Object.entries(metrics?.operators ?? {})) {
        totals.set(name, (totals.get(name) ?? 0) + value)
      }
    }
  }
  return [...totals]
    .filter(([, total]) => total !== 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, total]) => {
      const dot = path.indexOf('.')
      return { uid: path.slice(0, dot), name: path.slice(dot + 1), total }
    })
}
