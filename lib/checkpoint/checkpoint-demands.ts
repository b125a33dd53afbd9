/**
 * The checkpoints and savepoints that people have asked for, by the id they gave their request: asked again with the
 * same id, how it is coming along is told, and nothing new is begun. Pure.
 */
import { SluiceError } from '../base/errors.ts'

export interface CheckpointDemand {
  readonly requestId: string
  readonly type: 'checkpoint' | 'savepoint'
  /** Of savepoints: where to, and whether the job ends with it. */
  readonly uri: string
  readonly stop: 'none' | 'suspend' | 'drain'
}

export interface DemandStatus {
  readonly isDone: boolean
  /** Null until it has been triggered. */
  readonly checkpointId: number | null
  readonly uri: string
}

/** One that has come to an end, as it is kept for a coordinator to come. */
export interface SavedDemand {
  readonly demand: CheckpointDemand
  readonly checkpointId: number | null
  /** It is there, and kept: what is left is to commit. */
  readonly isComplete: boolean
  readonly failure: string | null
}

interface Entry {
  demand: CheckpointDemand
  checkpointId: number | null
  isComplete: boolean
  isDone: boolean
  failure: string | null
}

/** At more, the oldest is forgotten: asked for again it would be taken again. */
const DEMANDS_MAX = 100
const DEMANDS_SAVED_MAX = 20

export class CheckpointDemands {
  readonly #entries = new Map<string, Entry>()

  /** `saved`: by the coordinator before. */
  constructor(saved: readonly SavedDemand[] = []) {
    for (const each of saved) {
      const isDone = each.isComplete && each.demand.stop === 'none'
      this.#entries.set(each.demand.requestId, { ...each, isDone })
    }
  }

  get saved(): SavedDemand[] {
    const ended = [...this.#entries.values()].filter((each) => each.isComplete || each.failure !== null)
    return ended.slice(-DEMANDS_SAVED_MAX).map(({ isDone: _, ...saved }) => saved)
  }

  /** The one that is complete and the job was to end with. */
  get stoppedWith(): string | null {
    const ended = [...this.#entries.values()].find((each) => each.isComplete && each.demand.stop !== 'none')
    return ended?.demand.requestId ?? null
  }

  add(demand: CheckpointDemand): void {
    this.#entries.set(demand.requestId, {
      demand,
      checkpointId: null,
      isComplete: false,
      isDone: false,
      failure: null,
    })
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > DEMANDS_MAX) this.#entries.delete(oldest!)
  }

  find(requestId: string): CheckpointDemand | undefined {
    return this.#entries.get(requestId)?.demand
  }

  /** Undefined: nobody has asked for it yet. Throws CHECKPOINT_FAILED for one that came to nothing. */
  status(requestId: string): DemandStatus | undefined {
    const entry = this.#entries.get(requestId)
    if (entry === undefined) return undefined
    const { demand, failure, isDone, checkpointId } = entry
    if (failure === null) return { isDone, checkpointId, uri: demand.uri }
    throw new SluiceError('CHECKPOINT_FAILED', `the ${demand.type} was not taken: ${failure}`)
  }

  /** May come twice: one that could not be completed is tried again. `uri`: where it is written. */
  triggered(requestId: string, checkpointId: number, uri: string): void {
    const entry = this.#entries.get(requestId)
    if (entry === undefined) return
    entry.checkpointId = checkpointId
    entry.demand = { ...entry.demand, uri }
  }

  /** It has become real, or, false, has been undone before anybody was told. */
  completed(requestId: string, isComplete: boolean): void {
    const entry = this.#entries.get(requestId)
    if (entry !== undefined) entry.isComplete = isComplete
  }

  done(requestId: string): void {
    const entry = this.#entries.get(requestId)
    if (entry !== undefined) entry.isDone = true
  }

  failed(requestId: string, failure: string): void {
    const entry = this.#entries.get(requestId)
    if (entry !== undefined && !entry.isDone) entry.failure ??= failure
  }

  /** What has not been done will not be. */
  failAll(failure: string): void {
    for (const requestId of this.#entries.keys()) this.failed(requestId, failure)
  }
}
