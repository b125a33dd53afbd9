/** New versions of jobs, in virtual time: those that fit, those that do not, those that do not come up. */
import t, { type Test } from 'tap'
import { buildJob, graphSettings, job } from '../../lib/api/job.ts'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { CheckpointReader } from '../../lib/checkpoint/checkpoint-reader.ts'
import { placeOf } from '../../lib/checkpoint/checkpoint-storage.ts'
import { restoreProblems } from '../../lib/checkpoint/restore-problems.ts'
import { type UpgradedJob, upgradeJob } from '../../lib/client/upgrade-job.ts'
import { generator } from '../../lib/connectors/generator.ts'
import type { ListState, ValueState } from '../../lib/state/state.ts'
import { listState, valueState } from '../../lib/state/state-descriptor.ts'
import { describeMisfit } from '../../lib/state/state-misfit.ts'
import { trialOpen } from '../../lib/task/trial-open.ts'
import { t as types } from '../../lib/types/t.ts'
import type { Type } from '../../lib/types/type.ts'
import { Table, transactionalSink } from './transactional-sink.ts'
import { virtualCheckpoint as checkpoint, VirtualCluster, type VirtualJobOptions } from './virtual-jobs.ts'

const COUNT = 3000

interface Version {
  readonly total?: Type<never>
  readonly last?: Type<never>
  readonly uid?: string
  readonly extraUid?: string
  /** Throws in the function that keeps the total. */
  readonly failsAt?: number
  readonly failsInOpen?: boolean
}

/** Counts numbers by their last digit, and keeps the last three of each. */
function totals(table: Table, version: Version = {}) {
  const { uid = 'total', total = types.int64, last = types.int64 } = version
  return (env: StreamEnvironment) => {
    let sum: ValueState<number>
    let recent: ListState<number>
    let count = 0
    env
      .source(generator({ count: COUNT, ratePerSecond: 1000, type: types.int64, generate: (n) => n }), {
        uid: 'numbers',
      })
      .map((n) => n, version.extraUid === undefined ? {} : { uid: version.extraUid })
      .keyBy((n) => n % 10)
      .process(
        {
          open(context) {
            if (version.failsInOpen === true) throw new Error('cannot be opened')
            sum = context.state(valueState<number>('total', total as Type<number>))
            recent = context.state(listState<number>('last', last as Type<number>))
          },
          processElement(n, _context, out) {
            if (++count === version.failsAt) throw new Error('the new version does not work')
            sum.update((sum.value() ?? 0) + 1)
            recent.update([...recent.get(), n].slice(-3))
            // In whatever order they come, the same for all of a key.
            out.collect(`${n % 10} ${sum.value()}`)
          },
        },
        { uid, type: types.string },
      )
      .sinkTo(transactionalSink(table), { uid: 'out' })
  }
}

const undisturbed = new Table()

t.before(async () => {
  const cluster = await VirtualCluster.start(1)
  await cluster.waitForEnd(await cluster.submit(totals(undisturbed), { checkpoint }))
  await cluster.close()
})

async function start(t: Test, options: VirtualJobOptions = {}) {
  const cluster = await VirtualCluster.start(3)
  t.teardown(() => cluster.close())
  const table = new Table()
  const old = await cluster.submit(totals(table), { checkpoint, parallelism: 2, ...options })
  await cluster.clock.advance(700)
  return { cluster, table, old }
}

function upgrade(
  cluster: VirtualCluster,
  old: string,
  define: (env: StreamEnvironment) => void,
  options: VirtualJobOptions & { isPartialAllowed?: boolean; steps?: string[]; unopened?: string[] } = {},
): Promise<UpgradedJob> {
  const { isPartialAllowed = false, steps = [], unopened = [], ...jobOptions } = options
  const { graph, origin } = buildJob(job('trial', define), graphSettings(job('trial', define), jobOptions))
  const upgraded = upgradeJob({
    ...{ client: cluster.client, clock: cluster.clock, job: old, isPartialAllowed, savepointUri: null },
    stableMs: 1000,
    prepare: async () => cluster.prepare(define, { checkpoint, ...jobOptions }),
    readMetadata: async (uri) => {
      const { storageUri, folder } = placeOf(uri)
      return (await CheckpointReader.open(await cluster.openStorage(storageUri), folder)).metadata
    },
    findProblems: async (metadata) => {
      const { misfits, unopened: failed } = await trialOpen(metadata, origin.nodes)
      unopened.push(...failed)
      return [...restoreProblems(metadata, graph, isPartialAllowed), ...misfits.map(describeMisfit)]
    },
    onStep: (step) => steps.push(step),
    onProgress() {},
  })
  return cluster.run(upgraded)
}

t.test('upgrade - a version that fits goes on where the old one was, at another parallelism', async (t) => {
  const { cluster, table, old } = await start(t)
  const steps: string[] = []
  const unopened: string[] = []
  const options = { parallelism: 3, steps, unopened }
  const { jobId, previousJobId } = await upgrade(cluster, old, totals(table), options)
  t.same(steps, ['checking', 'stopping', 'starting'])
  t.same(unopened, [], 'what all of its operators declare was known beforehand')
  t.equal(previousJobId, old)
  t.equal((await cluster.run(cluster.client.describe(old))).state, 'cancelled')
  t.equal((await cluster.waitForEnd(jobId)).state, 'finished')
  t.same(table.rows, undisturbed.rows)
})

t.test('upgrade - what does not fit is listed as a whole, and the old version runs on', async (t) => {
  const { cluster, table, old } = await start(t)
  const steps: string[] = []
  const changed = totals(table, { total: types.string as Type<never>, last: types.boolean as Type<never> })
  await t.rejects(upgrade(cluster, old, changed, { parallelism: 2, steps }), {
    code: 'STATE_INCOMPATIBLE',
    details: {
      problems: [
        'uid total, state "total": was int64, is string (another kind of type)',
        'uid total, state "last", field []: was int64, is boolean (another kind of type)',
      ],
    },
  })
  const renamed = totals(table, { uid: 'other' })
  const limited = (env: StreamEnvironment) => {
    renamed(env)
    for (const node of env.graph.nodes) Object.assign(node, { maxParallelism: 64 })
  }
  await t.rejects(upgrade(cluster, old, limited, { parallelism: 2 }), {
    code: 'STATE_INCOMPATIBLE',
    message: new RegExp(
      '\\(uid numbers\\) was saved with max parallelism 128, the job has 64' +
        '.*uid total\\) is not in the job any more; it has the states "total", "last"',
    ),
  })
  t.same(steps, ['checking'])
  const { state, restarts } = await cluster.waitForEnd(old)
  t.same([state, restarts], ['finished', 0])
  t.same(table.rows, undisturbed.rows)
})

t.test('upgrade - an operator without state may come and go', async (t) => {
  const { cluster, table, old } = await start(t)
  const { jobId } = await upgrade(cluster, old, totals(table, { extraUid: 'other-map' }), { parallelism: 2 })
  t.equal((await cluster.waitForEnd(jobId)).state, 'finished')
  t.same(table.rows, undisturbed.rows)
})

for (const [what, version, restart] of [
  ['fails at a record', { failsAt: 20 }, { kind: 'none' }],
  ['fails again and again', { failsAt: 20 }, { kind: 'fixed-delay', attempts: 100, delayMs: 10 }],
] as const) {
  t.test(`upgrade - a version that ${what}: as if nothing had happened`, async (t) => {
    const { cluster, table, old } = await start(t)
    const steps: string[] = []
    const error = await upgrade(cluster, old, totals(table, version), {
      parallelism: 2,
      restart,
      steps,
    }).catch((thrown) => thrown)
    t.match(error, {
      code: 'USER_FUNCTION_FAILED',
      message:
        /^the new version did not come up: .*does not work; the old version goes on from memory:.* as job /,
    })
    t.same(steps, ['checking', 'stopping', 'starting', 'going-back'])
    t.equal((await cluster.waitForEnd(error.details.jobId)).state, 'finished')
    t.same(table.rows, undisturbed.rows)
  })
}

t.test(
  'upgrade - functions that cannot be opened where it is checked are found out in the slots',
  async (t) => {
    const { cluster, table, old } = await start(t)
    const error = await upgrade(cluster, old, totals(table, { failsInOpen: true }), { parallelism: 2 }).catch(
      (thrown) => thrown,
    )
    t.match(error.message, /cannot be opened; the old version goes on/)
    t.equal((await cluster.waitForEnd(error.details.jobId)).state, 'finished')
    t.same(table.rows, undisturbed.rows)
  },
)

t.test('upgrade - once the new version has committed, the old one is not started again', async (t) => {
  const { cluster, table, old } = await start(t)
  const define = totals(table, { failsAt: 150 })
  const slow = { ...checkpoint, intervalMs: 20 }
  const { jobId } = await upgrade(cluster, old, define, { parallelism: 2, checkpoint: slow })
  t.equal((await cluster.waitForEnd(jobId)).state, 'failed', 'it was up, and failed later')
})

t.test('upgrade - of a job that nobody knows, or that cannot be stopped', async (t) => {
  const { cluster, table, old } = await start(t)
  await t.rejects(upgrade(cluster, 'nobody', totals(table)), { code: 'JOB_NOT_FOUND' })
  await cluster.waitForEnd(old)
  await t.rejects(upgrade(cluster, old, totals(table)), { code: 'CHECKPOINT_FAILED' })
})
