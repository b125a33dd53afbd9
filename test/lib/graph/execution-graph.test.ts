import fc from 'fast-check'
import t from 'tap'
import {
  type ChannelPlan,
  type Placement,
  planSlot,
  type SlotLocation,
} from '../../../lib/graph/execution-graph.ts'
import type { JobGraph } from '../../../lib/graph/job-graph.ts'
import { graphOf, numbers } from '../../support/build-graph.ts'

interface Shape {
  readonly parallelism: readonly number[]
  readonly exchange: 'auto' | 'nats'
  readonly slotCount: number
  readonly nodeCount: number
}

const size = fc.integer({ min: 1, max: 5 })
const shape: fc.Arbitrary<Shape> = fc.record({
  parallelism: fc.array(size, { minLength: 5, maxLength: 5 }),
  exchange: fc.constantFrom('auto' as const, 'nats' as const),
  slotCount: fc.integer({ min: 1, max: 3 }),
  nodeCount: fc.integer({ min: 1, max: 3 }),
})

/** A graph with every kind of edge. */
function graphWith([a, b, c, d, e]: readonly number[]): JobGraph {
  return graphOf((env) => {
    const first = env.source(numbers(1), { parallelism: a! })
    const second = env.source(numbers(2), { parallelism: b! })
    const joined = first
      .rescale()
      .union(second.shuffle())
      .map((n) => n, { parallelism: c! })
    const keyed = joined.keyBy((n) => n).reduce((x) => x, { parallelism: d! })
    keyed
      .connect(second.broadcast())
      .process({ processElement() {}, processBroadcastElement() {} }, { parallelism: e! })
      .map((n) => n, { parallelism: e! })
      .print({ parallelism: e!, startNewChain: true })
  })
}

function place(
  graph: JobGraph,
  { slotCount, nodeCount }: Shape,
): { placement: Placement; slots: SlotLocation[] } {
  const slots = Array.from({ length: slotCount * nodeCount }, (_, i) => ({
    node: `n${i % nodeCount}`,
    slot: Math.floor(i / nodeCount),
  }))
  const placement = Object.fromEntries(
    graph.vertices.map(({ id, parallelism }) => [
      id,
      Array.from({ length: parallelism }, (_, i) => slots[i % slots.length]!),
    ]),
  )
  return { placement, slots }
}

const idOf = ({ edge, from, to }: ChannelPlan): string => `${edge.id} ${from} ${to}`

t.test(
  'execution graph - each subtask is planned once, each channel at both ends with one carrier',
  async (t) => {
    const property = fc.property(shape, (shape) => {
      const graph = graphWith(shape.parallelism)
      const { placement, slots } = place(graph, shape)
      const plans = slots.flatMap((slot) => planSlot(graph, placement, slot, shape.exchange))
      const subtasks = plans.map(({ vertex, index }) => `${vertex.id} ${index}`)
      const total = graph.vertices.reduce((sum, { parallelism }) => sum + parallelism, 0)
      if (new Set(subtasks).size !== total || subtasks.length !== total) return false
      const carriersOf = (channels: ChannelPlan[]) =>
        channels.map((channel) => `${idOf(channel)} ${channel.carrier}`).sort()
      const inputs = carriersOf(plans.flatMap((plan) => plan.inputs))
      const outputs = carriersOf(plans.flatMap((plan) => plan.outputs))
      return new Set(inputs).size === inputs.length && inputs.join() === outputs.join()
    })
    t.doesNotThrow(() => fc.assert(property, { numRuns: 100, seed: 1 }))
  },
)

t.test('execution graph - a channel goes by the shortest way that is allowed', async (t) => {
  const graph = graphOf((env) => {
    env
      .source(numbers(1), { parallelism: 3 })
      .rebalance()
      .map((n) => n, { parallelism: 1 })
  })
  const [source, map] = graph.vertices
  const here = { node: 'n1', slot: 0 }
  const placement = {
    [source!.id]: [here, { node: 'n1', slot: 1 }, { node: 'n2', slot: 0 }],
    [map!.id]: [here],
  }
  const carriers = (exchange: 'auto' | 'nats') =>
    planSlot(graph, placement, here, exchange).find(({ vertex }) => vertex.id === map!.id)!.inputs
  t.same(
    carriers('auto').map(({ from, carrier, peer }) => [from, carrier, peer.node, peer.slot]),
    [
      [0, 'local', 'n1', 0],
      [1, 'thread', 'n1', 1],
      [2, 'bus', 'n2', 0],
    ],
  )
  t.same(
    carriers('nats').map(({ carrier }) => carrier),
    ['bus', 'bus', 'bus'],
  )
  t.same(planSlot(graph, placement, { node: 'n2', slot: 1 }, 'auto'), [])
})
