/** Where the barriers of a checkpoint begin: at the tasks that run and have none before them that does. Pure. */
import type { JobGraph } from '../graph/job-graph.ts'

export interface Task {
  readonly vertexId: string
  readonly index: number
}

/** The name of a task among those of its job. */
export const taskId = (vertexId: string, index: number): string => `${vertexId}/${index}`

export function tasksOf({ vertices }: JobGraph): Task[] {
  return vertices.flatMap(({ id, parallelism }) =>
    Array.from({ length: parallelism }, (_, index) => ({ vertexId: id, index })),
  )
}

/** Sources, as long as they run. `finished`: task ids. */
export function firstTasks(graph: JobGraph, finished: ReadonlySet<string>): Task[] {
  const running = tasksOf(graph).filter(({ vertexId, index }) => !finished.has(taskId(vertexId, index)))
  const runningVertices = new Set(running.map(({ vertexId }) => vertexId))
  const behindOthers = new Set(
    graph.edges.filter(({ from }) => runningVertices.has(from)).map(({ to }) => to),
  )
  return running.filter(({ vertexId }) => !behindOthers.has(vertexId))
}
