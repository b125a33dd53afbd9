/** What clients say to the dispatcher. */
import type { DemandStatus } from '../checkpoint/checkpoint-demands.ts'
import type { CheckpointsView, SavepointRequest } from './job-master.ts'
import type { JobDescription, JobSubmission, JobSummary } from './job-submission.ts'

/** A job by its id, or by its name where only one job that has not ended bears it. */
export interface JobReference {
  readonly job: string
}

export interface LeaderView {
  /** Of the coordinator that leads. */
  readonly id: string
  readonly host: string
  readonly pid: number
  /** Counts leaders since the cluster was set up. */
  readonly epoch: number
  /** Ms since the epoch of the clock. */
  readonly sinceMs: number
}

export type DispatcherProtocol = {
  leader: { request: object; reply: LeaderView }
  submit: { request: { readonly submission: JobSubmission }; reply: { readonly jobId: string } }
  list: { request: object; reply: { readonly jobs: readonly JobSummary[] } }
  describe: { request: JobReference; reply: JobDescription }
  /** As the job master's: to be repeated until it is done. */
  savepoint: {
    request: JobReference & SavepointRequest
    reply: DemandStatus & { readonly jobId: string }
  }
  /** As the job master's: to be repeated until it is done. */
  checkpoint: {
    request: JobReference & { readonly requestId: string }
    reply: DemandStatus & { readonly jobId: string }
  }
  /** As the job master's. */
  checkpoints: { request: JobReference & { readonly checkpointId: number | null }; reply: CheckpointsView }
  submission: { request: JobReference; reply: { readonly submission: JobSubmission } }
  /** Returns when the cancellation has begun; `describe` tells when it is done. */
  cancel: { request: JobReference; reply: { readonly jobId: string } }
}

/** Names of control actors; each is one subject token. */
export const DISPATCHER = 'dispatcher'
export const RESOURCE_MANAGER = 'resources'
export const jobMasterName = (jobId: string): string => `job-${jobId}`
export const slotName = (nodeId: string, slot: number): string => `slot-${nodeId}-${slot}`
