/** What the resource manager, slots and the dispatcher say to a job master. */
import type { ErrorRecord } from '../base/errors.ts'
import type { DemandStatus } from '../checkpoint/checkpoint-demands.ts'
import type { SnapshotHandle } from '../checkpoint/checkpoint-files.ts'
import type {
  CheckpointRecord,
  CheckpointSummary,
  DetailedCheckpoint,
} from '../checkpoint/checkpoint-history.ts'
import type { SlotLocation } from '../graph/execution-graph.ts'
import type { SubtaskReport } from '../task/subtask-report.ts'
import type { JobDescription, JobSubmission, JobSummary } from './job-submission.ts'

export interface SavepointRequest {
  /** Made by the client. */
  readonly requestId: string
  /** Null: the storage of the job. */
  readonly uri: string | null
  /** Whether the job ends with it; `drain`: event time ends first, so that all windows fire. */
  readonly stop: 'none' | 'suspend' | 'drain'
}

/** Which checkpoints there have been. */
export interface CheckpointsView {
  readonly jobId: string
  /** Newest first. */
  readonly records: readonly CheckpointRecord[]
  readonly summary: CheckpointSummary
  /** Null: none was asked for, or there is none of that id. */
  readonly detail: DetailedCheckpoint | null
}

export interface CheckpointReference {
  /** Of the region that the subtask is part of. */
  readonly attempt: number
  readonly checkpointId: number
  readonly vertexId: string
  readonly index: number
}

export type JobMasterProtocol = {
  /** `epoch`: of the leader whose resource manager says so; that of another has nothing to give or take. */
  slotsGranted: { request: { readonly epoch: number; readonly slots: readonly SlotLocation[] } }
  slotsLost: {
    request: { readonly epoch: number; readonly slots: readonly SlotLocation[]; readonly reason: string }
  }
  /**
   * Sent by a slot, for each region it has, when something changes, and at every heartbeat. The reply is the heartbeat
   * back: a slot that learns that its attempt is not the current one gives it up.
   */
  report: {
    request: {
      readonly slot: SlotLocation
      readonly region: number
      readonly attempt: number
      readonly subtasks: readonly SubtaskReport[]
    }
    /** `epoch`: of the leader that answers; a slot that has heard a later one pays no attention. */
    reply: { readonly isCurrent: boolean; readonly epoch: number }
  }
  /**
   * A subtask's snapshot has been stored; may be repeated. `unwanted`: of its blobs, those that nobody needs, now or
   * later: the attempt is over, or the job. Whoever stored them deletes them.
   */
  acknowledge: {
    request: CheckpointReference & { readonly snapshot: SnapshotHandle }
    reply: { readonly unwanted: readonly string[] }
  }
  /** A subtask's snapshot could not be stored; may be repeated. */
  decline: { request: CheckpointReference & { readonly error: ErrorRecord }; reply: object }
  /** Begins a savepoint, and tells how it is coming along when asked again with the same id. CHECKPOINT_FAILED. */
  savepoint: {
    request: SavepointRequest
    reply: DemandStatus
  }
  /** As `savepoint`: a checkpoint at once, whatever the interval. */
  checkpoint: { request: { readonly requestId: string }; reply: DemandStatus }
  /** What has become of them. `checkpointId`: of the one to be told in detail. */
  checkpoints: { request: { readonly checkpointId: number | null }; reply: CheckpointsView }
  /** What the job was submitted with: enough to submit it again. */
  submission: { request: object; reply: { readonly submission: JobSubmission } }
  summarise: { request: object; reply: JobSummary }
  describe: { request: object; reply: JobDescription }
  cancel: { request: object; reply: object }
}
