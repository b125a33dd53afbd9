/**
 * Which operators run in one chain, without a channel between them. The rules of Flink's StreamingJobGraphGenerator.
 * Pure: properties in, decision out.
 */
import type { PartitionerKind } from '../network/partitioner.ts'
import type { ChainingStrategy } from './stream-graph.ts'

export interface EdgeProperties {
  readonly isChainingEnabled: boolean
  readonly isSameSlotGroup: boolean
  readonly partitioner: PartitionerKind
  /** `batch`: the upstream operator finishes before the downstream one begins. */
  readonly exchange: 'undefined' | 'pipelined' | 'batch'
  readonly upStrategy: ChainingStrategy
  readonly downStrategy: ChainingStrategy
  readonly upParallelism: number
  readonly downParallelism: number
  readonly downInEdges: number
  readonly upIsSource: boolean
}

export function isChainable(edge: EdgeProperties): boolean {
  return (
    edge.isChainingEnabled &&
    edge.downInEdges === 1 &&
    edge.isSameSlotGroup &&
    edge.partitioner === 'forward' &&
    edge.exchange !== 'batch' &&
    edge.upParallelism === edge.downParallelism &&
    edge.upStrategy !== 'never' &&
    mayFollow(edge.downStrategy, edge.upIsSource)
  )
}

function mayFollow(strategy: ChainingStrategy, upIsSource: boolean): boolean {
  return strategy === 'always' || (strategy === 'head-with-sources' && upIsSource)
}

export interface ChainNode {
  readonly id: string
}

export interface ChainEdge {
  readonly from: string
  readonly to: string
}

/**
 * Chains as lists of node ids: the head first, then every chained successor in the order of the nodes. `edges` are the
 * chainable ones.
 */
export function chainsOf(nodes: readonly ChainNode[], edges: readonly ChainEdge[]): string[][] {
  const headOf = new Map<string, string>()
  const findHead = (id: string): string => {
    const known = headOf.get(id)
    if (known !== undefined) return known
    const edge = edges.find(({ to }) => to === id)
    const head = edge === undefined ? id : findHead(edge.from)
    headOf.set(id, head)
    return head
  }
  const chains = new Map<string, string[]>()
  for (const { id } of nodes) {
    const head = findHead(id)
    chains.set(head, [...(chains.get(head) ?? []), id])
  }
  return [...chains.values()]
}
