import t from 'tap'
import type { OperatorOptions } from '../../../lib/api/operator-options.ts'
import type { StreamEnvironment } from '../../../lib/api/stream-environment.ts'
import { blackholeSink } from '../../../lib/connectors/blackhole.ts'
import { outputTag } from '../../../lib/function/output-tag.ts'
import { requiredSlots } from '../../../lib/graph/job-graph.ts'
import { t as types } from '../../../lib/types/t.ts'
import { build, chainsOf, edgesOf, graphOf, numbers } from '../../support/build-graph.ts'

const sink = blackholeSink

function line(options: Partial<Record<'a' | 'b' | 'c', OperatorOptions<number>>>) {
  return graphOf((env) => {
    env
      .source(numbers(1), { name: 'source' })
      .map((n) => n, { name: 'a', ...options.a })
      .map((n) => n, { name: 'b', ...options.b })
      .map((n) => n, { name: 'c', ...options.c })
  })
}

t.test('job graph - what can run together is one vertex', async (t) => {
  const graph = line({})
  t.same(chainsOf(graph), [['source', 'a', 'b', 'c']])
  t.same(graph.edges, [])
  t.match(graph.vertices[0], {
    name: 'source -> a -> b -> c',
    isSource: true,
    parallelism: 1,
    maxParallelism: 128,
    slotSharingGroup: 'default',
  })
})

t.test('job graph - chains end where the user says so', async (t) => {
  t.same(chainsOf(line({ b: { startNewChain: true } })), [
    ['source', 'a'],
    ['b', 'c'],
  ])
  t.same(chainsOf(line({ b: { disableChaining: true } })), [['source', 'a'], ['b'], ['c']])
  t.same(chainsOf(line({ b: { slotSharingGroup: 'other' } })), [
    ['source', 'a'],
    ['b', 'c'],
  ])
  const unchained = graphOf((env) => env.source(numbers(1)).map((n) => n), { isChainingEnabled: false })
  t.same(chainsOf(unchained), [['collection'], ['map']])
  t.same(edgesOf(unchained), ['collection -> map: forward'])
})

t.test('job graph - chains end where records change subtask', async (t) => {
  t.same(edgesOf(line({ b: { parallelism: 2 } })), ['source -> a -> b: rebalance', 'b -> c: rebalance'])
  const define = (env: StreamEnvironment) => {
    const stream = env.source(numbers(1), { name: 's' })
    stream.rebalance().map((n) => n, { name: 'rebalanced' })
    stream.rescale().map((n) => n, { name: 'rescaled' })
    stream.shuffle().map((n) => n, { name: 'shuffled' })
    stream.broadcast().map((n) => n, { name: 'broadcast' })
    stream.global().map((n) => n, { name: 'global' })
    stream.partitionCustom((n) => n).map((n) => n, { name: 'custom' })
    stream.keyBy((n) => n).map((n) => n, { name: 'keyed' })
    stream.forward().map((n) => n, { name: 'forwarded' })
  }
  t.same(edgesOf(graphOf(define, { parallelism: 2 })), [
    's -> forwarded -> rebalanced: rebalance',
    's -> forwarded -> rescaled: rescale',
    's -> forwarded -> shuffled: shuffle',
    's -> forwarded -> broadcast: broadcast',
    's -> forwarded -> global: global',
    's -> forwarded -> custom: custom',
    's -> forwarded -> keyed: hash',
  ])
})

t.test(
  'job graph - an operator with two upstream edges begins a chain, branches stay in theirs',
  async (t) => {
    const late = outputTag('late', types.int64)
    const graph = graphOf((env) => {
      const a = env.source(numbers(1), { name: 'a' })
      const b = env.source(numbers(2), { name: 'b' })
      const union = a.union(b).map((n) => n, { name: 'union' })
      union.sideOutput(late).sinkTo(sink(), { name: 'late' })
      union.map((n) => n, { name: 'x' }).sinkTo(sink(), { name: 'out 1' })
      a.connect(b).map({ map1: (n) => n, map2: (n) => n }, { name: 'connect' })
    })
    t.same(chainsOf(graph), [['a'], ['b'], ['union', 'late', 'x', 'out 1'], ['connect']])
    const union = 'union -> late -> x -> out 1'
    t.same(edgesOf(graph), [
      `a -> ${union}: forward`,
      `b -> ${union}: forward`,
      'a -> connect: forward',
      'b -> connect: forward, input 2',
    ])
  },
)

t.test('job graph - in a chain every operator comes after the one it reads from', async (t) => {
  const { graph, origin } = build((env) => {
    const source = env.source(numbers(1), { name: '0' })
    const one = source.map((n) => n, { name: '1' })
    const two = source.map((n) => n, { name: '2' })
    two.map((n) => n, { name: '3' })
    one.map((n) => n, { name: '4' })
  })
  t.equal(graph.vertices.length, 1)
  const order = graph.vertices[0]!.operators.map(({ id }) => id)
  for (const { from, to } of origin.chained) {
    const [before, after] = [from, to].map((node) => order.indexOf(origin.operatorIds.get(node)!))
    t.ok(before! < after!)
  }
})

t.test('job graph - max parallelism holds for a whole chain', async (t) => {
  t.equal(line({ b: { maxParallelism: 64 } }).vertices[0]!.maxParallelism, 64)
  t.throws(() => line({ a: { maxParallelism: 64 }, c: { maxParallelism: 32 } }), {
    code: 'GRAPH_INVALID',
    message: /"source", "a", "b", "c" run in one chain but have different max parallelism \(64, 32\)/,
  })
  const separate = line({ a: { maxParallelism: 64 }, c: { maxParallelism: 32, startNewChain: true } })
  t.same(
    separate.vertices.map(({ maxParallelism }) => maxParallelism),
    [64, 32],
  )
  t.equal(
    graphOf((env) => env.source(numbers(1)).print(), { parallelism: 100 }).vertices[0]!.maxParallelism,
    256,
  )
})

t.test(
  'job graph - the fingerprint: the same code gives the same, any difference that matters another',
  async (t) => {
    const define = (
      options: { type?: 'int64' | 'float64'; name?: string; parallelism?: number; size?: number } = {},
    ) =>
      graphOf((env) => {
        env
          .source(numbers(1), { name: options.name ?? 'source' })
          .map((n) => n, { type: types[options.type ?? 'int64'], parallelism: options.parallelism ?? 3 })
          .keyBy((n) => n)
          .reduce((a, b) => a + b)
      }).fingerprint
    const fingerprint = define()
    t.match(fingerprint, /^[0-9a-f]{16}$/)
    t.equal(define(), fingerprint)
    t.not(define({ type: 'float64' }), fingerprint)
    t.not(define({ parallelism: 2 }), fingerprint)
    t.not(define({ name: 'other' }), fingerprint)
  },
)

t.test('job graph - slots: the greatest parallelism of each sharing group', async (t) => {
  const graph = graphOf((env) => {
    env
      .source(numbers(1), { parallelism: 2 })
      .map((n) => n, { parallelism: 5 })
      .map((n) => n, { parallelism: 3, slotSharingGroup: 'heavy' })
      .map((n) => n, { parallelism: 1 })
  })
  t.same(
    [...requiredSlots(graph.vertices)],
    [
      ['default', 5],
      ['heavy', 3],
    ],
  )
  t.equal(graph.vertices.at(-1)!.slotSharingGroup, 'heavy', 'an operator shares the slots of its input')
})

t.test('job graph - is plain data', async (t) => {
  const graph = line({ b: { startNewChain: true } })
  t.strictSame(JSON.parse(JSON.stringify(graph)), graph)
})

t.test('job graph - between single subtasks every kind of edge goes forward, and chains', async (t) => {
  const line = (parallelism: number, options: OperatorOptions<number> = {}) =>
    graphOf(
      (env) => {
        env
          .source(numbers(1))
          .keyBy((n) => n)
          .reduce((a, b) => a + b, options)
          .rebalance()
          .map((n) => n)
      },
      { parallelism },
    ).vertices.length
  t.equal(line(1), 1)
  t.equal(line(2), 3)
  t.equal(line(1, { startNewChain: true }), 2, 'but for who was told to begin one')
  t.equal(line(1, { disableChaining: true }), 3)
  t.equal(line(1, { maxParallelism: 64 }), 3, 'key groups are counted per chain')
})

t.test('job graph - a custom partitioner is asked even if there is one subtask', async (t) => {
  const graph = graphOf((env) => {
    env
      .source(numbers(1))
      .partitionCustom(() => 0)
      .map((n) => n)
  })
  t.equal(graph.vertices.length, 2)
})
