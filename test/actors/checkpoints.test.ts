/** What people do with the checkpoints of a job: look at them, ask for one, keep them, go on from one. */
import t, { type Test } from 'tap'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import type { ClaimMode } from '../../lib/checkpoint/checkpoint-settings.ts'
import { generator } from '../../lib/connectors/generator.ts'
import { t as types } from '../../lib/types/t.ts'
import { Table, transactionalSink } from './transactional-sink.ts'
import { virtualCheckpoint as checkpoint, VirtualCluster } from './virtual-jobs.ts'

const COUNT = 2000

function totals(table: Table) {
  return (env: StreamEnvironment) => {
    env
      .source(generator({ count: COUNT, ratePerSecond: 1000, type: types.int64, generate: (n) => n }), {
        uid: 'numbers',
      })
      .keyBy((n) => n % 20)
      .reduce((a, b) => a + b, { uid: 'sum' })
      .map((sum) => `${sum}`, { uid: 'text' })
      .sinkTo(transactionalSink(table), { uid: 'out' })
  }
}

const undisturbed = new Table()
const retaining = { ...checkpoint, retainOnCancel: true }

t.before(async () => {
  const cluster = await VirtualCluster.start(1)
  await cluster.waitForEnd(await cluster.submit(totals(undisturbed), { checkpoint }))
  await cluster.close()
})

async function start(t: Test, slotCount = 2): Promise<VirtualCluster> {
  const cluster = await VirtualCluster.start(slotCount)
  t.teardown(() => cluster.close())
  return cluster
}

t.test('checkpoints - the history tells of each, and what it cost every subtask', async (t) => {
  const cluster = await start(t)
  const job = await cluster.submit(totals(new Table()), { checkpoint, parallelism: 2 })
  await cluster.clock.advance(1300)
  const { records, summary, detail } = await cluster.run(cluster.client.checkpoints(job))
  t.equal(detail, null)
  t.ok(records.length >= 5, `${records.length}`)
  t.same(summary.counts.failed, 0)
  t.equal(
    summary.lastCompleted?.checkpointId,
    records.find(({ status }) => status === 'completed')?.checkpointId,
  )
  const last = summary.lastCompleted!
  t.match(last, {
    type: 'checkpoint',
    acknowledged: 4,
    subtaskCount: 4,
    uri: `memory:/${job}/chk-${last.checkpointId}`,
  })
  t.ok(last.totalBytes > 0)
  const view = await cluster.run(cluster.client.checkpoints(job, last.checkpointId))
  t.equal(view.detail?.subtasks.length, 4)
  t.ok(
    view.detail?.subtasks.every(
      ({ totalBytes, syncMs, asyncMs }) => totalBytes > 0 && syncMs >= 0 && asyncMs >= 0,
    ),
  )
  t.equal(
    view.detail?.subtasks.reduce((sum, { totalBytes }) => sum + totalBytes, 0),
    last.totalBytes,
  )
  t.equal((await cluster.run(cluster.client.describe(job))).checkpoints?.lastCompleted?.uri, last.uri)
  t.ok(records.filter(({ status, isDiscarded }) => status === 'completed' && !isDiscarded).length <= 2)
})

t.test('checkpoints - on demand, where there is no interval', async (t) => {
  const cluster = await start(t)
  const table = new Table()
  const job = await cluster.submit(totals(table), { checkpoint: { ...checkpoint, intervalMs: null } })
  await cluster.clock.advance(500)
  const { records } = await cluster.run(cluster.client.checkpoints(job))
  t.same(records, [])
  const taken = await cluster.run(cluster.client.checkpoint(job))
  t.same(taken, { jobId: job, checkpointId: 1, uri: `memory:/${job}/chk-1` })
  t.ok(cluster.storedPaths.includes(`${job}/chk-1/meta`))
  t.equal((await cluster.waitForEnd(job)).state, 'finished')
  t.same(table.rows, undisturbed.rows)
  await t.rejects(cluster.run(cluster.client.checkpoint(job)), {
    code: 'CHECKPOINT_FAILED',
    message: 'the checkpoint was not taken: the job is not running',
  })
})

t.test(
  'checkpoints - kept when the job is cancelled, and gone on from; otherwise nothing is left',
  async (t) => {
    for (const retainOnCancel of [true, false]) {
      const cluster = await start(t)
      const table = new Table()
      const job = await cluster.submit(totals(table), { checkpoint: { ...checkpoint, retainOnCancel } })
      await cluster.clock.advance(1300)
      await cluster.run(cluster.client.cancel(job))
      const { checkpoints } = await cluster.waitForEnd(job)
      const { isDiscarded, uri } = checkpoints!.lastCompleted!
      t.equal(isDiscarded, !retainOnCancel)
      t.equal(cluster.storedPaths.length > 0, retainOnCancel)
      if (!retainOnCancel) continue
      const restore = { uri, isPartialAllowed: false }
      const second = await cluster.submit(totals(table), { checkpoint: retaining, parallelism: 2, restore })
      const { state, error } = await cluster.waitForEnd(second)
      t.equal(state, 'finished', `${error?.message}`)
      t.same(table.rows, undisturbed.rows)
    }
  },
)

for (const [retainOnFinish, left] of [
  [true, true],
  [false, false],
] as const) {
  t.test(`checkpoints - retainOnFinish ${retainOnFinish}: of a job that has finished`, async (t) => {
    const cluster = await start(t)
    const job = await cluster.submit(totals(new Table()), { checkpoint: { ...checkpoint, retainOnFinish } })
    await cluster.waitForEnd(job)
    await cluster.clock.advance(100)
    t.equal(
      cluster.storedPaths.some((path) => path.startsWith(`${job}/`)),
      left,
    )
  })
}

for (const claimMode of ['claim', 'no-claim', 'legacy'] as ClaimMode[]) {
  t.test(`checkpoints - ${claimMode}: whose it is that a job begins from`, async (t) => {
    const cluster = await start(t)
    const table = new Table()
    const first = await cluster.submit(totals(table), { checkpoint: retaining })
    await cluster.clock.advance(700)
    await cluster.run(cluster.client.cancel(first))
    const { checkpoints } = await cluster.waitForEnd(first)
    const restore = { uri: checkpoints!.lastCompleted!.uri, isPartialAllowed: false, claimMode }
    const metadata = `${restore.uri.replace('memory:/', '')}/meta`
    const second = await cluster.submit(totals(table), { checkpoint, restore })
    const completed = async () =>
      (await cluster.run(cluster.client.describe(second))).checkpoints!.counts.completed
    while ((await completed()) < 1) await cluster.clock.advance(20)
    t.ok(cluster.storedPaths.includes(metadata), 'one newer one is fewer than are kept')
    while ((await completed()) < 2) await cluster.clock.advance(20)
    await cluster.clock.advance(20)
    t.equal(cluster.storedPaths.includes(metadata), claimMode !== 'claim')
    await cluster.waitForEnd(second)
    t.equal(cluster.storedPaths.includes(metadata), claimMode !== 'claim')
    t.same(table.rows, undisturbed.rows)
  })
}

t.test('checkpoints - a claimed savepoint is deleted, and nothing that lies beside it', async (t) => {
  const cluster = await start(t)
  const table = new Table()
  const first = await cluster.submit(totals(table), { checkpoint })
  await cluster.clock.advance(300)
  const { uri: other } = await cluster.run(cluster.client.savepoint(first))
  const { uri } = await cluster.run(cluster.client.savepoint(first, { stop: 'suspend' }))
  await cluster.waitForEnd(first)
  const before = cluster.storedPaths.length
  const restore = { uri, isPartialAllowed: false, claimMode: 'claim' } as const
  const second = await cluster.submit(totals(table), { checkpoint, restore })
  t.equal((await cluster.waitForEnd(second)).state, 'finished')
  await cluster.clock.advance(100)
  t.equal(cluster.storedPaths.length, before / 2, 'the other savepoint is still there')
  const third = await cluster.submit(totals(new Table()), { checkpoint, restore: { ...restore, uri: other } })
  t.equal((await cluster.waitForEnd(third)).state, 'finished')
  t.same(table.rows, undisturbed.rows)
})
