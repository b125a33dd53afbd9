/**
 * The first of three pictures of a job: operators as the user wrote them, and the streams between them. Nodes hold
 * functions, so this graph never leaves the process that built it; every process that needs it builds its own by
 * running the job's code.
 */
import { SluiceError } from '../base/errors.ts'
import type { Key } from '../base/hash.ts'
import { TOKEN_PATTERN } from '../base/ids.ts'
import type { Source } from '../function/source.ts'
import type { Partitioner } from '../network/partitioner.ts'
import type { StreamOperator } from '../operator/stream-operator.ts'
import { MAX_PARALLELISM_LIMIT } from '../state/key-group.ts'
import type { TimersOnRestore } from '../time/restored-timers.ts'
import type { WatermarkAlignment } from '../time/watermark-alignment.ts'
import type { Type } from '../types/type.ts'

export type NodeKind = 'source' | 'one-input' | 'two-input'

/** `head`: begins a chain. `never`: is a chain of its own. */
export type ChainingStrategy = 'always' | 'head' | 'head-with-sources' | 'never'

export interface StreamNode {
  readonly index: number
  readonly kind: NodeKind
  /** What the operator does, such as `map` or `window(tumbling(60000ms))`; part of the fingerprint. */
  readonly operation: string
  readonly name: string
  readonly uid: string | null
  readonly parallelism: number
  /** Null: derived from the parallelism. */
  readonly maxParallelism: number | null
  readonly slotSharingGroup: string
  readonly chaining: ChainingStrategy
  readonly outputType: Type<unknown>
  /** Per input, how to find the key; null where the input is not keyed. */
  readonly keySelectors: readonly (((value: never) => Key) | null)[]
  readonly timersOnRestore: TimersOnRestore
  /** How its watermarks are aligned with those of others; null: they are not. Asked when the graph is complete. */
  alignment(): WatermarkAlignment | null
  /** A new instance for one subtask. */
  newOperator(): StreamOperator<unknown>
  /** Only of sources. */
  readonly source: Source<unknown> | null
}

export interface StreamEdge {
  readonly from: StreamNode
  readonly to: StreamNode
  /** 0 or 1. */
  readonly input: number
  readonly partitioner: Partitioner
  /** The side output this edge carries; null for the main output. */
  readonly sideTag: string | null
  readonly type: Type<unknown>
}

export class StreamGraph {
  readonly jobName: string
  readonly isChainingEnabled: boolean
  readonly nodes: StreamNode[] = []
  readonly edges: StreamEdge[] = []

  constructor(jobName: string, isChainingEnabled: boolean) {
    this.jobName = jobName
    this.isChainingEnabled = isChainingEnabled
  }

  addNode(node: Omit<StreamNode, 'index'>): StreamNode {
    this.#check(node)
    const added: StreamNode = { ...node, index: this.nodes.length }
    this.nodes.push(added)
    return added
  }

  addEdge(edge: StreamEdge): void {
    const { from, to, partitioner } = edge
    if (partitioner.kind === 'forward' && from.parallelism !== to.parallelism) {
      throw new SluiceError(
        'GRAPH_INVALID',
        `"${from.name}" forwards to "${to.name}", but their parallelism differs (${from.parallelism} and ${to.parallelism}): use rebalance or rescale`,
      )
    }
    this.edges.push(edge)
  }

  inEdges(node: StreamNode): StreamEdge[] {
    return this.edges.filter((edge) => edge.to === node)
  }

  outEdges(node: StreamNode): StreamEdge[] {
    return this.edges.filter((edge) => edge.from === node)
  }

  #check(node: Omit<StreamNode, 'index'>): void {
    const { name, uid, parallelism, maxParallelism, slotSharingGroup } = node
    const refuse = (problem: string): never => {
      throw new SluiceError('GRAPH_INVALID', `operator "${name}": ${problem}`)
    }
    if (uid !== null && !TOKEN_PATTERN.test(uid)) {
      refuse(`uid ${JSON.stringify(uid)} must be 1 to 64 characters out of letters, digits, '_', '-'`)
    }
    const twin = uid === null ? undefined : this.nodes.find((other) => other.uid === uid)
    if (twin !== undefined)
      refuse(`uid "${uid}" is taken by operator "${twin.name}"; uids must be unique in a job`)
    if (!TOKEN_PATTERN.test(slotSharingGroup))
      refuse(`slot sharing group ${JSON.stringify(slotSharingGroup)} is not a name`)
    if (!Number.isInteger(parallelism) || parallelism < 1)
      refuse(`parallelism must be a positive integer, found ${parallelism}`)
    const limit = maxParallelism ?? MAX_PARALLELISM_LIMIT
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PARALLELISM_LIMIT) {
      refuse(`max parallelism must be an integer between 1 and ${MAX_PARALLELISM_LIMIT}, found ${limit}`)
    }
    if (parallelism > limit) refuse(`parallelism ${parallelism} is above max parallelism ${limit}`)
  }
}
