/**
 * Whole jobs that fail in the middle, in virtual time: with checkpoints, what they leave behind is what an undisturbed
 * run leaves behind, whatever failed, wherever, and at whatever parallelism.
 */
import t from 'tap'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { generator } from '../../lib/connectors/generator.ts'
import { boundedOutOfOrderness } from '../../lib/time/watermark-strategy.ts'
import { t as types } from '../../lib/types/t.ts'
import { session, tumbling } from '../../lib/window/window-assigner.ts'
import { Table, transactionalSink } from './transactional-sink.ts'
import { virtualCheckpoint as checkpoint, runJob, VirtualCluster } from './virtual-jobs.ts'

const COUNT = 2000
const restart = { kind: 'fixed-delay', attempts: 10, delayMs: 50 } as const

/** Throws at these records, once each. */
function failingAt(...numbers: number[]) {
  const left = new Set(numbers)
  return (n: number): boolean => left.delete(n)
}

function windows(table: Table, fails: (n: number) => boolean) {
  return (env: StreamEnvironment) => {
    const events = env
      .source(
        generator({
          count: COUNT,
          ratePerSecond: 1000,
          type: types.object({ n: types.int64, at: types.timestamp }),
          generate: (n) => ({ n, at: n * 10 }),
        }),
        { uid: 'events', watermarks: boundedOutOfOrderness('100ms', ({ at }) => at) },
      )
      .map(
        (event) => {
          if (fails(event.n)) throw new Error(`record ${event.n}`)
          return event
        },
        { uid: 'fails' },
      )
      .keyBy(({ n }) => n % 10)
    const sum = {
      createAccumulator: () => 0,
      add: ({ n }: { n: number }, total: number) => total + n,
      merge: (a: number, b: number) => a + b,
      getResult: (total: number, window: { key: number; end: number }) =>
        `${window.key} ${window.end} ${total}`,
    }
    events
      .window(tumbling('1s'))
      .aggregate(sum, { uid: 'tumbling' })
      .sinkTo(transactionalSink(table), { uid: 'out' })
    events
      .map((event) => ({ ...event, at: event.n % 100 < 50 ? event.at : event.at - 400 }))
      .keyBy(({ n }) => n % 3)
      .window(session('25ms'))
      .aggregate(sum, { uid: 'sessions' })
      .map((text) => `session ${text}`)
      .sinkTo(transactionalSink(table), { uid: 'sessions-out' })
  }
}

const undisturbed = new Table()

t.before(async () => {
  const { state } = await runJob(
    windows(undisturbed, () => false),
    { checkpoint },
  )
  t.equal(state, 'finished')
  t.equal(undisturbed.rows.filter((row) => !row.startsWith('session')).length, 200)
})

for (const parallelism of [1, 2, 3]) {
  for (const exchange of ['auto', 'nats'] as const) {
    t.test(
      `recovery - as if nothing had happened: ${parallelism} subtasks, exchange ${exchange}`,
      async (t) => {
        const table = new Table()
        const job = windows(table, failingAt(3, 700, 701, 1600, 1990))
        const { state, restarts } = await runJob(job, { checkpoint, restart, parallelism, exchange })
        t.equal(state, 'finished')
        t.ok(restarts >= 4, 'two of the five may fail at once')
        t.same(table.rows, undisturbed.rows)
      },
    )
  }
}

t.test('recovery - without checkpoints a job begins anew', async (t) => {
  const table = new Table()
  const { state } = await runJob(windows(table, failingAt(700)), { restart, parallelism: 2 })
  t.equal(state, 'finished')
  t.same(table.rows, undisturbed.rows, 'nothing had been committed before the end')
})

t.test('recovery - at least once: nothing is lost, and no channel waits', async (t) => {
  const table = new Table()
  const fails = failingAt(900)
  const job = (env: StreamEnvironment) => {
    env
      .source(generator({ count: COUNT, ratePerSecond: 1000, generate: (n) => n }), { uid: 'numbers' })
      .map((n) => {
        if (fails(n)) throw new Error(`record ${n}`)
        return n
      })
      .keyBy((n) => n % 7)
      .map((n) => `${n}`)
      .sinkTo(transactionalSink(table), { uid: 'out' })
  }
  const settings = { ...checkpoint, mode: 'at-least-once' } as const
  const { state } = await runJob(job, { checkpoint: settings, restart, parallelism: 2 })
  t.equal(state, 'finished')
  t.equal(new Set(table.rows).size, COUNT)
})

t.test(
  'recovery - checkpoints are cleaned up when the job has finished, and kept, and no more, when it failed',
  async (t) => {
    const cluster = await VirtualCluster.start(1)
    t.teardown(() => cluster.close())
    const one = await cluster.submit(
      windows(new Table(), () => false),
      { checkpoint },
    )
    t.equal((await cluster.waitForEnd(one)).state, 'finished')
    await cluster.clock.advance(1000)
    t.same(cluster.storedPaths, [])
    const two = await cluster.submit(windows(new Table(), failingAt(1500)), { checkpoint })
    t.equal((await cluster.waitForEnd(two)).state, 'failed')
    await cluster.clock.advance(1000)
    const { checkpoints, missing, strays } = await cluster.checkpoints()
    t.equal(checkpoints.size, checkpoint.retained, [...checkpoints.keys()].join(' '))
    t.same(missing, [])
    t.same(strays, [])
  },
)
