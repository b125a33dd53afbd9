/**
 * Whole jobs that are back-pressured by a slow sink, in virtual time: unaligned checkpoints come through where aligned
 * ones do not, and whatever is restored from them, at whatever parallelism, loses and doubles nothing.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { generator } from '../../lib/connectors/generator.ts'
import type { Sink } from '../../lib/function/sink.ts'
import { t as types } from '../../lib/types/t.ts'
import { runs } from '../lib/types/schema-arbitrary.ts'
import { Count } from '../simulation/job-functions.ts'
import { Table, transactionalSink } from './transactional-sink.ts'
import { VirtualCluster, virtualCheckpoint } from './virtual-jobs.ts'

const COUNT = 6000
const KEYS = 20

/** Only when asked for; kept for others to begin from. */
const checkpoint = {
  ...virtualCheckpoint,
  intervalMs: null,
  timeoutMs: 2000,
  alignmentTimeoutMs: 0,
  retainOnCancel: true,
}

interface Pace {
  /** How long the sink takes for a record; 0: no time. */
  msPerRecord: number
}

/** Takes no record before it is done with those before. */
function slowSink(table: Table, pace: Pace): Sink<string> {
  const inner = transactionalSink(table)
  return {
    ...inner,
    createWriter(context, restored) {
      let owedMs = 0
      const writer = inner.createWriter(context, restored as never[])
      return {
        ...writer,
        write(value, at) {
          owedMs += pace.msPerRecord
          writer.write(value, at)
        },
        whenReady() {
          const waitMs = owedMs
          owedMs = 0
          return waitMs === 0 ? undefined : new Promise((resolve) => context.clock.schedule(waitMs, resolve))
        },
      }
    },
  } as Sink<string>
}

/** Records through edges of several kinds; each comes out once, numbered within its key. */
function numbering(table: Table, pace: Pace) {
  return (env: StreamEnvironment) => {
    env
      .source(generator({ count: COUNT, type: types.int64, generate: (n) => n }), { uid: 'numbers' })
      .rebalance()
      .map((n) => n, { uid: 'dealt', type: types.int64 })
      .keyBy((n) => n % KEYS)
      .process(new Count(), { uid: 'numbered', type: types.string })
      .partitionCustom((text, subtaskCount) => text.length % subtaskCount)
      .map((text) => text, { uid: 'text', type: types.string })
      .rebalance()
      .sinkTo(slowSink(table, pace), { uid: 'out' })
  }
}

const EXPECTED = Array.from({ length: COUNT }, (_, n) => {
  const count = Math.floor(n / KEYS) + 1
  return `${n % KEYS} ${count}=${count}`
}).sort()

const START = { slotCount: 4, task: { frameBytes: 256 } } as const

interface Course {
  readonly exchange: 'auto' | 'nats'
  readonly parallelism: number
  readonly atMs: number
  readonly afterwards: number
  readonly alignmentTimeoutMs: number
}

/** Takes a checkpoint in the middle, goes on from it at another parallelism; the data that was in flight, in bytes. */
async function changeCourse({
  exchange,
  parallelism,
  atMs,
  afterwards,
  alignmentTimeoutMs,
}: Course): Promise<number> {
  const cluster = await VirtualCluster.start(START.slotCount)
  try {
    const table = new Table()
    const pace = { msPerRecord: 3 }
    const options = { checkpoint: { ...checkpoint, alignmentTimeoutMs }, exchange, task: START.task }
    const first = await cluster.submit(numbering(table, pace), { ...options, parallelism })
    await cluster.clock.advance(atMs)
    const { uri, checkpointId } = await cluster.run(cluster.client.checkpoint(first))
    const { detail } = await cluster.run(cluster.client.checkpoints(first, checkpointId))
    await cluster.clock.advance(10)
    await cluster.run(cluster.client.cancel(first))
    await cluster.waitForEnd(first)
    pace.msPerRecord = 0
    const restore = { uri, isPartialAllowed: false }
    const second = await cluster.submit(numbering(table, pace), {
      ...options,
      parallelism: afterwards,
      restore,
    })
    const { state, error } = await cluster.waitForEnd(second)
    assert.equal(state, 'finished', error?.message)
    assert.deepEqual(table.rows, EXPECTED)
    return detail!.subtasks.reduce((sum, { channelBytes }) => sum + channelBytes, 0)
  } finally {
    await cluster.close()
  }
}

t.test(
  'unaligned - under back pressure a barrier that waits in line is late, one that overtakes is not',
  async (t) => {
    for (const [alignmentTimeoutMs, isInTime] of [
      [null, false],
      [0, true],
      [100, true],
    ] as const) {
      const cluster = await VirtualCluster.start(START.slotCount)
      t.teardown(() => cluster.close())
      const job = await cluster.submit(numbering(new Table(), { msPerRecord: 20 }), {
        checkpoint: { ...checkpoint, alignmentTimeoutMs, tolerableFailures: 100 },
        parallelism: 2,
        task: START.task,
      })
      await cluster.clock.advance(1000)
      const taken = cluster.run(cluster.client.checkpoint(job))
      if (!isInTime) await t.rejects(taken, { code: 'CHECKPOINT_FAILED' })
      else {
        const { checkpointId } = await taken
        const { detail } = await cluster.run(cluster.client.checkpoints(job, checkpointId))
        t.ok(detail!.subtasks.some(({ isUnaligned, channelBytes }) => isUnaligned && channelBytes > 0))
        t.ok(
          cluster.clock.monotonic() < 1000 + 5 * alignmentTimeoutMs + 500,
          `${cluster.clock.monotonic()} ms`,
        )
      }
    }
  },
)

t.test('unaligned - nothing is lost or doubled, whatever the parallelism afterwards', async (t) => {
  let mostInFlight = 0
  const course = fc.record({
    exchange: fc.constantFrom('auto', 'nats'),
    parallelism: fc.integer({ min: 2, max: 4 }),
    atMs: fc.integer({ min: 1, max: 3000 }),
    afterwards: fc.integer({ min: 2, max: 4 }),
    alignmentTimeoutMs: fc.constantFrom(0, 0, 50),
  })
  await fc.assert(
    fc.asyncProperty(course, async (each) => {
      mostInFlight = Math.max(mostInFlight, await changeCourse(each as Course))
    }),
    runs(12),
  )
  t.ok(mostInFlight > 1000, `${mostInFlight} bytes were in flight`)
})
