/**
 * The second picture of a job: chains as vertices, and the edges that need channels. Plain data: this is what is
 * submitted, stored and drawn, and what the coordinator schedules without ever running the user's code.
 */
import { createHash } from 'node:crypto'
import { SluiceError } from '../base/errors.ts'
import type { PartitionerKind } from '../network/partitioner.ts'
import { defaultMaxParallelism } from '../state/key-group.ts'
import type { AlignmentMember } from '../time/watermark-alignment.ts'
import { chainsOf, isChainable } from './chaining.ts'
import { operatorIds } from './operator-id.ts'
import type { NodeKind, StreamEdge, StreamGraph, StreamNode } from './stream-graph.ts'

export interface JobOperator {
  /** The uid, or a structural hash. */
  readonly id: string
  readonly hasUid: boolean
  readonly name: string
  readonly kind: NodeKind
  readonly operation: string
  /** Only of operators whose watermarks are aligned with those of others. */
  readonly alignmentGroup?: string
}

export interface JobVertex {
  /** The id of its first operator. */
  readonly id: string
  /** The names of its operators. */
  readonly name: string
  /** In an order in which every operator comes after the one it reads from. */
  readonly operators: readonly JobOperator[]
  readonly parallelism: number
  readonly maxParallelism: number
  readonly slotSharingGroup: string
  readonly isSource: boolean
}

export interface JobEdge {
  /** Unique in the job, usable as a subject token. */
  readonly id: string
  readonly from: string
  readonly to: string
  /** The operators at both ends. */
  readonly fromOperator: string
  readonly toOperator: string
  readonly input: number
  readonly partitioner: PartitionerKind
  readonly sideTag: string | null
}

export interface JobGraph {
  readonly jobName: string
  readonly vertices: readonly JobVertex[]
  readonly edges: readonly JobEdge[]
  /** A hash of all the above and of the types on the edges: equal where the same code built the same graph. */
  readonly fingerprint: string
}

/** Where the vertices and edges of a job graph come from, for those who need the functions. */
export interface JobGraphOrigin {
  readonly nodes: ReadonlyMap<string, StreamNode>
  readonly edges: ReadonlyMap<string, StreamEdge>
  /** Edges inside chains. */
  readonly chained: readonly StreamEdge[]
  readonly operatorIds: ReadonlyMap<StreamNode, string>
}

export function buildJobGraph(stream: StreamGraph): { graph: JobGraph; origin: JobGraphOrigin } {
  if (!stream.nodes.some(({ kind }) => kind === 'source')) {
    throw new SluiceError(
      'GRAPH_INVALID',
      `job "${stream.jobName}" has no source: begin with env.source(...)`,
    )
  }
  const ids = operatorIds(stream)
  const idOf = (node: StreamNode): string => ids.get(node)!
  const chained = stream.edges.filter((edge) => isEdgeChainable(stream, edge))
  const chains = chainsOf(
    stream.nodes.map((node) => ({ id: idOf(node) })),
    chained.map(({ from, to }) => ({ from: idOf(from), to: idOf(to) })),
  )
  const nodes = new Map(stream.nodes.map((node) => [idOf(node), node]))
  const vertices = chains.map((chain) =>
    buildVertex(
      chain.map((id) => nodes.get(id)!),
      idOf,
    ),
  )
  const vertexOf = new Map(vertices.flatMap((vertex) => vertex.operators.map(({ id }) => [id, vertex.id])))
  const crossing = stream.edges.filter((edge) => !chained.includes(edge))
  const edges = crossing.map((edge, index) => buildEdge(edge, index, idOf, vertexOf))
  const types = crossing.map(({ type }) => type.schema)
  const content = { jobName: stream.jobName, vertices, edges }
  const fingerprint = createHash('sha256')
    .update(JSON.stringify([content, types]))
    .digest('hex')
    .slice(0, 16)
  return {
    graph: { ...content, fingerprint },
    origin: {
      nodes,
      edges: new Map(edges.map((edge, index) => [edge.id, crossing[index]!])),
      chained,
      operatorIds: ids,
    },
  }
}

/**
 * Flink's rules, and one more: between single subtasks there is nothing to distribute, so that an edge of any kind
 * goes forward there, and a `keyBy` in a job of parallelism 1 costs no channel.
 */
function isEdgeChainable(stream: StreamGraph, { from, to, partitioner }: StreamEdge): boolean {
  const isOneToOne =
    from.parallelism === 1 &&
    to.parallelism === 1 &&
    from.maxParallelism === to.maxParallelism &&
    partitioner.kind !== 'custom'
  return isChainable({
    isChainingEnabled: stream.isChainingEnabled,
    isSameSlotGroup: from.slotSharingGroup === to.slotSharingGroup,
    partitioner: isOneToOne ? 'forward' : partitioner.kind,
    exchange: 'pipelined',
    upStrategy: from.chaining,
    downStrategy: to.chaining,
    upParallelism: from.parallelism,
    downParallelism: to.parallelism,
    downInEdges: stream.inEdges(to).length,
    upIsSource: from.kind === 'source',
  })
}

function buildVertex(chain: StreamNode[], idOf: (node: StreamNode) => string): JobVertex {
  const head = chain[0]!
  checkAlignment(chain)
  const limits = chain.map(({ maxParallelism }) => maxParallelism).filter((limit) => limit !== null)
  if (new Set(limits).size > 1) {
    throw new SluiceError(
      'GRAPH_INVALID',
      `operators ${chain.map(({ name }) => `"${name}"`).join(', ')} run in one chain but have different max parallelism (${limits.join(', ')})`,
    )
  }
  return {
    id: idOf(head),
    name: chain.map(({ name }) => name).join(' -> '),
    operators: chain.map((node) => buildOperator(node, idOf(node))),
    parallelism: head.parallelism,
    maxParallelism: limits[0] ?? defaultMaxParallelism(head.parallelism),
    slotSharingGroup: head.slotSharingGroup,
    isSource: head.kind === 'source',
  }
}

function buildOperator(node: StreamNode, id: string): JobOperator {
  const { uid, name, kind, operation } = node
  const alignment = node.alignment()
  const aligned = alignment === null ? {} : { alignmentGroup: alignment.group }
  return { id, hasUid: uid !== null, name, kind, operation, ...aligned }
}

/** Only reading can be paused: a task in the middle of a job has to go on, or barriers would not get through. */
function checkAlignment(chain: readonly StreamNode[]): void {
  if (chain[0]!.kind === 'source') return
  const aligned = chain.find((node) => node.alignment() !== null)
  if (aligned === undefined) return
  throw new SluiceError(
    'GRAPH_INVALID',
    `operator "${aligned.name}" aligns watermarks, but is not chained with a source, which would have to wait: set the strategy on the source, or on a stream between which and the source nothing is distributed anew`,
  )
}

function buildEdge(
  edge: StreamEdge,
  index: number,
  idOf: (node: StreamNode) => string,
  vertexOf: ReadonlyMap<string, string>,
): JobEdge {
  const fromOperator = idOf(edge.from)
  const toOperator = idOf(edge.to)
  return {
    id: `e${index}`,
    from: vertexOf.get(fromOperator)!,
    to: vertexOf.get(toOperator)!,
    fromOperator,
    toOperator,
    input: edge.input,
    partitioner: edge.partitioner.kind,
    sideTag: edge.sideTag,
  }
}

/** Every subtask's operators whose watermarks are aligned. */
export function alignmentMembers(graph: JobGraph): AlignmentMember[] {
  return graph.vertices.flatMap(({ operators, parallelism }) =>
    operators.flatMap(({ id, alignmentGroup: group }) =>
      group === undefined
        ? []
        : Array.from({ length: parallelism }, (_, index) => ({ group, id: alignmentMemberId(id, index) })),
    ),
  )
}

export function alignmentMemberId(operatorId: string, subtaskIndex: number): string {
  return `${operatorId}/${subtaskIndex}`
}

/** The vertex beside whose first subtask the alignment of all groups is kept; undefined: nothing is aligned. */
export function alignmentVertex(graph: JobGraph): JobVertex | undefined {
  return graph.vertices.find(({ operators }) =>
    operators.some(({ alignmentGroup }) => alignmentGroup !== undefined),
  )
}

/** Slots a job needs: per slot sharing group, the greatest parallelism in it. */
export function requiredSlots(
  vertices: readonly { readonly slotSharingGroup: string; readonly parallelism: number }[],
): Map<string, number> {
  const slots = new Map<string, number>()
  for (const { slotSharingGroup, parallelism } of vertices) {
    slots.set(slotSharingGroup, Math.max(slots.get(slotSharingGroup) ?? 0, parallelism))
  }
  return slots
}
