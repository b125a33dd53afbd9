/**
 * One attempt of one region of a job: where its subtasks run, and what has been heard of them. Bookkeeping of the job
 * scheduler, which decides what follows from it.
 */
import {
  isFinal,
  isSameSlot,
  type Placement,
  type SlotLocation,
  type SubtaskState,
} from '../graph/execution-graph.ts'
import type { SubtaskId } from '../graph/pipelined-regions.ts'
import type { StateMisfit } from '../state/state-misfit.ts'

export interface Subtask extends SubtaskId {
  readonly slot: SlotLocation
  state: SubtaskState
}

export interface RegionAttemptOptions {
  /** Counts the attempts of the region, from 0. */
  readonly number: number
  readonly subtasks: readonly SubtaskId[]
  readonly placement: Placement
  /** Whether a vertex is a source, whose enumerator runs beside its first subtask. */
  readonly isSource: (vertexId: string) => boolean
  /** Whether enumerators are needed until the end of the region, or of their readers. */
  readonly hasCheckpoints: boolean
  /** Whether other regions may need its enumerators. */
  readonly isAwaited: () => boolean
  /** Where its subtasks are; `finished` under another leader, and of no account to this one. */
  readonly state: 'created' | 'finished'
  readonly heardMs: number
}

/**
 * How many times the timeout of heartbeats a slot may be silent. Whether its node is there is told by others; a slot
 * alone is silent while its thread is busy, with code it loads, state it puts in place, or others on the same cores,
 * and to deploy it again for that would make it worse.
 */
export const SLOT_SILENCE = 5
/** So long ago, as it were, slots were heard of that another leader gave: nobody knows whether they were lost since. */
export const ADOPTED_SILENCE = 3

export class RegionAttempt {
  readonly number: number
  readonly placement: Placement
  readonly subtasks: readonly Subtask[]
  readonly #isSource: (vertexId: string) => boolean
  readonly #hasCheckpoints: boolean
  readonly #isAwaited: () => boolean
  /** Slots that are part of it and not lost, and when each was last heard of. */
  readonly #slots: Map<string, { readonly location: SlotLocation; heardMs: number }>
  isStarted = false
  /** Null unless what it was to begin with could not be read: whether there is something else. */
  canFallBack: boolean | null = null
  /** Saved state that does not fit, as far as its subtasks have told. */
  readonly misfits: StateMisfit[] = []

  constructor(options: RegionAttemptOptions) {
    const { number, subtasks, placement, isSource, hasCheckpoints, isAwaited, state, heardMs } = options
    this.number = number
    this.placement = placement
    this.#isSource = isSource
    this.#hasCheckpoints = hasCheckpoints
    this.#isAwaited = isAwaited
    this.subtasks = subtasks.map(({ vertexId, index }) => ({
      ...{ vertexId, index, state },
      slot: placement[vertexId]![index]!,
    }))
    this.#slots = new Map(
      this.subtasks.map(({ slot: location }) => [slotKey(location), { location, heardMs }]),
    )
  }

  /** Those that have not been lost. */
  get slots(): SlotLocation[] {
    return [...this.#slots.values()].map(({ location }) => location)
  }

  /** Every subtask has ended, or its slot is lost. */
  get isOver(): boolean {
    return this.subtasks.every(({ state }) => isFinal(state))
  }

  get isReady(): boolean {
    return this.subtasks.every(({ state }) => state === 'ready')
  }

  /** Every subtask has opened, or failed to. */
  get isOpen(): boolean {
    return this.subtasks.every(({ state }) => state === 'ready' || isFinal(state))
  }

  /** Whether every subtask has been heard of, which after an adoption takes a moment. */
  get isHeard(): boolean {
    return this.subtasks.every(({ state }) => state !== 'created')
  }

  has(slot: SlotLocation): boolean {
    return this.#slots.has(slotKey(slot))
  }

  /** A slot has reported. */
  heard(slot: SlotLocation, nowMs: number): void {
    this.#slots.get(slotKey(slot))!.heardMs = nowMs
  }

  /** A slot is lost: what still ran there comes to `state`. */
  lose(slot: SlotLocation, state: 'failed' | 'finished' = 'failed'): void {
    this.#slots.delete(slotKey(slot))
    for (const subtask of this.subtasks)
      if (isSameSlot(subtask.slot, slot) && !isFinal(subtask.state)) subtask.state = state
  }

  /** Slots that run something and have not reported for the timeout, and for how long. */
  silent(nowMs: number, timeoutMs: number): { readonly location: SlotLocation; readonly forMs: number }[] {
    return [...this.#slots.values()]
      .filter(({ location, heardMs }) => nowMs - heardMs > timeoutMs && this.isNeeded(location))
      .map(({ location, heardMs }) => ({ location, forMs: nowMs - heardMs }))
  }

  /** Whether a slot runs something, be it only the enumerator of a source, beside subtask 0. */
  isNeeded(location: SlotLocation): boolean {
    const isRunning = (vertexId: string) =>
      this.#isAwaited() ||
      this.subtasks.some(
        (each) => (this.#hasCheckpoints || each.vertexId === vertexId) && !isFinal(each.state),
      )
    return this.subtasks.some(
      ({ vertexId, index, slot, state }) =>
        isSameSlot(slot, location) &&
        (!isFinal(state) || (index === 0 && this.#isSource(vertexId) && isRunning(vertexId))),
    )
  }
}

export function slotKey({ node, slot }: SlotLocation): string {
  return `${node}/${slot}`
}
