import t from 'tap'
import { buildJob, graphSettings, isJobDefinition, job } from '../../../lib/api/job.ts'
import { forgetJob, importJob, registeredJob, registerJob } from '../../../lib/api/load-job.ts'
import { numbers, SETTINGS } from '../../support/build-graph.ts'

const jobUrl = new URL('../../../lib/api/job.ts', import.meta.url).href
const moduleOf = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`

t.test('job - needs a name, and a function that is done when it returns', async (t) => {
  for (const name of ['', '   ', 'x'.repeat(101), undefined]) {
    t.throws(() => job(name as string, () => {}), { code: 'GRAPH_INVALID', message: /needs a name/ })
  }
  const late = job('late', async () => {})
  t.throws(() => buildJob(late, SETTINGS), { code: 'GRAPH_INVALID', message: /"late" must be synchronous/ })
  const failing = job('failing', async () => {
    throw new Error('nobody awaits this')
  })
  t.throws(() => buildJob(failing, SETTINGS), { code: 'GRAPH_INVALID' })
  // Were the promise's error unhandled, it would surface here.
  await new Promise((resolve) => setImmediate(resolve))
})

t.test('job - is called with its environment each time it is built', async (t) => {
  const seen: unknown[] = []
  const definition = job('args', (env) => {
    seen.push(env.args)
    env.source(numbers(1)).print()
  })
  t.ok(isJobDefinition(definition))
  const first = buildJob(definition, { ...SETTINGS, args: ['a'] })
  const second = buildJob(definition, { ...SETTINGS, args: ['b'] })
  t.same(seen, [['a'], ['b']])
  t.equal(first.graph.fingerprint, second.graph.fingerprint)
  t.notOk(isJobDefinition({ name: 'args', build() {} }))
})

t.test('job - what it says of itself gives way to what the run says', async (t) => {
  const definition = job('settings', () => {}, { parallelism: 3, maxParallelism: 300, chaining: false })
  t.same(graphSettings(definition, {}), {
    parallelism: 3,
    maxParallelism: 300,
    isChainingEnabled: false,
    args: [],
  })
  t.match(graphSettings(definition, { parallelism: 5, maxParallelism: 50 }, ['x']), {
    parallelism: 5,
    maxParallelism: 50,
    args: ['x'],
  })
  t.match(
    graphSettings(
      job('plain', () => {}),
      {},
    ),
    { parallelism: 1, maxParallelism: null, isChainingEnabled: true },
  )
})

t.test('job - is found in a module by its default export', async (t) => {
  const found = await importJob(
    moduleOf(`import { job } from '${jobUrl}'; export default job('found', () => {})`),
  )
  t.equal(found.name, 'found')
  const refuse = async (code: string, message: RegExp) =>
    t.rejects(importJob(moduleOf(code), 'jobs/mine.ts'), { code: 'JOB_MODULE_INVALID', message })
  await refuse(
    `import { job } from '${jobUrl}'; export const mine = job('x', () => {})`,
    /mine\.ts.*found the job as `mine`/,
  )
  await refuse('export const x = 1', /no default export \(exports: x\)/)
  await refuse('export {}', /no default export\./)
  await refuse('export default 5', /default export of type number/)
  await t.rejects(importJob(moduleOf('throw new Error("at import")'), 'jobs/mine.ts'), {
    code: 'JOB_MODULE_FAILED',
    message: /jobs\/mine\.ts.*at import/,
  })
})

t.test('job - can be registered in a process for a while', async (t) => {
  const definition = job('registered', () => {})
  const key = registerJob(definition)
  t.not(registerJob(definition), key)
  t.equal(registeredJob(key), definition)
  forgetJob(key)
  t.throws(() => registeredJob(key), { code: 'JOB_MODULE_FAILED' })
})
