/** Job graphs for tests, built through the API. */
import { type BuiltJob, buildJob, job } from '../../lib/api/job.ts'
import type { GraphSettings, StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { collection } from '../../lib/connectors/generator.ts'
import type { JobGraph } from '../../lib/graph/job-graph.ts'
import { t as types } from '../../lib/types/t.ts'

export const SETTINGS: GraphSettings = {
  parallelism: 1,
  maxParallelism: null,
  isChainingEnabled: true,
  args: [],
}

export function build(
  define: (env: StreamEnvironment) => void,
  settings: Partial<GraphSettings> = {},
): BuiltJob {
  return buildJob(job('test', define), { ...SETTINGS, ...settings })
}

export function graphOf(
  define: (env: StreamEnvironment) => void,
  settings: Partial<GraphSettings> = {},
): JobGraph {
  return build(define, settings).graph
}

/** A source of numbers. */
export const numbers = (...items: number[]) => collection(items, types.int64)

/** The names of the operators of each vertex. */
export function chainsOf(graph: JobGraph): string[][] {
  return graph.vertices.map(({ operators }) => operators.map(({ name }) => name))
}

/** The edges as `from -> to: how`. */
export function edgesOf(graph: JobGraph): string[] {
  const nameOf = (id: string) => graph.vertices.find((vertex) => vertex.id === id)!.name
  return graph.edges.map(({ from, to, partitioner, sideTag, input }) => {
    const how = [
      partitioner,
      ...(sideTag === null ? [] : [`side ${sideTag}`]),
      ...(input === 0 ? [] : ['input 2']),
    ]
    return `${nameOf(from)} -> ${nameOf(to)}: ${how.join(', ')}`
  })
}
