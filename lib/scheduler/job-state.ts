/** In what states a job and its regions can be, and what is kept of them for leaders to come. Plain data. */
import type { ErrorRecord } from '../base/errors.ts'
import type { SlotLocation } from '../graph/execution-graph.ts'

/**
 * `created`: nothing has been done yet. `waiting`: for slots. `deploying`: slots build their tasks. `running`: a region
 * also when it has nothing to do any more, but others that share its enumerators have.
 * `failing`, `cancelling`: what is left of the attempt is being cancelled. `backing-off`: before the next attempt.
 * Of a job with several regions it is that of the region furthest from running.
 */
export type JobState =
  | 'created'
  | 'waiting'
  | 'deploying'
  | 'running'
  | 'failing'
  | 'cancelling'
  | 'backing-off'
  | 'finished'
  | 'failed'
  | 'cancelled'

export const TERMINAL_JOB_STATES: readonly JobState[] = ['finished', 'failed', 'cancelled']
/** In which subtasks are in slots, or the enumerators beside them. */
export const HOLDING_STATES: readonly JobState[] = [
  'deploying',
  'running',
  'failing',
  'cancelling',
  'finished',
]

/** What a new leader must know of a job. Plain data. */
export interface SavedJob {
  readonly state: JobState
  /** Restarts begun so far. */
  readonly restarts: number
  /** By region. Empty: nothing has been done yet. */
  readonly regions: readonly SavedRegion[]
  /** The slots of the job, each in its place. */
  readonly places: readonly SlotLocation[]
  readonly error?: ErrorRecord
}

export interface SavedRegion {
  readonly state: JobState
  /** -1: none has been begun. */
  readonly attempt: number
  /** The places of the job when it was deployed. */
  readonly deployed: readonly SlotLocation[]
}

/** The slots that a job has, and nobody else may be given. */
export function slotsHeldBy({ state, regions, places }: SavedJob): SlotLocation[] {
  if (TERMINAL_JOB_STATES.includes(state)) return []
  const isHolding = regions.some(({ state }) => HOLDING_STATES.includes(state))
  return isHolding ? places.filter(({ slot }) => slot >= 0) : []
}
