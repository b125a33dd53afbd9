/**
 * What is kept of a job so that another coordinator can go on with it: small, written at every change of its state and
 * with every completed checkpoint. The submission, which is large and never changes, is kept beside it.
 */
import type { SavedDemand } from '../checkpoint/checkpoint-demands.ts'
import type { SavedJob } from '../scheduler/job-state.ts'

export interface SavedCheckpoints {
  /** Completed and kept, oldest first: the last is what a restart begins with, and is to be committed. */
  readonly completed: readonly number[]
  /** Ids up to this one may have been used. */
  readonly reservedId: number
  /** What people have asked for and has come to an end, the last of it, oldest first. */
  readonly demands: readonly SavedDemand[]
}

export interface JobRecord {
  readonly jobId: string
  readonly name: string
  readonly submittedMs: number
  /** Null while it has not ended. */
  readonly endedMs: number | null
  readonly job: SavedJob
  /** Null: the job takes none. */
  readonly checkpoints: SavedCheckpoints | null
}

/** Checkpoints that a job has pending; older ones have been given up, or the tasks do not remember them. */
const PENDING_MAX = 100

/** Ids of checkpoints that may have been pending when this was saved, or have become so since. */
export function lostIds(saved: SavedCheckpoints): number[] {
  const { completed, reservedId } = saved
  const done = completedSavepoints(saved)
  const from = Math.max(completed.at(-1) ?? 0, reservedId - PENDING_MAX) + 1
  const ids = Array.from({ length: Math.max(0, reservedId - from + 1) }, (_, i) => from + i)
  return ids.filter((id) => !done.includes(id))
}

/** What may be left to commit: the latest checkpoint, or the savepoint that the job ends with; 0: nothing. */
export function latestId(saved: SavedCheckpoints): number {
  const last = saved.demands.filter(({ isComplete, demand }) => isComplete && demand.stop !== 'none')
  return Math.max(0, saved.completed.at(-1) ?? 0, ...last.map(({ checkpointId }) => checkpointId ?? 0))
}

function completedSavepoints({ demands }: SavedCheckpoints): number[] {
  return demands.flatMap(({ isComplete, checkpointId }) => (isComplete ? [checkpointId ?? 0] : []))
}
