import t from 'tap'
import type { StreamEnvironment } from '../../../lib/api/stream-environment.ts'
import { blackholeSink } from '../../../lib/connectors/blackhole.ts'
import { outputTag } from '../../../lib/function/output-tag.ts'
import { boundedOutOfOrderness, noWatermarks } from '../../../lib/time/watermark-strategy.ts'
import { t as types } from '../../../lib/types/t.ts'
import { tumbling } from '../../../lib/window/window-assigner.ts'
import { build, chainsOf, edgesOf, graphOf, numbers } from '../../support/build-graph.ts'

const strategy = boundedOutOfOrderness<number>('1s', (n) => n)
const late = outputTag('late', types.int64)

const operations = (define: (env: StreamEnvironment) => void): string[] =>
  graphOf(define).vertices.flatMap(({ operators }) => operators.map(({ operation }) => operation))

t.test(
  'data stream - watermarks set right on a source are made there, elsewhere by an operator',
  async (t) => {
    const source = 'source(collection)'
    t.same(
      operations((env) => env.source(numbers(1)).watermarks(strategy).print()),
      [source, 'sink(print)'],
    )
    t.same(
      operations((env) => env.source(numbers(1), { watermarks: strategy }).print()),
      [source, 'sink(print)'],
    )
    const elsewhere: ((env: StreamEnvironment) => void)[] = [
      (env) => env.source(numbers(1)).watermarks(strategy).watermarks(noWatermarks()).print(),
      (env) => env.source(numbers(1), { watermarks: strategy }).watermarks(strategy).print(),
      (env) => env.source(numbers(1)).watermarks(strategy, { name: 'time' }).print(),
      (env) => env.source(numbers(1)).rebalance().watermarks(strategy).print(),
      (env) => env.source(numbers(1)).sideOutput(late).watermarks(strategy).print(),
      (env) =>
        env
          .source(numbers(1))
          .keyBy((n) => n)
          .watermarks(strategy)
          .print(),
    ]
    for (const define of elsewhere)
      t.same(operations(define), [source, 'watermarks', 'sink(print)'], String(define))
    const used = (env: StreamEnvironment) => {
      const stream = env.source(numbers(1))
      stream.map((n) => n)
      stream.watermarks(strategy).print()
    }
    t.same(operations(used), [source, 'map', 'watermarks', 'sink(print)'])
    const union = (env: StreamEnvironment) =>
      env
        .source(numbers(1))
        .union(env.source(numbers(2)))
        .watermarks(strategy)
    t.same(operations(union), [source, source, 'watermarks'])
  },
)

t.test('data stream - a side output is an edge of its own, and belongs to an operator', async (t) => {
  const graph = graphOf((env) => {
    const stream = env.source(numbers(1), { name: 's' }).map((n) => n, { name: 'm', startNewChain: true })
    stream.sideOutput(late).map((n) => n, { name: 'side', parallelism: 2 })
    stream.map((n) => n, { name: 'main', parallelism: 2 })
  })
  t.same(edgesOf(graph), ['s -> m: forward', 'm -> side: rebalance, side late', 'm -> main: rebalance'])
  const refused = { code: 'GRAPH_INVALID', message: /"late".*result of an operator/ }
  t.throws(() => graphOf((env) => env.source(numbers(1)).rebalance().sideOutput(late)), refused)
  t.throws(
    () =>
      graphOf((env) =>
        env
          .source(numbers(1))
          .keyBy((n) => n)
          .sideOutput(late),
      ),
    refused,
  )
  t.throws(() => graphOf((env) => env.source(numbers(1)).sideOutput(late).sideOutput(late)), refused)
})

t.test('data stream - a union keeps how each of its parts is distributed', async (t) => {
  const graph = graphOf((env) => {
    const a = env.source(numbers(1), { name: 'a' })
    const b = env.source(numbers(2), { name: 'b' })
    a.shuffle()
      .union(
        b.keyBy((n) => n),
        a.sideOutput(late),
        a,
      )
      .map((n) => n, { name: 'm' })
  })
  t.same(edgesOf(graph), ['a -> m: shuffle', 'b -> m: hash', 'a -> m: forward, side late', 'a -> m: forward'])
})

t.test('data stream - what is said last about the distribution counts', async (t) => {
  const graph = graphOf((env) => {
    const stream = env.source(numbers(1), { name: 's', parallelism: 2 })
    stream
      .keyBy((n) => n)
      .rebalance()
      .map((n) => n, { name: 'rebalanced' })
    stream
      .broadcast()
      .keyBy((n) => n)
      .reduce((a) => a, { name: 'keyed' })
  })
  t.same(edgesOf(graph), ['s -> rebalanced: rebalance', 's -> keyed: hash'])
})

t.test('data stream - windowAll runs in one subtask, whatever the parallelism of the job', async (t) => {
  const all = (env: StreamEnvironment) =>
    env
      .source(numbers(1))
      .windowAll(tumbling('1s'))
      .reduce((a, b) => a + b, { name: 'all' })
  const { graph, origin } = build(all, { parallelism: 4 })
  t.same(
    graph.vertices.map(({ name, parallelism }) => [name, parallelism]),
    [
      ['collection -> pre-aggregate', 4],
      ['all', 1],
    ],
  )
  t.same(edgesOf(graph), ['collection -> pre-aggregate -> all: global'])
  const node = [...origin.nodes.values()].find(({ name }) => name === 'all')!
  t.match(node.operation, /^windowAll\(tumbling\(1000ms/)
  t.equal(node.keySelectors[0]!(7 as never), 0)
  const wide = (env: StreamEnvironment) =>
    env
      .source(numbers(1))
      .windowAll(tumbling('1s'))
      .reduce((a, b) => a + b, { parallelism: 2 })
  t.throws(() => graphOf(wide), { code: 'GRAPH_INVALID', message: /windowAll.*parallelism 1, found 2/ })
  const said = (env: StreamEnvironment) =>
    env
      .source(numbers(1))
      .windowAll(tumbling('1s'))
      .reduce((a, b) => a + b, { parallelism: 1 })
  t.doesNotThrow(() => graphOf(said, { parallelism: 3 }))
})

t.test(
  'data stream - asynchronous functions are refused where records must not overtake each other',
  async (t) => {
    const later = async () => 1
    const attempts: Record<string, (env: StreamEnvironment) => void> = {
      map: (env) => env.source(numbers(1)).map(later as never),
      'map as a method': (env) => env.source(numbers(1)).map({ map: later } as never),
      filter: (env) => env.source(numbers(1)).filter(later as never),
      flatMap: (env) => env.source(numbers(1)).flatMap({ flatMap: later } as never),
      process: (env) => env.source(numbers(1)).process({ processElement: later } as never),
      keyBy: (env) => env.source(numbers(1)).keyBy(later as never),
      reduce: (env) =>
        env
          .source(numbers(1))
          .keyBy((n) => n)
          .reduce(later as never),
      'reduce as a method': (env) =>
        env
          .source(numbers(1))
          .keyBy((n) => n)
          .reduce({ reduce: later } as never),
      'keyed process': (env) =>
        env
          .source(numbers(1))
          .keyBy((n) => n)
          .process({ processElement() {}, onTimer: later } as never),
      partitionCustom: (env) => env.source(numbers(1)).partitionCustom(later as never),
      'window reduce': (env) =>
        env
          .source(numbers(1))
          .keyBy((n) => n)
          .window(tumbling('1s'))
          .reduce({ reduce: later } as never),
      'window process': (env) =>
        env
          .source(numbers(1))
          .keyBy((n) => n)
          .window(tumbling('1s'))
          .process(later as never),
      aggregate: (env) =>
        env
          .source(numbers(1))
          .keyBy((n) => n)
          .window(tumbling('1s'))
          .aggregate({ createAccumulator: () => 0, add: later, getResult: () => 0 } as never),
      'co-map': (env) => {
        const stream = env.source(numbers(1))
        stream.connect(stream).map({ map1: later, map2: () => 1 } as never)
      },
      'broadcast process': (env) => {
        const stream = env.source(numbers(1))
        stream
          .connect(stream.broadcast())
          .process({ processElement() {}, processBroadcastElement: later } as never)
      },
    }
    for (const [name, attempt] of Object.entries(attempts)) {
      t.throws(() => graphOf(attempt), { code: 'GRAPH_INVALID', message: /asynchronous/ }, name)
    }
  },
)

t.test('data stream - a stream may be used any number of times, and is never changed', async (t) => {
  const graph = graphOf((env) => {
    const stream = env.source(numbers(1), { name: 's' })
    const mapped = stream.map((n) => n, { name: 'm' })
    for (let i = 0; i < 3; i++) mapped.sinkTo(blackholeSink(), { name: `sink ${i}` })
    stream.sinkTo(blackholeSink(), { name: 'direct' })
  })
  t.same(chainsOf(graph), [['s', 'm', 'sink 0', 'sink 1', 'sink 2', 'direct']])
})

t.test('data stream - results have the type that was given, filters and reduces keep theirs', async (t) => {
  graphOf((env) => {
    const stream = env.source(numbers(1))
    t.equal(stream.type, types.int64)
    t.equal(stream.filter((n) => n > 0).type, types.int64)
    t.equal(stream.keyBy((n) => n).reduce((a) => a).type, types.int64)
    t.equal(stream.watermarks(strategy, { name: 'x' }).type, types.int64)
    t.equal(stream.map((n) => `${n}`, { type: types.string }).type, types.string)
    t.equal(stream.map((n) => `${n}`).type.schema.kind, 'any')
    t.equal(
      stream
        .keyBy((n) => n)
        .window(tumbling('1s'))
        .reduce((a) => a).type,
      types.int64,
    )
    t.equal(stream.sideOutput(outputTag('x', types.string)).type, types.string)
  })
})
