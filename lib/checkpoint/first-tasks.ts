/** Where the barriers of a checkpoint begin: at the tasks that run and have none before them that does. Pure. */
import type { JobGraph } from '../graph/job-graph.ts'
import { type SubtaskId, subtasksOf } from '../graph/pipelined-regions.ts'
import { isPointwise, targetsOf } from '../network/partitioner.ts'

const MISSING_SHOWN_MAX = 10

/** The name of a task among those of its job. */
export const taskId = (vertexId: string, index: number): string => `${vertexId}/${index}`

export function tasksOf({ vertices }: JobGraph): SubtaskId[] {
  return vertices.flatMap(subtasksOf)
}

/** The first tasks, by name, that have neither finished nor acknowledged a checkpoint. */
export function missingTasks(
  graph: JobGraph,
  finished: ReadonlySet<string>,
  acknowledged: ReadonlySet<string> = new Set(),
): string[] {
  return tasksOf(graph)
    .map(({ vertexId, index }) => taskId(vertexId, index))
    .filter((task) => !finished.has(task) && !acknowledged.has(task))
    .slice(0, MISSING_SHOWN_MAX)
}

/** Sources, as long as they run, and what none that runs is connected to any more. `finished`: task ids. */
export function firstTasks(graph: JobGraph, finished: ReadonlySet<string>): SubtaskId[] {
  const running = tasksOf(graph).filter(({ vertexId, index }) => !finished.has(taskId(vertexId, index)))
  const parallelismOf = (vertexId: string) => graph.vertices.find(({ id }) => id === vertexId)!.parallelism
  const behindOthers = new Set<string>()
  for (const { from, to, partitioner } of graph.edges) {
    const [upstream, downstream] = [parallelismOf(from), parallelismOf(to)]
    const senders = running.filter(({ vertexId }) => vertexId === from)
    // Where each sends to all, one has said it for the others.
    for (const { index } of isPointwise(partitioner) ? senders : senders.slice(0, 1)) {
      for (const target of targetsOf(partitioner, index, upstream, downstream))
        behindOthers.add(taskId(to, target))
    }
  }
  return running.filter(({ vertexId, index }) => !behindOthers.has(taskId(vertexId, index)))
}
