/** What a job scheduler is told, and what it orders. Plain data. */
import type { ErrorRecord } from '../base/errors.ts'
import type { Placement, SlotLocation, SubtaskState } from '../graph/execution-graph.ts'
import type { SubtaskId } from '../graph/pipelined-regions.ts'
import type { JobState, SavedJob } from './job-state.ts'

/** What is to be run in which slots. */
export interface DeployedRegion {
  readonly region: number
  /** Counts the attempts of the region, from 0. */
  readonly attempt: number
  readonly subtasks: readonly SubtaskId[]
  /** Those that have not been lost. */
  readonly slots: readonly SlotLocation[]
  /** Of all vertices; holds for the subtasks of the region. */
  readonly placement: Placement
}

export interface SubtaskStatus extends SubtaskId {
  readonly state: SubtaskState
  readonly error?: ErrorRecord
}

export type JobEvent =
  | { readonly kind: 'submitted' }
  /** Instead of `submitted`: another leader had the job, this is what is known of it. */
  | { readonly kind: 'adopted'; readonly saved: SavedJob }
  | { readonly kind: 'slotsGranted'; readonly slots: readonly SlotLocation[] }
  /** There are fewer free slots than were asked for; the job goes on waiting. */
  | { readonly kind: 'slotsScarce'; readonly free: number }
  | { readonly kind: 'slotsLost'; readonly slots: readonly SlotLocation[]; readonly reason: string }
  | {
      readonly kind: 'reported'
      readonly slot: SlotLocation
      readonly region: number
      readonly attempt: number
      readonly subtasks: readonly SubtaskStatus[]
    }
  | {
      readonly kind: 'deployFailed'
      readonly region: number
      readonly attempt: number
      readonly error: ErrorRecord
    }
  /** It cannot begin: the state it was to begin from does not fit. */
  | { readonly kind: 'refused'; readonly error: ErrorRecord }
  /** More checkpoints have failed than are tolerated. */
  | { readonly kind: 'checkpointsFailed'; readonly error: ErrorRecord }
  /**
   * What the attempt was to begin with cannot be read. `canFallBack`: the next attempt begins with something older, and
   * is none of the restart strategy's; otherwise the job has failed.
   */
  | {
      readonly kind: 'restoreFailed'
      readonly region: number
      readonly attempt: number
      readonly error: ErrorRecord
      readonly canFallBack: boolean
    }
  | { readonly kind: 'cancelRequested' }
  | { readonly kind: 'tick' }

export type JobOrder =
  | { readonly kind: 'requestSlots'; readonly count: number; readonly held: readonly SlotLocation[] }
  | { readonly kind: 'releaseSlots'; readonly slots: readonly SlotLocation[] }
  | ({ readonly kind: 'deploy' } & DeployedRegion)
  | ({ readonly kind: 'start' | 'cancel' } & Pick<DeployedRegion, 'region' | 'attempt' | 'slots'>)
  | { readonly kind: 'stateChanged'; readonly state: JobState; readonly error?: ErrorRecord }
  /** Of one of several; the state of the job may be what it was. */
  | {
      readonly kind: 'regionChanged'
      readonly region: number
      readonly attempt: number
      readonly state: JobState
      readonly error?: ErrorRecord
      /** Of those that have failed with this error at once. */
      readonly firstRegion?: number
    }
