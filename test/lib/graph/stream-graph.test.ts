import t from 'tap'
import type { OperatorOptions } from '../../../lib/api/operator-options.ts'
import { outputTag } from '../../../lib/function/output-tag.ts'
import { graphOf, numbers } from '../../support/build-graph.ts'

function withOptions(options: OperatorOptions<number>) {
  return graphOf((env) => {
    env.source(numbers(1)).map((n) => n, options)
  })
}

t.test('stream graph - uids are unique, and fit into subjects', async (t) => {
  const twins = () =>
    graphOf((env) => {
      env.source(numbers(1), { uid: 'x', name: 'first' }).map((n) => n, { uid: 'x', name: 'second' })
    })
  t.throws(twins, { code: 'GRAPH_INVALID', message: /"second".*uid "x" is taken by operator "first"/ })
  for (const uid of ['', 'a.b', 'a b', '*', 'ü', 'x'.repeat(65)]) {
    t.throws(() => withOptions({ uid }), { code: 'GRAPH_INVALID', message: /uid .* must be/ }, uid)
  }
  t.doesNotThrow(() => withOptions({ uid: 'A-b_9' }))
})

t.test('stream graph - parallelism is a positive integer within max parallelism', async (t) => {
  for (const parallelism of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(
      () => withOptions({ parallelism }),
      { code: 'GRAPH_INVALID', message: /parallelism/ },
      String(parallelism),
    )
  }
  for (const maxParallelism of [0, 32_769, 2.5]) {
    t.throws(() => withOptions({ maxParallelism }), { code: 'GRAPH_INVALID', message: /max parallelism/ })
  }
  t.throws(() => withOptions({ parallelism: 9, maxParallelism: 8 }), {
    message: /9 is above max parallelism 8/,
  })
  t.throws(
    () => graphOf((env) => env.source(numbers(1)).print(), { parallelism: 200, maxParallelism: 100 }),
    {
      code: 'GRAPH_INVALID',
    },
  )
})

t.test('stream graph - a forced forward edge keeps the parallelism', async (t) => {
  const define = (parallelism: number) => () =>
    graphOf((env) => {
      env
        .source(numbers(1))
        .forward()
        .map((n) => n, { parallelism })
    })
  t.throws(define(2), { code: 'GRAPH_INVALID', message: /"collection" forwards to "map".*\(1 and 2\)/ })
  t.doesNotThrow(define(1))
})

t.test('stream graph - slot sharing groups and output tags have names', async (t) => {
  t.throws(() => withOptions({ slotSharingGroup: 'a b' }), {
    code: 'GRAPH_INVALID',
    message: /slot sharing group/,
  })
  t.throws(() => outputTag('a b'), { code: 'GRAPH_INVALID', message: /output tag/ })
})

t.test('stream graph - a job has a source', async (t) => {
  t.throws(() => graphOf(() => {}), { code: 'GRAPH_INVALID', message: /"test" has no source/ })
})
