import t from 'tap'
import { runLocal } from '../../actors/run-local.ts'
import { job } from '../../lib/api/job.ts'
import { generator } from '../../lib/connectors/generator.ts'
import { listSink } from './virtual-jobs.ts'

t.test('run local - resolves with what a job did when it has finished', async (t) => {
  const list: string[] = []
  const definition = job('small', (env) => {
    env
      .source(generator({ count: 100, generate: (i) => i }))
      .keyBy((n) => n % 7)
      .reduce((a, b) => a + b)
      .sinkTo(listSink(list))
  })
  const { state, name, vertices } = await runLocal(definition, { parallelism: 2, args: ['x'] })
  t.equal(state, 'finished')
  t.equal(name, 'small')
  t.equal(list.length, 100)
  t.equal(vertices[0]!.parallelism, 2)
})

t.test('run local - rejects with the error of a job that failed', async (t) => {
  const definition = job('broken', (env) => {
    env.source(generator({ count: 5, generate: (i) => i })).map(
      (n: number): number => {
        throw new TypeError(`no ${n}`)
      },
      { name: 'picky' },
    )
  })
  await t.rejects(runLocal(definition), {
    code: 'USER_FUNCTION_FAILED',
    message: /^operator "picky" .*, subtask 1 of 1, record 1 of the source: no 0$/,
  })
  await t.rejects(runLocal(job('empty', () => {})), { code: 'GRAPH_INVALID' })
})

t.test('run local - ends an endless job when it is told to', async (t) => {
  const definition = job('endless', (env) => {
    env.source(generator({ generate: (i) => i, ratePerSecond: 100 })).filter(() => false)
  })
  const controller = new AbortController()
  let progress = 0
  const run = runLocal(definition, {
    signal: controller.signal,
    onProgress: ({ state }) => {
      progress++
      if (state === 'running') controller.abort()
    },
  })
  await t.rejects(run, { code: 'JOB_CANCELLED' })
  t.ok(progress > 0)
  await t.rejects(runLocal(definition, { signal: AbortSignal.abort() }), { code: 'JOB_CANCELLED' })
})

t.test('run local - with several slots a module runs in threads', async (t) => {
  const { state, vertices } = await runLocal(new URL('../fixtures/jobs/threads.ts', import.meta.url), {
    parallelism: 2,
  })
  t.equal(state, 'finished')
  const last = vertices.at(-1)!.subtasks
  t.equal(
    last.reduce((sum, { metrics }) => sum + metrics!.recordsIn, 0),
    2000,
  )
  t.ok(last.every(({ metrics }) => metrics!.recordsIn > 0))
  const threads = new Set(
    last.flatMap(({ metrics }) =>
      Object.entries(metrics!.operators)
        .filter(([name]) => name.endsWith('.thread'))
        .map(([, id]) => id),
    ),
  )
  t.equal(threads.size, 2)
})
