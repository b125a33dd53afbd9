/**
 * Regions that share the enumerators of their sources, which run in the one that leads them: it takes the others along
 * when it fails, they are deployed after it, and all of them have finished at once. Looked up by the job scheduler.
 */
import type { PipelinedRegions } from '../graph/pipelined-regions.ts'
import { type JobState, TERMINAL_JOB_STATES } from './job-state.ts'
import type { RegionAttempt } from './region-attempt.ts'

interface Member {
  readonly number: number
  readonly state: JobState
  readonly attempt: RegionAttempt | null
}

export class RegionGroups<R extends Member> {
  readonly #pipelined: PipelinedRegions
  readonly #regions: readonly R[]

  /** `regions`: all of the job. */
  constructor(pipelined: PipelinedRegions, regions: readonly R[]) {
    this.#pipelined = pipelined
    this.#regions = regions
  }

  /** All that share its enumerators, in order, the leading one first. */
  groupOf(region: R): R[] {
    const leader = this.#leaderOf(region)
    return this.#regions.filter((each) => this.#leaderOf(each) === leader)
  }

  /** Regions with those that they take along, in order. */
  withLed(regions: readonly R[]): R[] {
    return this.#regions.filter((each) => regions.includes(each) || regions.includes(this.#leaderOf(each)))
  }

  /** Whether the enumerators that it needs have slots, or are its own. */
  isLed(region: R): boolean {
    const leader = this.#leaderOf(region)
    return leader === region || leader.state === 'deploying' || leader.state === 'running'
  }

  /** Of regions that are to begin together, those that wait for nobody who is still failing, or begins later. */
  ready(regions: readonly R[]): R[] {
    return regions.filter((region) => {
      const leader = this.#leaderOf(region)
      return regions.includes(leader) || !['failing', 'backing-off'].includes(leader.state)
    })
  }

  /** Whether every subtask of its group has finished. */
  isOver(region: R): boolean {
    return this.groupOf(region).every(isDone)
  }

  /** Whether others have something to do for which they may need its enumerators. */
  isAwaited(region: R): boolean {
    return this.groupOf(region).some((each) => each !== region && !isDone(each))
  }

  #leaderOf({ number }: R): R {
    return this.#regions[this.#pipelined.leaderOf(number)]!
  }
}

function isDone({ state, attempt }: Member): boolean {
  return TERMINAL_JOB_STATES.includes(state) || (state === 'running' && attempt?.isOver === true)
}
