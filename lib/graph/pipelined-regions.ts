/**
 * Failover regions: sets of subtasks that fail and are restarted together, as what one of them has sent since the last
 * checkpoint its neighbours have taken in. Between regions nothing flows, so that one can go back to a checkpoint while
 * the others go on. Flink's PipelinedRegionComputeUtil and RestartPipelinedRegionFailoverStrategy. Pure.
 *
 * R1. Two subtasks with a channel between them are in one region; every edge is pipelined.
 * R2. All subtasks of a source get their splits from one enumerator, which runs beside the first of them. It takes back
 *     from a reader that fails what it has handed out to it since the checkpoint, but nobody could do so for it: the
 *     first subtasks of all vertices that hang together are in one region, that leads the others, and if it fails, so
 *     do they. (Whatever edge there is, it joins the first subtasks of its ends.)
 * R3. All sources whose watermarks are aligned are in one region: they ask one another through an actor beside the
 *     first of them.
 * R4. Operators with union or broadcast state are never part of two regions, as such state is restored as a whole: it
 *     is only had by operators behind an edge that goes from all to all. Other operator state belongs to a subtask.
 * R5. The same graph has the same regions, in the same order, everywhere: that of their first subtask in the graph. So
 *     a region comes after the one that leads it.
 */
import { isPointwise, targetsOf } from '../network/partitioner.ts'
import type { JobEdge, JobGraph, JobVertex } from './job-graph.ts'

/** What is restarted with a subtask that fails: its region, or the job. */
export type RestartScope = 'region' | 'job'

export interface SubtaskId {
  readonly vertexId: string
  readonly index: number
}

export class PipelinedRegions {
  /** By region; each in the order of the graph. */
  readonly regions: readonly (readonly SubtaskId[])[]
  readonly #regionOf = new Map<string, number>()

  constructor(regions: readonly (readonly SubtaskId[])[]) {
    this.regions = regions
    regions.forEach((subtasks, region) => {
      for (const subtask of subtasks) this.#regionOf.set(keyOf(subtask), region)
    })
  }

  /** The region that takes this one along when it fails: R2. It may be itself. */
  leaderOf(region: number): number {
    return this.regionOf(this.regions[region]![0]!.vertexId, 0)!
  }

  /** Undefined for a subtask the job does not have. */
  regionOf(vertexId: string, index: number): number | undefined {
    return this.#regionOf.get(keyOf({ vertexId, index }))
  }
}

export function pipelinedRegions(graph: JobGraph, scope: RestartScope = 'region'): PipelinedRegions {
  const subtasks = graph.vertices.flatMap(subtasksOf)
  if (scope === 'job') return new PipelinedRegions([subtasks])
  const sets = new DisjointSets(subtasks.map(keyOf))
  for (const edge of graph.edges) joinEdge(graph, edge, sets)
  joinAll(graph.vertices.filter(isAligned).flatMap(subtasksOf), sets)
  const regions = new Map<string, SubtaskId[]>()
  for (const subtask of subtasks) {
    const root = sets.find(keyOf(subtask))
    regions.set(root, [...(regions.get(root) ?? []), subtask])
  }
  return new PipelinedRegions([...regions.values()])
}

function joinEdge({ vertices }: JobGraph, { from, to, partitioner }: JobEdge, sets: DisjointSets): void {
  const [upstream, downstream] = [from, to].map((id) => vertices.find((vertex) => vertex.id === id)!)
  if (!isPointwise(partitioner)) {
    joinAll([upstream!, downstream!].flatMap(subtasksOf), sets)
    return
  }
  for (const subtask of subtasksOf(upstream!)) {
    const targets = targetsOf(partitioner, subtask.index, upstream!.parallelism, downstream!.parallelism)
    for (const index of targets) sets.join(keyOf(subtask), keyOf({ vertexId: to, index }))
  }
}

function joinAll([first, ...others]: readonly SubtaskId[], sets: DisjointSets): void {
  for (const other of others) sets.join(keyOf(first!), keyOf(other))
}

function isAligned({ operators }: JobVertex): boolean {
  return operators.some(({ alignmentGroup }) => alignmentGroup !== undefined)
}

export function subtasksOf({ id, parallelism }: JobVertex): SubtaskId[] {
  return Array.from({ length: parallelism }, (_, index) => ({ vertexId: id, index }))
}

function keyOf({ vertexId, index }: SubtaskId): string {
  return `${vertexId}/${index}`
}

/** Union-find, with paths made shorter on the way. */
class DisjointSets {
  readonly #parents: Map<string, string>

  constructor(members: readonly string[]) {
    this.#parents = new Map(members.map((member) => [member, member]))
  }

  find(member: string): string {
    const parent = this.#parents.get(member)!
    if (parent === member) return member
    const root = this.find(parent)
    this.#parents.set(member, root)
    return root
  }

  join(a: string, b: string): void {
    this.#parents.set(this.find(b), this.find(a))
  }
}
