/** Asynchronous functions in whole jobs, in virtual time: full of requests, checkpointed, failed and restored. */
import t from 'tap'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { sleep } from '../../lib/base/clock.ts'
import { generator } from '../../lib/connectors/generator.ts'
import { ascendingTimestamps } from '../../lib/time/watermark-strategy.ts'
import { t as types } from '../../lib/types/t.ts'
import { tumbling } from '../../lib/window/window-assigner.ts'
import { Table, transactionalSink } from './transactional-sink.ts'
import { virtualCheckpoint as checkpoint, listSink, VirtualCluster } from './virtual-jobs.ts'

const COUNT = 600
const restart = { kind: 'fixed-delay', attempts: 10, delayMs: 50 } as const

interface Load {
  now: number
  most: number
}

/** Asks something that takes 5 to 104 ms, and counts per window what came back. */
function lookups(
  cluster: VirtualCluster,
  table: Table,
  load: Load,
  order: 'ordered' | 'unordered',
  fails = new Set<number>(),
) {
  return (env: StreamEnvironment) => {
    env
      .source(generator({ count: COUNT, ratePerSecond: 500, type: types.int64, generate: (n) => n }), {
        uid: 'numbers',
        watermarks: ascendingTimestamps((n) => n * 10),
      })
      .mapAsync(
        async (n) => {
          load.most = Math.max(load.most, ++load.now)
          await sleep(cluster.clock, 5 + ((n * 37) % 100))
          load.now--
          if (fails.delete(n)) throw new Error(`lookup ${n}`)
          return n
        },
        { uid: 'lookup', capacity: 20, order, type: types.int64 },
      )
      .keyBy((n) => n % 3)
      .window(tumbling('1s'))
      .aggregate(
        {
          createAccumulator: () => [0, 0],
          add: (n, [count, sum]) => [count! + 1, sum! + n],
          getResult: ([count, sum], { key, end }) => `${key} ${end} ${count} ${sum}`,
        },
        { uid: 'windows' },
      )
      .sinkTo(transactionalSink(table), { uid: 'out' })
  }
}

const expected: string[] = [0, 1, 2].flatMap((key) =>
  [1000, 2000, 3000, 4000, 5000, 6000].map((end) => {
    const own = [...Array(COUNT).keys()].filter((n) => n % 3 === key && n * 10 >= end - 1000 && n * 10 < end)
    return `${key} ${end} ${own.length} ${own.reduce((a, b) => a + b, 0)}`
  }),
)

for (const order of ['ordered', 'unordered'] as const) {
  for (const parallelism of [1, 2]) {
    t.test(
      `async job - ${order}, ${parallelism} subtasks: no result is late, lost or doubled by failures`,
      async (t) => {
        const cluster = await VirtualCluster.start(parallelism)
        t.teardown(() => cluster.close())
        const table = new Table()
        const job = lookups(cluster, table, { now: 0, most: 0 }, order, new Set([100, 101, 333, 597]))
        const { state, restarts } = await cluster.waitForEnd(
          await cluster.submit(job, { checkpoint, restart, parallelism }),
        )
        t.equal(state, 'finished')
        t.ok(restarts >= 3)
        t.same([...table.rows].sort(), [...expected].sort())
      },
    )
  }
}

t.test(
  'async job - checkpoints do not wait for requests, which are at most as many as the capacity',
  async (t) => {
    const cluster = await VirtualCluster.start(1)
    t.teardown(() => cluster.close())
    const list: string[] = []
    const load = { now: 0, most: 0 }
    const hanging: (() => void)[] = []
    const job = (env: StreamEnvironment) => {
      env
        .source(generator({ count: 500, ratePerSecond: 1000, type: types.int64, generate: (n) => n }))
        .mapAsync(
          (n) => {
            load.most = Math.max(load.most, ++load.now)
            return new Promise<number>((resolve) => {
              hanging.push(() => {
                load.now--
                resolve(n)
              })
            })
          },
          { capacity: 8, timeout: '1h' },
        )
        .sinkTo(listSink(list))
    }
    const jobId = await cluster.submit(job, { checkpoint })
    await cluster.clock.advance(3000)
    t.equal(load.now, 8, 'full: everybody waits')
    const taken = cluster.log.filter(({ event }) => event === 'checkpoint completed').length
    t.ok(taken > 5, `${taken} checkpoints`)
    const answering = (async () => {
      while (list.length < 500) {
        hanging.shift()?.()
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    const { state } = await cluster.waitForEnd(jobId)
    await answering
    t.equal(state, 'finished')
    t.equal(load.most, 8)
    t.same(list.map(Number), [...Array(500).keys()])
  },
)

t.test('async job - what a request rejects with is put down to its operator', async (t) => {
  const cluster = await VirtualCluster.start(1)
  t.teardown(() => cluster.close())
  const job = (env: StreamEnvironment) => {
    env
      .source(generator({ count: 10, type: types.int64, generate: (n) => n }))
      .mapAsync(
        async (n) => {
          await sleep(cluster.clock, 10)
          if (n === 7) throw new Error('no such city')
          return n
        },
        { name: 'cities', uid: 'cities' },
      )
      .sinkTo(listSink([]))
  }
  const { state, error } = await cluster.waitForEnd(await cluster.submit(job))
  t.equal(state, 'failed')
  t.match(error?.message, /operator "cities" \(uid cities\), subtask 1 of 1.*no such city/)
})
