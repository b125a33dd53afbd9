/**
 * Which subtask runs in which of a job's slots. Slot i of a slot sharing group runs subtask i of each of its vertices.
 */
import { assert } from '../base/assert.ts'
import type { Placement, SlotLocation } from '../graph/execution-graph.ts'
import { type JobGraph, requiredSlots } from '../graph/job-graph.ts'

export function assignSlots(graph: JobGraph, slots: readonly SlotLocation[]): Placement {
  const byGroup = new Map<string, readonly SlotLocation[]>()
  let next = 0
  for (const [group, count] of requiredSlots(graph.vertices)) {
    byGroup.set(group, slots.slice(next, next + count))
    next += count
  }
  assert(next <= slots.length, `${next} slots for ${graph.jobName}`)
  return Object.fromEntries(
    graph.vertices.map(({ id, slotSharingGroup, parallelism }) => [
      id,
      byGroup.get(slotSharingGroup)!.slice(0, parallelism),
    ]),
  )
}

export function slotCountOf(graph: JobGraph): number {
  return [...requiredSlots(graph.vertices).values()].reduce((sum, count) => sum + count, 0)
}
