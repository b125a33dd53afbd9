/**
 * The third picture of a job: which subtask runs where. Plain data, the same for every slot of an attempt; each slot
 * finds its own part in it, and from the places of both ends of a channel what carries it.
 */
import { sourcesOf, targetsOf } from '../network/partitioner.ts'
import type { JobEdge, JobGraph, JobVertex } from './job-graph.ts'

/** A slot: the node's id, and the index of the slot there. */
export interface SlotLocation {
  readonly node: string
  readonly slot: number
}

/** For each vertex the place of each of its subtasks. */
export type Placement = Readonly<Record<string, readonly SlotLocation[]>>

/** How data crosses from one subtask to another; see DESIGN of channels in channel.ts. */
export type Carrier = 'local' | 'thread' | 'bus'

/** `auto`: the nearest carrier that works. `nats`: everything over the bus, wherever it runs. */
export type Exchange = 'auto' | 'nats'

/**
 * Where a subtask is in its life. `opening`: its operators are being opened. `ready`: it waits for the others.
 * `finishing`: all input has been processed, operators give out what they held back. `draining`: the output is on its
 * way. The last three are final.
 */
export type SubtaskState =
  | 'created'
  | 'opening'
  | 'ready'
  | 'running'
  | 'finishing'
  | 'draining'
  | 'finished'
  | 'failed'
  | 'cancelled'

export function isFinal(state: SubtaskState): boolean {
  return state === 'finished' || state === 'failed' || state === 'cancelled'
}

export interface ChannelPlan {
  readonly edge: JobEdge
  readonly from: number
  readonly to: number
  /** Where the other end is. */
  readonly peer: SlotLocation
  readonly carrier: Carrier
}

export interface SubtaskPlan {
  readonly vertex: JobVertex
  readonly index: number
  /** By edge, in the order of the graph's edges; per edge by index of the other end. */
  readonly inputs: readonly ChannelPlan[]
  readonly outputs: readonly ChannelPlan[]
}

export function isSameSlot(a: SlotLocation, b: SlotLocation): boolean {
  return a.node === b.node && a.slot === b.slot
}

/** The subtasks that a slot has to run, and their channels. */
export function planSlot(
  graph: JobGraph,
  placement: Placement,
  self: SlotLocation,
  exchange: Exchange,
): SubtaskPlan[] {
  return graph.vertices.flatMap((vertex) =>
    (placement[vertex.id] ?? []).flatMap((location, index) =>
      isSameSlot(location, self) ? [planSubtask(graph, placement, vertex, index, exchange)] : [],
    ),
  )
}

function planSubtask(
  graph: JobGraph,
  placement: Placement,
  vertex: JobVertex,
  index: number,
  exchange: Exchange,
): SubtaskPlan {
  const parallelismOf = (vertexId: string): number => placement[vertexId]!.length
  const self = placement[vertex.id]![index]!
  const channel = (edge: JobEdge, from: number, to: number, peer: SlotLocation): ChannelPlan => {
    return { edge, from, to, peer, carrier: carrierOf(self, peer, exchange) }
  }
  return {
    vertex,
    index,
    inputs: graph.edges
      .filter(({ to }) => to === vertex.id)
      .flatMap((edge) =>
        sourcesOf(edge.partitioner, index, parallelismOf(edge.from), vertex.parallelism).map((from) =>
          channel(edge, from, index, placement[edge.from]![from]!),
        ),
      ),
    outputs: graph.edges
      .filter(({ from }) => from === vertex.id)
      .flatMap((edge) =>
        targetsOf(edge.partitioner, index, vertex.parallelism, parallelismOf(edge.to)).map((to) =>
          channel(edge, index, to, placement[edge.to]![to]!),
        ),
      ),
  }
}

function carrierOf(a: SlotLocation, b: SlotLocation, exchange: Exchange): Carrier {
  if (exchange === 'nats') return 'bus'
  if (isSameSlot(a, b)) return 'local'
  return a.node === b.node ? 'thread' : 'bus'
}
