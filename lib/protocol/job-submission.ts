/** What a client hands in, and how what became of it is described. Plain data throughout. */
import type { ErrorRecord } from '../base/errors.ts'
import type { CheckpointSummary } from '../checkpoint/checkpoint-history.ts'
import type { CheckpointSettings, ClaimMode } from '../checkpoint/checkpoint-settings.ts'
import type { SlotLocation, SubtaskState } from '../graph/execution-graph.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { JobState } from '../scheduler/job-state.ts'
import type { RestartSettings } from '../scheduler/restart-strategy.ts'
import type { SubtaskMetrics } from '../task/subtask-report.ts'
import type { TaskSettings } from '../task/task-settings.ts'

/** Where a slot finds the job's code. */
export type JobModule =
  /** A module every slot can import by itself: local mode. */
  | { readonly kind: 'file'; readonly url: string }
  /** A definition registered in this process: tests and embedding. */
  | { readonly kind: 'registered'; readonly key: string }
  /** One bundled file in the blob store, named by the hash of its content. */
  | { readonly kind: 'bundle'; readonly sha256: string }

/** Prefix under which a bundle names the modules of Sluice; every host puts its own installation in its place. */
export const RUNTIME_SPECIFIER = 'sluice-runtime:index'

/** Name of a bundle in the blob store. */
export const bundlePath = (sha256: string): string => `jobs/${sha256}.mjs`

/** What the graph was built with; every slot builds it with the same. */
export interface SubmittedGraphSettings {
  readonly parallelism: number
  readonly maxParallelism: number | null
  readonly isChainingEnabled: boolean
  readonly args: readonly string[]
}

export interface RestoreSettings {
  /** Of the savepoint, or retained checkpoint, itself. */
  readonly uri: string
  /** Default: `no-claim`. */
  readonly claimMode?: ClaimMode
  /** State that no operator of the job takes up is left behind, which otherwise is an error. */
  readonly isPartialAllowed: boolean
}

export interface JobRunSettings {
  readonly graph: SubmittedGraphSettings
  readonly task: TaskSettings
  readonly restart: RestartSettings
  /** Null: none can be taken; what fails begins anew. */
  readonly checkpoint: CheckpointSettings | null
  /** A savepoint, or a checkpoint, to begin from; null: from nothing. */
  readonly restore: RestoreSettings | null
  /** How long the job waits for free slots before it fails. */
  readonly slotRequestTimeoutMs: number
  /** Free slots that are kept ready to take the place of one that is lost, as far as there are. Default 0. */
  readonly standbySlots?: number
}

export interface JobSubmission {
  /** Made by the client, so that a repeated submission is recognised. */
  readonly jobId: string
  readonly module: JobModule
  readonly graph: JobGraph
  readonly settings: JobRunSettings
}

export interface JobSummary {
  readonly jobId: string
  readonly name: string
  readonly state: JobState
  readonly submittedMs: number
  /** Null while it has not ended. */
  readonly endedMs: number | null
  readonly restarts: number
  readonly slotsHeld: number
  readonly slotsNeeded: number
  readonly error?: ErrorRecord
}

export interface SubtaskDescription {
  readonly index: number
  readonly state: SubtaskState
  readonly slot: SlotLocation
  readonly metrics: SubtaskMetrics | null
}

/** Subtasks that fail and are restarted together. */
export interface RegionDescription {
  readonly state: JobState
  /** Counts from 0. */
  readonly attempt: number
  readonly subtaskCount: number
}

export interface VertexDescription {
  readonly id: string
  readonly name: string
  readonly parallelism: number
  readonly subtasks: readonly SubtaskDescription[]
}

/** Something that people should know of, though the job goes on. */
export interface JobNotice {
  /** Ms since the epoch. */
  readonly atMs: number
  readonly text: string
}

export interface JobDescription extends JobSummary {
  readonly graph: JobGraph
  /** The latest, oldest first. */
  readonly notices: readonly JobNotice[]
  /** Changes with every restart of a region. */
  readonly attempt: number
  readonly regions: readonly RegionDescription[]
  /** Null: the job takes none. */
  readonly checkpoints: CheckpointSummary | null
  readonly vertices: readonly VertexDescription[]
}
