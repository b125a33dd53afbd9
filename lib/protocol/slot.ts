/** What a job master says to a slot, and subtasks and source coordinators to each other. */

import type { CheckpointPlace } from '../checkpoint/checkpoint-storage.ts'
import type { Placement } from '../graph/execution-graph.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { SubtaskMetrics } from '../task/subtask-report.ts'
import type { JobModule, JobRunSettings, SubmittedGraphSettings } from './job-submission.ts'

/** One region of a job, as far as it runs in the slot that gets it. */
export interface Deployment {
  readonly jobId: string
  readonly region: number
  /** Of the region. */
  readonly attempt: number
  /** Of the region with the enumerators of its sources. */
  readonly leadingAttempt: number
  readonly module: JobModule
  readonly graph: JobGraph
  readonly placement: Placement
  readonly settings: JobRunSettings
  /** Null: from the beginning. */
  readonly restore: CheckpointPlace | null
  /** Which checkpoint of the job that is; 0: none of its own. */
  readonly restoredId: number
}

/** What a leader orders is refused with NOT_LEADER once the slot has heard from a later one. */
interface LeaderReference {
  readonly epoch: number
}

interface AttemptReference extends LeaderReference {
  readonly jobId: string
  readonly region: number
  readonly attempt: number
}

export type SlotProtocol = {
  /** Builds and opens the tasks this slot has in the placement. The reply says only that it has begun. */
  deploy: { request: LeaderReference & { readonly deployment: Deployment }; reply: object }
  /**
   * Whether the slot's node sees the same storage as the sender: the slot reads the token from `path`, writes it to
   * `<path>-answer`, and looks for what the job is to begin from. STORAGE_UNUSABLE, STORAGE_FAILED. May be repeated.
   */
  probeStorage: {
    request: {
      readonly storageUri: string
      readonly path: string
      readonly token: string
      readonly restore: CheckpointPlace | null
    }
    reply: object
  }
  /**
   * The slot may get the job later: unless it has something to do, it loads the code and builds the graph.
   * JOB_MODULE_*, or as the job's function throws. May be repeated.
   */
  prepare: {
    request: LeaderReference & {
      readonly jobId: string
      readonly module: JobModule
      readonly graph: SubmittedGraphSettings
    }
    reply: object
  }
  /** Lets the opened tasks run. */
  start: { request: AttemptReference; reply: object }
  /** Ends the tasks; reports tell when they have. An attempt the slot does not have is gone already. */
  cancel: { request: AttemptReference; reply: object }
  /**
   * Sent to all slots before a savepoint is triggered: where it goes, and whether its barrier is the last thing that
   * the tasks process, `drain` with event time at its end. May be repeated.
   */
  expectSavepoint: {
    request: AttemptReference & {
      readonly checkpointId: number
      readonly place: CheckpointPlace
      readonly stop: 'none' | 'suspend' | 'drain'
    }
    reply: object
  }
  /** These subtasks send the barrier of a checkpoint on its way. May be repeated. */
  triggerCheckpoint: {
    request: AttemptReference & {
      readonly checkpointId: number
      /** Ms since the epoch. */
      readonly timestamp: number
      readonly isSavepoint: boolean
      readonly subtasks: readonly { readonly vertexId: string; readonly index: number }[]
    }
    reply: object
  }
  /**
   * Nobody waits for a checkpoint any more. What it covers is to be committed, which the answer waits for: or not,
   * because it was given up, or is a savepoint the job runs on after, and commits with its next checkpoint. May be
   * repeated.
   */
  checkpointEnded: {
    request: AttemptReference & { readonly checkpointId: number; readonly mustCommit: boolean }
    reply: object
  }
  /** From the slot's node: nobody knows this job any more. */
  abandon: { request: { readonly jobId: string }; reply: object }
}

export type SubtaskProtocol = {
  /** `waitsFor`: what keeps it from going on, for people. */
  describe: {
    request: object
    reply: { readonly state: string; readonly waitsFor: string; readonly metrics: SubtaskMetrics | null }
  }
  /** From the source coordinator; taken once however often it is sent. Null: no more splits. */
  takeSplits: {
    request: {
      readonly attempt: number
      readonly sequence: number
      /** Handed out after the enumerator's snapshot for this checkpoint: to be taken after its barrier. */
      readonly afterCheckpoint: number
      readonly splits: readonly Uint8Array[] | null
    }
    reply: object
  }
}

export type WatermarkAlignmentProtocol = {
  /** How far a member is, Infinity if it holds nobody back; the answer is how far the slowest of the others is. */
  report: {
    request: {
      readonly attempt: number
      readonly group: string
      readonly member: string
      readonly watermark: number
    }
    reply: { readonly slowest: number }
  }
}

export type SourceCoordinatorProtocol = {
  /**
   * A reader wants splits. `attempt` is the enumerator's, `reader` that of the reader, which begins with checkpoint
   * `restoredId` of the job, or 0. `sequence` counts its requests, so that a repeated message is served once.
   */
  requestSplit: {
    request: {
      readonly attempt: number
      readonly reader: number
      readonly restoredId: number
      readonly subtaskIndex: number
      readonly sequence: number
    }
    reply: object
  }
  /**
   * The enumerator's state, once all it has handed out has arrived; no answer once a newer one has been taken.
   * NO_RESPONDERS until it has heard of these attempts of all `readers`, one of which may be about to have splits given
   * back. `completedId`: the checkpoint that the next attempt would begin with; nobody goes back to before it.
   */
  snapshot: {
    request: {
      readonly attempt: number
      readonly checkpointId: number
      readonly completedId: number
      readonly readers: readonly number[]
    }
    reply: { readonly state: Uint8Array }
  }
}
