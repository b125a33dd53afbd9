import t from 'tap'
import type { StreamEnvironment } from '../../../lib/api/stream-environment.ts'
import type { KeyedStream } from '../../../lib/api/streams.ts'
import { outputTag } from '../../../lib/function/output-tag.ts'
import { ascendingTimestamps } from '../../../lib/time/watermark-strategy.ts'
import { t as types } from '../../../lib/types/t.ts'
import { countEvictor } from '../../../lib/window/evictor.ts'
import { countTrigger } from '../../../lib/window/trigger.ts'
import { session, tumbling } from '../../../lib/window/window-assigner.ts'
import { listSink, runJob } from '../../actors/virtual-jobs.ts'
import { build, edgesOf, numbers } from '../../support/build-graph.ts'

type Keyed = KeyedStream<number, number>

function lastNode(add: (left: Keyed, right: Keyed) => void) {
  const built = build(
    (env) =>
      add(
        env.source(numbers(1), { name: 'a' }).keyBy((n) => n % 2),
        env.source(numbers(2), { name: 'b' }).keyBy((n) => n % 2),
      ),
    { parallelism: 2 },
  )
  return { node: [...built.origin.nodes.values()].at(-1)!, edges: edgesOf(built.graph) }
}

t.test('joins - two keyed inputs, and an operation that says everything', async (t) => {
  const interval = lastNode((left, right) =>
    left
      .intervalJoin(right)
      .between('-5s', '1s')
      .lowerExclusive()
      .map((a, b) => a + b, { name: 'c' }),
  )
  t.same(interval.edges, ['a -> c: hash', 'b -> c: hash, input 2'])
  t.same(
    interval.node.keySelectors.map((keyOf) => keyOf !== null),
    [true, true],
  )
  t.equal(interval.node.operation, 'interval join(-4999ms to 1000ms).map')
  const join = lastNode((left, right) =>
    left
      .join(right)
      .window(tumbling('1s'))
      .trigger(countTrigger(2))
      .evictor(countEvictor(3))
      .allowedLateness('2s')
      .flatMap((a, _b, out) => out.collect(a)),
  )
  t.equal(
    join.node.operation,
    'window join(tumbling(1000ms, event time), trigger count 2, evictor count 3, lateness 2000ms).flatMap',
  )
  const group = lastNode((left, right) =>
    left
      .coGroup(right)
      .window(session('1s'))
      .process(() => {}),
  )
  t.equal(group.node.operation, 'window coGroup(session(1000ms, event time)).process')
})

t.test('joins - what cannot work is refused at once', async (t) => {
  const refuse = (message: RegExp, add: Parameters<typeof lastNode>[0]) =>
    t.throws(() => lastNode(add), { code: 'GRAPH_INVALID', message })
  const { onMerge: _, ...rigid } = countTrigger<number>(2)
  refuse(/lower bound.*5ms to 4ms/, (left, right) => left.intervalJoin(right).between(5, 4))
  refuse(/no records could meet/, (left, right) => left.intervalJoin(right).between(0, 0).lowerExclusive())
  refuse(/no records could meet/, (left, right) => left.intervalJoin(right).between(0, 0).upperExclusive())
  refuse(/session.*they merge/, (left, right) => left.join(right).window(session('1s')).trigger(rigid))
  refuse(/must not be negative/, (left, right) =>
    left.coGroup(right).window(tumbling('1s')).allowedLateness(-1),
  )
  refuse(/join needs two keyed streams/, (left, right) =>
    left.join((right as unknown as { forward(): Keyed }).forward()),
  )
  const asynchronous = (async () => 1) as never
  refuse(/asynchronous/, (left, right) => left.intervalJoin(right).between(0, 1).map(asynchronous))
  refuse(/asynchronous/, (left, right) => left.join(right).window(tumbling(1)).flatMap(asynchronous))
  refuse(/asynchronous/, (left, right) => left.coGroup(right).window(tumbling(1)).process(asynchronous))
})

type Left = { a: number }
type Right = { b: string }

/** Never called: only compiled. */
export function wrong(left: KeyedStream<string, Left>, right: KeyedStream<string, Right>): void {
  const byNumber = right.keyBy(({ b }) => b.length)
  const near = left.intervalJoin(right).between(0, 1)
  const joined = left.join(right).window(tumbling('1s'))
  const grouped = left.coGroup(right).window(tumbling('1s'))
  const pairs = left.join(right)
  // @ts-expect-error: keys of different types are never equal
  left.join(byNumber)
  // @ts-expect-error: a window comes first
  pairs.map(() => 1)
  // @ts-expect-error: no such field on the right
  near.map((_, r) => r.a)
  // @ts-expect-error: a map must not be asynchronous
  near.map(async (l) => l.a)
  // @ts-expect-error: a flatMap must not be asynchronous
  near.flatMap(async () => {})
  // @ts-expect-error: a process function must not be asynchronous
  near.process(async () => {})
  // @ts-expect-error: late records of the left are records of the left
  joined.leftLateOutput(outputTag('x', types.string))
  // @ts-expect-error: a map of joined windows must not be asynchronous
  joined.map(async (l) => l.a)
  // @ts-expect-error: a join has no groups
  joined.process(() => {})
  // @ts-expect-error: groups are lists
  grouped.process((_key, _context, l) => void l.a)
  // @ts-expect-error: a coGroup must not be asynchronous
  grouped.process(async () => {})
  // @ts-expect-error: the type of the results is another
  joined.map((l) => l.a, { type: types.string })
}

const clicks = Array.from({ length: 40 }, (_, i) => i * 3)
const views = Array.from({ length: 40 }, (_, i) => i * 4)

/** Two streams of numbers that are their own times, joined by their remainder of 3. */
function keyed(env: StreamEnvironment, values: number[]): Keyed {
  return env
    .source(numbers(...values))
    .watermarks(ascendingTimestamps((n) => n))
    .keyBy((n) => n % 3)
}

const pairs = (isPair: (a: number, b: number) => boolean): string[] =>
  clicks.flatMap((a) => views.flatMap((b) => (a % 3 === b % 3 && isPair(a, b) ? [`${a} ${b}`] : []))).sort()

t.test('joins - run in a job, at any parallelism', async (t) => {
  for (const parallelism of [1, 2, 3]) {
    const found = { interval: [] as string[], window: [] as string[], outer: [] as string[] }
    await runJob(
      (env) => {
        const [left, right] = [keyed(env, clicks), keyed(env, views)]
        left
          .intervalJoin(right)
          .between(-7, 9)
          .map((a, b) => `${a} ${b}`)
          .sinkTo(listSink(found.interval))
        left
          .join(right)
          .window(tumbling(20))
          .map((a, b) => `${a} ${b}`)
          .sinkTo(listSink(found.window))
        left
          .coGroup(right)
          .window(tumbling(20))
          .process((key, { window }, as, bs, out) => {
            if (bs.length === 0) out.collect(`${key} ${window.start} ${as.length}`)
          })
          .sinkTo(listSink(found.outer))
      },
      { parallelism },
    )
    t.same(
      found.interval.sort(),
      pairs((a, b) => b - a >= -7 && b - a <= 9),
      `interval, parallelism ${parallelism}`,
    )
    t.same(
      found.window.sort(),
      pairs((a, b) => Math.floor(a / 20) === Math.floor(b / 20)),
      'window',
    )
    const lonely = [0, 20, 40, 60, 80, 100].filter(
      (start) => !views.some((b) => b % 3 === 0 && b >= start && b < start + 20),
    )
    t.equal(found.outer.length, lonely.length)
  }
})
