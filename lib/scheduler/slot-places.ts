/**
 * The slots of a job, each in its place: subtask i of a slot sharing group runs in the ith place of the group. What is
 * lost leaves its place empty until another slot is put there, so that all others stay where they are, and a region is
 * restarted in the slots it had as far as they live, which Flink's PreviousAllocationSlotSelectionStrategy aims at.
 */
import { isSameSlot, type SlotLocation } from '../graph/execution-graph.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { SubtaskId } from '../graph/pipelined-regions.ts'
import { assignSlots, slotCountOf } from './assign-slots.ts'

/** What is in an empty place. */
const NOWHERE: SlotLocation = { node: '', slot: -1 }

export class SlotPlaces {
  readonly #graph: JobGraph
  #places: SlotLocation[]

  /** `places`: as another has given them. */
  constructor(graph: JobGraph, places?: readonly SlotLocation[]) {
    this.#graph = graph
    this.#places = places === undefined ? Array(slotCountOf(graph)).fill(NOWHERE) : [...places]
  }

  /** Plain data. */
  get all(): readonly SlotLocation[] {
    return [...this.#places]
  }

  /** The slots there are. */
  get held(): SlotLocation[] {
    return this.#places.filter((place) => !isNowhere(place))
  }

  has(slot: SlotLocation): boolean {
    return this.#places.some((place) => isSameSlot(place, slot))
  }

  /** The places that some subtasks need, in order, and that are empty. */
  emptyFor(subtasks: readonly SubtaskId[]): number[] {
    const placeOf = assignSlots(this.#graph, [...this.#places.keys()])
    const needed = new Set(subtasks.map(({ vertexId, index }) => placeOf[vertexId]![index]!))
    return [...needed].filter((place) => isNowhere(this.#places[place]!)).sort((a, b) => a - b)
  }

  put(place: number, slot: SlotLocation): void {
    this.#places[place] = slot
  }

  /** Their places become empty. */
  lose(slots: readonly SlotLocation[]): void {
    this.#places = this.#places.map((place) =>
      slots.some((lost) => isSameSlot(place, lost)) ? NOWHERE : place,
    )
  }

  /** All are given up; returns those there were. */
  clear(): SlotLocation[] {
    const { held } = this
    this.#places.fill(NOWHERE)
    return held
  }
}

function isNowhere({ slot }: SlotLocation): boolean {
  return slot < 0
}
