/** What a slot tells of its subtasks: states as they are, metrics since the beginning. Plain data. */
import type { ErrorRecord } from '../base/errors.ts'
import type { SubtaskState } from '../graph/execution-graph.ts'

/** Counters of one subtask, as last reported. Rates and shares follow from two reports, over any time one likes. */
export interface SubtaskMetrics {
  readonly recordsIn: number
  readonly recordsOut: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** How the time since the subtask began was spent: working, waiting for others to take its output, nothing to do. */
  readonly busyMs: number
  readonly backPressuredMs: number
  readonly idleMs: number
  /** Event time at the input (of sources: emitted); null before the first watermark. */
  readonly watermark: number | null
  /** Metrics of operators and functions, by `<uid>.<name>`. */
  readonly operators: Readonly<Record<string, number>>
}

export interface SubtaskReport {
  readonly vertexId: string
  readonly index: number
  readonly state: SubtaskState
  /** Comes with the state failed. */
  readonly error?: ErrorRecord
  readonly metrics: SubtaskMetrics | null
  /** It has nothing left to do but wait for a checkpoint. */
  readonly isAwaitingCheckpoint?: boolean
}
