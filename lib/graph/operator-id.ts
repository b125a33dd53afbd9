/**
 * The identity of operators across versions of a job: the uid the user gave, or a hash of where the operator stands
 * in the graph. The hash covers the operation and everything upstream, not names, parallelism or how records are
 * distributed (which follows from the parallelism where the user does not say); it changes when an operator is put in
 * before, which is why state that must survive changes wants a uid.
 */
import { createHash } from 'node:crypto'
import type { StreamGraph, StreamNode } from './stream-graph.ts'

/** Ids by node, in one pass: nodes are created after the nodes they read from. */
export function operatorIds(graph: StreamGraph): Map<StreamNode, string> {
  const ids = new Map<StreamNode, string>()
  const seen = new Map<string, number>()
  for (const node of graph.nodes) {
    const inputs = graph.inEdges(node).map((edge) => [ids.get(edge.from), edge.input, edge.sideTag])
    const signature = JSON.stringify([node.kind, node.operation, inputs])
    const twins = seen.get(signature) ?? 0
    seen.set(signature, twins + 1)
    ids.set(
      node,
      node.uid ?? `op-${createHash('sha256').update(`${signature}#${twins}`).digest('hex').slice(0, 12)}`,
    )
  }
  return ids
}
