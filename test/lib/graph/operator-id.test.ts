import t from 'tap'
import type { StreamEnvironment } from '../../../lib/api/stream-environment.ts'
import { blackholeSink } from '../../../lib/connectors/blackhole.ts'
import { tumbling } from '../../../lib/window/window-assigner.ts'
import { graphOf, numbers, type SETTINGS } from '../../support/build-graph.ts'

/** Ids by the name of the operator. */
function idsOf(define: (env: StreamEnvironment) => void, settings: Partial<typeof SETTINGS> = {}) {
  const { vertices } = graphOf(define, settings)
  return Object.fromEntries(vertices.flatMap(({ operators }) => operators.map(({ name, id }) => [name, id])))
}

const plain = (env: StreamEnvironment) => {
  env
    .source(numbers(1), { name: 'a' })
    .map((n) => n + 1, { name: 'b' })
    .keyBy((n) => n % 2)
    .reduce((x, y) => x + y, { name: 'c' })
    .sinkTo(blackholeSink(), { name: 'd' })
}

t.test('operator id - is the same every time', async (t) => {
  const ids = idsOf(plain)
  t.same(idsOf(plain), ids)
  t.equal(new Set(Object.values(ids)).size, 4)
  t.ok(Object.values(ids).every((id) => /^op-[0-9a-f]{12}$/.test(id)))
})

t.test('operator id - names and parallelism make no difference', async (t) => {
  const ids = Object.values(idsOf(plain))
  t.same(Object.values(idsOf(plain, { parallelism: 4, maxParallelism: 512 })), ids)
  t.same(Object.values(idsOf(plain, { isChainingEnabled: false })).sort(), [...ids].sort())
  const renamed = idsOf((env) => {
    env
      .source(numbers(1), { name: 'source' })
      .map((n) => n + 1, { name: 'map', parallelism: 3 })
      .keyBy((n) => n % 2)
      .reduce((x, y) => x + y, { name: 'reduce', parallelism: 2 })
      .sinkTo(blackholeSink(), { name: 'sink' })
  })
  t.same(Object.values(renamed), ids)
})

t.test('operator id - a change of the operation or of anything before it makes another', async (t) => {
  const ids = idsOf(plain)
  const changed = idsOf((env) => {
    env
      .source(numbers(1), { name: 'a' })
      .filter((n) => n > 0, { name: 'b' })
      .keyBy((n) => n % 2)
      .reduce((x, y) => x + y, { name: 'c' })
      .sinkTo(blackholeSink(), { name: 'd' })
  })
  t.equal(changed.a, ids.a)
  for (const name of ['b', 'c', 'd']) t.not(changed[name], ids[name])
})

t.test('operator id - twins are told apart by their order, windows by their size', async (t) => {
  const ids = idsOf((env) => {
    const source = env.source(numbers(1), { name: 'source' })
    source.map((n) => n, { name: 'first' }).sinkTo(blackholeSink(), { name: 'sink 1' })
    source.map((n) => n, { name: 'second' }).sinkTo(blackholeSink(), { name: 'sink 2' })
    const keyed = source.keyBy((n) => n)
    for (const size of ['1s', '2s']) {
      keyed.window(tumbling(size)).reduce((a) => a, { name: size })
    }
  })
  t.equal(new Set(Object.values(ids)).size, 7)
})

t.test('operator id - a uid is the id, whatever stands before it', async (t) => {
  const withUid = (isLonger: boolean) =>
    idsOf((env) => {
      const source = env.source(numbers(1))
      const stream = isLonger ? source.filter((n) => n > 0) : source
      stream
        .keyBy((n) => n % 2)
        .reduce((x, y) => x + y, { name: 'sum', uid: 'the-sum' })
        .sinkTo(blackholeSink(), { name: 'out' })
    })
  t.equal(withUid(false).sum, 'the-sum')
  t.equal(withUid(true).sum, 'the-sum')
  t.equal(withUid(true).out, withUid(false).out, 'and what follows hangs on to it')
})

t.test('operator id - the inputs of a join are not the same the other way round', async (t) => {
  const of = (isSwapped: boolean) =>
    idsOf((env) => {
      const a = env.source(numbers(1), { uid: 'a' })
      const b = env.source(numbers(2), { uid: 'b' })
      const [first, second] = isSwapped ? [b, a] : [a, b]
      first.connect(second).map({ map1: (n) => n, map2: (n) => n }, { name: 'join' })
    }).join
  t.equal(of(true), of(true))
  t.not(of(true), of(false))
})
