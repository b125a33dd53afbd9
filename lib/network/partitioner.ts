/**
 * How the records of an edge are distributed over the subtasks downstream. Plain descriptions; the network layer turns
 * them into code. Pointwise ones connect a subtask to some of the subtasks downstream, the others to all.
 */
import { assert } from '../base/assert.ts'
import type { Key } from '../base/hash.ts'

export type Partitioner =
  | { readonly kind: 'forward' }
  | { readonly kind: 'hash'; readonly keyOf: (value: never) => Key }
  /** Round robin over all subtasks. */
  | { readonly kind: 'rebalance' }
  /** Round robin over the subtasks nearest in index, which mostly share the slot or node. */
  | { readonly kind: 'rescale' }
  | { readonly kind: 'shuffle' }
  | { readonly kind: 'broadcast' }
  /** Everything to subtask 0. */
  | { readonly kind: 'global' }
  | { readonly kind: 'custom'; readonly subtaskOf: (value: never, subtaskCount: number) => number }

export type PartitionerKind = Partitioner['kind']

export function isPointwise(kind: PartitionerKind): boolean {
  return kind === 'forward' || kind === 'rescale'
}

/** The subtasks downstream that upstream subtask `from` is connected to, in order. */
export function targetsOf(
  kind: PartitionerKind,
  from: number,
  upstream: number,
  downstream: number,
): number[] {
  if (!isPointwise(kind)) return range(0, downstream)
  if (kind === 'forward') assert(upstream === downstream, 'a forward edge keeps the parallelism')
  if (upstream >= downstream) return [Math.floor((from * downstream) / upstream)]
  const first = Math.ceil((from * downstream) / upstream)
  return range(first, Math.ceil(((from + 1) * downstream) / upstream))
}

/** The subtasks upstream that downstream subtask `to` is connected to, in order. */
export function sourcesOf(kind: PartitionerKind, to: number, upstream: number, downstream: number): number[] {
  return range(0, upstream).filter((from) => targetsOf(kind, from, upstream, downstream).includes(to))
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i)
}
