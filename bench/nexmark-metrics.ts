/** What the sink of a Nexmark query has counted. */
import type { JobDescription } from '../lib/protocol/job-submission.ts'

/** A metric of each subtask of the sink. */
export function sinkMetric({ vertices }: JobDescription, name: string): number[] {
  return vertices
    .flatMap(({ subtasks }) => subtasks)
    .flatMap(({ metrics }) => metrics?.operators[`results.${name}`] ?? [])
}
