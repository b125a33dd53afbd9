import t from 'tap'
import type { StreamEnvironment } from '../../../lib/api/stream-environment.ts'
import type { DataStream } from '../../../lib/api/streams.ts'
import type { StreamOperator } from '../../../lib/operator/stream-operator.ts'
import { OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { build, edgesOf, numbers } from '../../support/build-graph.ts'
import { brief } from '../operator/brief.ts'

/** Which inputs of the last operator are keyed, and its edges. */
function inputsOf(define: (env: StreamEnvironment) => void) {
  const { graph, origin } = build(define, { parallelism: 2 })
  const node = [...origin.nodes.values()].at(-1)!
  return {
    isKeyed: node.keySelectors.map((keyOf) => keyOf !== null),
    edges: edgesOf(graph),
    operation: node.operation,
  }
}

const both = { map1: (n: number) => n, map2: (n: number) => n }
const processBoth = { processElement1() {}, processElement2() {} }
const byParity = (n: number) => n % 2
const twoSources = (env: StreamEnvironment) =>
  [env.source(numbers(1), { name: 'a' }), env.source(numbers(2), { name: 'b' })] as const

t.test('connected streams - plain: each input as it is distributed, no keys', async (t) => {
  const { isKeyed, edges } = inputsOf((env) => {
    const [a, b] = twoSources(env)
    a.connect(b.shuffle()).map(both, { name: 'c' })
  })
  t.same(isKeyed, [false, false])
  t.same(edges, ['a -> c: forward', 'b -> c: shuffle, input 2'])
})

t.test('connected streams - both keyed alike: one keyed state for both', async (t) => {
  for (const connect of [
    (env: StreamEnvironment) => {
      const [a, b] = twoSources(env)
      a.keyBy(byParity).connect(b.keyBy(byParity)).process(processBoth, { name: 'c' })
    },
    (env: StreamEnvironment) => {
      const [a, b] = twoSources(env)
      a.connect(b).keyBy(byParity, byParity).process(processBoth, { name: 'c' })
    },
  ]) {
    const { isKeyed, edges, operation } = inputsOf(connect)
    t.same(isKeyed, [true, true])
    t.same(edges, ['a -> c: hash', 'b -> c: hash, input 2'])
    t.equal(operation, 'keyed co-process')
  }
})

t.test('connected streams - a join; with the second stream unique, the inputs change places', async (t) => {
  const pair = (a: number, b: number) => a - b
  const joined = (unique?: 'first' | 'second') =>
    inputsOf((env) => {
      const [a, b] = twoSources(env)
      const options = { name: 'c', ...(unique === undefined ? {} : { unique }) }
      a.keyBy(byParity).connect(b.keyBy(byParity)).join(pair, options)
    })
  const edges = ['a -> c: hash', 'b -> c: hash, input 2']
  t.match(joined(), { isKeyed: [true, true], operation: 'join', edges })
  t.match(joined('first'), { isKeyed: [true, true], operation: 'join(unique)', edges })
  t.match(joined('second'), { operation: 'join(unique)', edges: ['b -> c: hash', 'a -> c: hash, input 2'] })
})

t.test(
  'connected streams - what leaves out records goes with its stream when the inputs change places',
  async (t) => {
    for (const unique of ['first', 'second'] as const) {
      const { origin } = build(
        (env) => {
          const [a, b] = twoSources(env)
          a.keyBy(byParity)
            .connect(b.keyBy(byParity))
            .join((x: number, y: number) => `${x} ${y}`, {
              unique,
              whereFirst: (x) => x < 100,
              whereSecond: (y) => y > -100,
              where: (x, y) => x + y > 0,
            })
        },
        { parallelism: 1 },
      )
      const node = [...origin.nodes.values()].at(-1)!
      const harness = await OperatorHarness.open<string>({
        operator: () => node.newOperator() as StreamOperator<string>,
        keySelectors: node.keySelectors as never,
      })
      const [first, second] = unique === 'first' ? [0, 1] : [1, 0]
      const pairs: unknown[] = []
      for (const [x, y] of [
        [2, 4],
        [101, 1],
        [1, -101],
        [4, -6],
      ] as const) {
        harness.element(x, 0, first)
        harness.element(y, 0, second)
        pairs.push(...brief(harness.takeOutput()).filter((pair) => pair === `${x} ${y}`))
      }
      t.same(pairs, ['2 4'], unique)
    }
  },
)

t.test(
  'connected streams - one keyed, one not: no keyed state, which only half the records would have a key for',
  async (t) => {
    for (const connect of [
      (env: StreamEnvironment) => {
        const [a, b] = twoSources(env)
        a.connect(b.keyBy(byParity) as DataStream<number>).map(both)
      },
      (env: StreamEnvironment) => {
        const [a, b] = twoSources(env)
        a.keyBy(byParity).connect(b).map(both)
      },
    ]) {
      t.same(inputsOf(connect).isKeyed, [false, false])
    }
  },
)

t.test(
  'connected streams - broadcast: every subtask gets the second stream, the first keeps its keys',
  async (t) => {
    const process = { processElement() {}, processBroadcastElement() {} }
    const plain = inputsOf((env) => {
      const [a, b] = twoSources(env)
      a.connect(b.broadcast()).process(process, { name: 'c' })
    })
    t.same(plain.isKeyed, [false, false])
    t.same(plain.edges, ['a -> c: forward', 'b -> c: broadcast, input 2'])
    const keyed = inputsOf((env) => {
      const [a, b] = twoSources(env)
      a.keyBy(byParity).connect(b.keyBy(byParity).broadcast()).process(process, { name: 'c' })
    })
    t.same(keyed.isKeyed, [true, false])
    t.same(keyed.edges, ['a -> c: hash', 'b -> c: broadcast, input 2'])
    t.equal(keyed.operation, 'keyed broadcast process')
  },
)
