/** Pair cases of key groups, chaining and slots. */
import { type Key, keyHash, murmurHash } from '../../lib/base/hash.ts'
import { type ChainEdge, chainsOf, type EdgeProperties, isChainable } from '../../lib/graph/chaining.ts'
import { requiredSlots } from '../../lib/graph/job-graph.ts'
import type { ChainingStrategy } from '../../lib/graph/stream-graph.ts'
import type { PartitionerKind } from '../../lib/network/partitioner.ts'
import { spreadOut } from '../../lib/scheduler/slot-ledger.ts'
import {
  defaultMaxParallelism,
  intersectKeyGroups,
  keyGroupOf,
  keyGroupRange,
  subtaskOfKeyGroup,
} from '../../lib/state/key-group.ts'
import { CaseError, checkFields, type Json, type JsonObject, numberOf, stringOf } from './case.ts'
import { functionsAdapter } from './pair-functions.ts'

type Range = readonly [number, number]

export const keyGroupsAdapter = functionsAdapter({
  'key-group-range': () => (input: JsonObject) => {
    const range = keyGroupRange(
      numberOf(input, 'maxParallelism'),
      numberOf(input, 'parallelism'),
      numberOf(input, 'index'),
    )
    return [range.first, range.last]
  },
  'operator-for-key-group': () => (input: JsonObject) =>
    subtaskOfKeyGroup(
      numberOf(input, 'maxParallelism'),
      numberOf(input, 'parallelism'),
      numberOf(input, 'keyGroup'),
    ),
  'default-max-parallelism': () => (input: JsonObject) =>
    defaultMaxParallelism(numberOf(input, 'parallelism')),
  'key-group-range-intersection': () => (input: JsonObject) => {
    const [a, b] = [input.a as Range, input.b as Range]
    const both = intersectKeyGroups({ first: a[0], last: a[1] }, { first: b[0], last: b[1] })
    return both === null ? null : [both.first, both.last]
  },
  'flink-hash': () => (input: JsonObject) => {
    const hash = numberOf(input, 'hash')
    return { murmur: murmurHash(hash), keyGroup: keyGroupOf(hash, numberOf(input, 'maxParallelism')) }
  },
  'flink-hash-string': () => (input: JsonObject) => {
    const maxParallelism = numberOf(input, 'maxParallelism')
    const keyGroup = keyGroupOf(input.key as Key, maxParallelism)
    const operatorIndex = subtaskOfKeyGroup(maxParallelism, numberOf(input, 'parallelism'), keyGroup)
    return { hash: keyHash(input.key as Key), keyGroup, operatorIndex }
  },
})

const STRATEGIES: readonly string[] = ['always', 'head', 'head-with-sources', 'never']
const PARTITIONERS: readonly string[] = [
  'forward',
  'hash',
  'rebalance',
  'rescale',
  'shuffle',
  'broadcast',
  'global',
  'custom',
]

export const chainingAdapter = functionsAdapter({
  'is-chainable': () => (input: JsonObject) => isChainable(edgeOf(input)),
  chains: () => (input: JsonObject) => chains(input),
})

function edgeOf(input: JsonObject): EdgeProperties {
  return {
    isChainingEnabled: input.chainingEnabled === true,
    isSameSlotGroup: input.sameSlotGroup === true,
    partitioner: oneOf(PARTITIONERS, input.partitioner) as PartitionerKind,
    exchange: oneOf(['undefined', 'pipelined', 'batch'], input.exchange) as EdgeProperties['exchange'],
    upStrategy: oneOf(STRATEGIES, input.upStrategy) as ChainingStrategy,
    downStrategy: oneOf(STRATEGIES, input.downStrategy) as ChainingStrategy,
    upParallelism: numberOf(input, 'upParallelism'),
    downParallelism: numberOf(input, 'downParallelism'),
    downInEdges: numberOf(input, 'downInEdges'),
    upIsSource: input.upIsSource === true,
  }
}

/** Chains as sorted lists of sorted ids: which operators belong together is what a case says. */
function chains(input: JsonObject): Json {
  checkFields(input, 'graph', ['nodes', 'edges', 'chainingEnabled'])
  const nodes = new Map((input.nodes as JsonObject[]).map((node) => [stringOf(node, 'id'), node]))
  const edges = (input.edges as JsonObject[]).map((edge) => ({ ...edge, ...endsOf(edge) }))
  const inEdges = (id: string) => edges.filter(({ to }) => to === id).length
  const chainable = edges.filter((edge) => {
    const [up, down] = [nodeOf(nodes, edge.from), nodeOf(nodes, edge.to)]
    return isChainable(edgeBetween(input, edge, up, down, inEdges(edge.to)))
  })
  const found = chainsOf(
    [...nodes.keys()].map((id) => ({ id })),
    chainable,
  )
  return found.map((chain) => [...chain].sort()).sort((a, b) => (a[0]! < b[0]! ? -1 : 1))
}

function edgeBetween(
  input: JsonObject,
  edge: JsonObject,
  up: JsonObject,
  down: JsonObject,
  downInEdges: number,
): EdgeProperties {
  checkFields(edge, 'edge', ['from', 'to', 'partitioner'])
  return edgeOf({
    chainingEnabled: input.chainingEnabled !== false,
    sameSlotGroup: (up.group ?? 'default') === (down.group ?? 'default'),
    partitioner: edge.partitioner ?? 'forward',
    exchange: 'undefined',
    upStrategy: up.strategy ?? 'always',
    downStrategy: down.strategy ?? 'always',
    upParallelism: numberOf(up, 'parallelism'),
    downParallelism: numberOf(down, 'parallelism'),
    downInEdges,
    upIsSource: up.source === true,
  })
}

function endsOf(edge: JsonObject): ChainEdge {
  return { from: stringOf(edge, 'from'), to: stringOf(edge, 'to') }
}

function nodeOf(nodes: ReadonlyMap<string, JsonObject>, id: string): JsonObject {
  const node = nodes.get(id)
  if (node === undefined) throw new CaseError(`edge to or from unknown node ${id}`)
  checkFields(node, 'node', ['id', 'parallelism', 'source', 'strategy', 'group'])
  return node
}

function oneOf(known: readonly string[], value: Json | undefined): string {
  if (typeof value === 'string' && known.includes(value)) return value
  throw new CaseError(`expected one of ${known.join(', ')}, found ${JSON.stringify(value)}`)
}

export const slotsAdapter = functionsAdapter({
  'required-slots': () => (input: JsonObject) => {
    const vertices = (input.vertices as JsonObject[]).map((vertex) => ({
      slotSharingGroup: stringOf(vertex, 'group'),
      parallelism: numberOf(vertex, 'parallelism'),
    }))
    return [...requiredSlots(vertices).values()].reduce((sum, count) => sum + count, 0)
  },
  'spread-out': () => (input: JsonObject) =>
    spreadOut(numberOf(input, 'taskManagers'), numberOf(input, 'slotsEach'), numberOf(input, 'request')),
})
