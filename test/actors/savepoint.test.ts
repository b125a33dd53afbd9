/** Savepoints of whole jobs, in virtual time: two jobs, one after the other, do what one would have done. */
import t from 'tap'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { generator } from '../../lib/connectors/generator.ts'
import { boundedOutOfOrderness } from '../../lib/time/watermark-strategy.ts'
import { t as types } from '../../lib/types/t.ts'
import { tumbling } from '../../lib/window/window-assigner.ts'
import { Table, transactionalSink } from './transactional-sink.ts'
import { virtualCheckpoint as checkpoint, VirtualCluster } from './virtual-jobs.ts'

const COUNT = 3000

const Event = types.object({ n: types.int64, at: types.timestamp })

function sums(table: Table, uid = 'sums') {
  return (env: StreamEnvironment) => {
    env
      .source(
        generator({ count: COUNT, ratePerSecond: 1000, type: Event, generate: (n) => ({ n, at: n * 10 }) }),
        { uid: 'events', watermarks: boundedOutOfOrderness('100ms', ({ at }) => at) },
      )
      .keyBy(({ n }) => n % 20)
      .window(tumbling('1s'))
      .aggregate(
        {
          createAccumulator: () => 0,
          add: ({ n }: { n: number }, total: number) => total + n,
          getResult: (total, window) => `${window.key} ${window.end} ${total}`,
        },
        { uid },
      )
      .sinkTo(transactionalSink(table), { uid: 'out' })
  }
}

const undisturbed = new Table()

t.before(async () => {
  const cluster = await VirtualCluster.start(1)
  await cluster.waitForEnd(await cluster.submit(sums(undisturbed), { checkpoint }))
  await cluster.close()
})

for (const [before, after] of [
  [1, 1],
  [1, 3],
  [3, 2],
  [2, 4],
] as const) {
  t.test(`savepoint - stopped at parallelism ${before}, gone on with at ${after}`, async (t) => {
    const cluster = await VirtualCluster.start(4)
    t.teardown(() => cluster.close())
    const table = new Table()
    const first = await cluster.submit(sums(table), { checkpoint, parallelism: before })
    await cluster.clock.advance(1234)
    const { uri } = await cluster.run(cluster.client.savepoint(first, { stop: 'suspend' }))
    t.equal((await cluster.waitForEnd(first)).state, 'cancelled')
    t.ok(table.rows.length > 0 && table.rows.length < undisturbed.rows.length)
    const restore = { uri, isPartialAllowed: false }
    const second = await cluster.submit(sums(table), { checkpoint, parallelism: after, restore })
    t.equal((await cluster.waitForEnd(second)).state, 'finished')
    t.same(table.rows, undisturbed.rows)
  })
}

t.test('savepoint - taken while the job runs on; what follows it is not in it', async (t) => {
  const cluster = await VirtualCluster.start(4)
  t.teardown(() => cluster.close())
  const first = new Table()
  const job = await cluster.submit(sums(first), { checkpoint, parallelism: 2 })
  await cluster.clock.advance(1500)
  const { uri } = await cluster.run(cluster.client.savepoint(job, { uri: 'memory:here' }))
  t.equal(uri, 'memory:here')
  t.equal((await cluster.waitForEnd(job)).state, 'finished')
  t.same(first.rows, undisturbed.rows)
  const second = new Table()
  const restore = { uri, isPartialAllowed: false }
  const branch = await cluster.submit(sums(second), { checkpoint, parallelism: 2, restore })
  t.equal((await cluster.waitForEnd(branch)).state, 'finished')
  const missing = undisturbed.rows.filter((row) => !second.rows.includes(row))
  t.ok(missing.length > 0, 'what had been committed before it is not done again')
  t.equal(second.rows.length + missing.length, undisturbed.rows.length)
})

t.test('savepoint - moved elsewhere it is still one', async (t) => {
  const cluster = await VirtualCluster.start(3)
  t.teardown(() => cluster.close())
  const table = new Table()
  const first = await cluster.submit(sums(table), { checkpoint, parallelism: 2 })
  await cluster.clock.advance(1000)
  await cluster.run(cluster.client.savepoint(first, { uri: 'memory:here', stop: 'suspend' }))
  await cluster.waitForEnd(first)
  cluster.moveStorage('memory:here', 'memory:over/there')
  const restore = { uri: 'memory:over/there', isPartialAllowed: false }
  const second = await cluster.submit(sums(table), { checkpoint, parallelism: 3, restore })
  t.equal((await cluster.waitForEnd(second)).state, 'finished')
  t.same(table.rows, undisturbed.rows)
})

t.test('savepoint - what it holds is not committed with it, or a restart would do so again', async (t) => {
  const cluster = await VirtualCluster.start(1)
  t.teardown(() => cluster.close())
  const table = new Table()
  let isFailing = false
  const job = await cluster.submit(
    (env) => {
      sums(table)(env)
      env.source(generator({ count: 30, ratePerSecond: 10, generate: (n) => n })).filter(() => {
        if (!isFailing) return false
        isFailing = false
        throw new Error('after the savepoint')
      })
    },
    {
      checkpoint: { ...checkpoint, intervalMs: 1000 },
      restart: { kind: 'fixed-delay', attempts: 1, delayMs: 0 },
    },
  )
  await cluster.clock.advance(1700)
  await cluster.run(cluster.client.savepoint(job))
  isFailing = true
  const { state, restarts } = await cluster.waitForEnd(job)
  t.same([state, restarts], ['finished', 1])
  t.same(table.rows, undisturbed.rows)
})

t.test('savepoint - drained: all windows fire before the end', async (t) => {
  const cluster = await VirtualCluster.start(2)
  t.teardown(() => cluster.close())
  const table = new Table()
  const job = await cluster.submit(sums(table), { checkpoint, parallelism: 2 })
  await cluster.clock.advance(1234)
  await cluster.run(cluster.client.savepoint(job, { stop: 'drain' }))
  await cluster.waitForEnd(job)
  const total = table.rows.reduce((sum, row) => sum + Number(row.split(' ')[2]), 0)
  const count = Math.round((1 + Math.sqrt(1 + 8 * total)) / 2)
  // Two readers take every second number each, and may be one apart.
  t.ok(count > 1000 && count < COUNT, `${count}`)
  t.ok(
    table.rows.length >
      undisturbed.rows.filter((row) => Number(row.split(' ')[1]) <= count * 10 - 1100).length,
  )
})

t.test('savepoint - what does not fit is refused, and told as a whole', async (t) => {
  const cluster = await VirtualCluster.start(2)
  t.teardown(() => cluster.close())
  const job = await cluster.submit(sums(new Table()), { checkpoint })
  await cluster.clock.advance(700)
  const { uri } = await cluster.run(cluster.client.savepoint(job, { stop: 'suspend' }))
  await cluster.waitForEnd(job)
  const restore = { uri, isPartialAllowed: false }
  const renamed = await cluster.submit(sums(new Table(), 'totals'), { checkpoint, restore })
  t.match(await cluster.waitForEnd(renamed), {
    state: 'failed',
    error: {
      code: 'STATE_INCOMPATIBLE',
      message: /uid sums\) is not in the job any more.*--allow-non-restored/,
    },
  })
  const allowed = await cluster.submit(sums(new Table(), 'totals'), {
    checkpoint,
    restore: { uri, isPartialAllowed: true },
  })
  t.equal((await cluster.waitForEnd(allowed)).state, 'finished')
  const nowhere = await cluster.submit(sums(new Table()), {
    checkpoint,
    restore: { uri: 'memory:nowhere', isPartialAllowed: false },
  })
  t.match(await cluster.waitForEnd(nowhere), { state: 'failed', error: { code: 'BLOB_NOT_FOUND' } })
})

t.test('savepoint - of a job that does not run there is none', async (t) => {
  const cluster = await VirtualCluster.start(1)
  t.teardown(() => cluster.close())
  const waiting = await cluster.submit(sums(new Table()), { checkpoint, parallelism: 2 })
  await t.rejects(cluster.run(cluster.client.savepoint(waiting)), {
    code: 'CHECKPOINT_FAILED',
    message: /not running/,
  })
  await t.rejects(cluster.run(cluster.client.savepoint('nobody')), { code: 'JOB_NOT_FOUND' })
})
