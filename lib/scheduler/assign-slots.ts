/**
 * Which subtask runs in which of a job's slots. Slot i of a slot sharing group runs subtask i of each of its vertices.
 */
import { assert } from '../base/assert.ts'
import { type JobGraph, requiredSlots } from '../graph/job-graph.ts'

export function assignSlots<Slot>(
  graph: JobGraph,
  slots: readonly Slot[],
): Readonly<Record<string, readonly Slot[]>> {
  const byGroup = new Map<string, readonly Slot[]>()
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
