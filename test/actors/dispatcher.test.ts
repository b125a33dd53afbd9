import t from 'tap'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { generator } from '../../lib/connectors/generator.ts'
import { VirtualCluster } from './virtual-jobs.ts'

const short = (env: StreamEnvironment) => {
  env.source(generator({ count: 1, generate: (i) => i })).filter(() => false)
}
const endless = (env: StreamEnvironment) => {
  env.source(generator({ generate: (i) => i, ratePerSecond: 10 })).filter(() => false)
}

t.test('dispatcher - finds a job by its id, the beginning of it, or its name', async (t) => {
  const cluster = await VirtualCluster.start(3)
  const describe = async (reference: string) => (await cluster.run(cluster.client.describe(reference))).jobId
  const words = await cluster.submit(endless, { name: 'words' })
  const other = await cluster.submit(endless, { name: 'other' })
  t.equal(await describe(words), words)
  t.equal(await describe('words'), words)
  t.equal(await describe('job-1'), other)
  await t.rejects(describe('job-'), {
    code: 'USAGE',
    message: `"job-" fits several jobs: ${words}, ${other}; say which by its id`,
  })
  await t.rejects(describe('word'), {
    code: 'JOB_NOT_FOUND',
    message: 'there is no job "word". Did you mean "words"?',
  })
  await cluster.close()
})

t.test('dispatcher - of several jobs of one name the one that runs is meant, else the last', async (t) => {
  const cluster = await VirtualCluster.start(2)
  const describe = async (reference: string) => (await cluster.run(cluster.client.describe(reference))).jobId
  const ids: string[] = []
  for (let i = 0; i < 2; i++) {
    ids.push(await cluster.submit(short, { name: 'daily' }))
    await cluster.waitForEnd(ids[i]!)
  }
  t.equal(await describe('daily'), ids[1])
  const running = await cluster.submit(endless, { name: 'daily' })
  t.equal(await describe('daily'), running)
  await cluster.submit(endless, { name: 'daily' })
  await t.rejects(describe('daily'), { code: 'USAGE', message: /fits several jobs/ })
  t.same(
    (await cluster.run(cluster.client.jobs())).map(({ name, state }) => [name, state]),
    [
      ['daily', 'finished'],
      ['daily', 'finished'],
      ['daily', 'running'],
      ['daily', 'running'],
    ],
  )
  await cluster.close()
})

t.test('dispatcher - forgets jobs that ended long ago, never one that runs', async (t) => {
  const cluster = await VirtualCluster.start(2)
  const running = await cluster.submit(endless, { name: 'running' })
  for (let i = 0; i < 102; i++) await cluster.waitForEnd(await cluster.submit(short, { name: `short ${i}` }))
  const jobs = await cluster.run(cluster.client.jobs())
  t.equal(jobs.length, 101)
  t.equal(jobs[0]!.jobId, running)
  t.equal(jobs[1]!.name, 'short 2')
  await t.rejects(cluster.run(cluster.client.describe('short 0')), { code: 'JOB_NOT_FOUND' })
  await cluster.close()
})

t.test('dispatcher - a job handed in twice is one job', async (t) => {
  const cluster = await VirtualCluster.start(1)
  const id = await cluster.submit(endless)
  const { graph } = await cluster.run(cluster.client.describe(id))
  await cluster.run(
    cluster.client.submit({
      jobId: id,
      graph,
      module: { kind: 'registered', key: '' },
      settings: {} as never,
    }),
  )
  t.equal((await cluster.run(cluster.client.jobs())).length, 1)
  await cluster.close()
})
