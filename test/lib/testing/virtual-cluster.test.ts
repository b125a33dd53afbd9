import { collection, generator, job, t as types, valueState } from 'sluice'
import { collectSink, VirtualCluster } from 'sluice/testing'
import t, { type Test } from 'tap'

async function cluster(t: Test, slots = 1): Promise<VirtualCluster> {
  const started = await VirtualCluster.start({ slots })
  t.teardown(() => started.close())
  return started
}

t.test(
  'virtual cluster - a job that waits for minutes is done in a moment, unless patience ends',
  async (t) => {
    const virtual = await cluster(t)
    const rows = collectSink<string>()
    const waiting = job('waiting', (env) => {
      env
        .source(generator({ count: 8, ratePerSecond: 1 / 30, generate: (i) => i }))
        .map((i) => `${i} of 8`)
        .sinkTo(rows)
    })
    await (await virtual.submit(waiting)).waitForEnd()
    t.equal(rows.items.length, 8)
    const hasty = await VirtualCluster.start({ patience: '1m' })
    t.teardown(() => hasty.close())
    const unfinished = (await hasty.submit(waiting)).waitForEnd()
    await t.rejects(unfinished, { code: 'TIMEOUT', message: /60000 ms of virtual time/ })
  },
)

t.test('virtual cluster - what a job fails with is thrown, unless it is restarted', async (t) => {
  const virtual = await cluster(t)
  const rows = collectSink<number>()
  let hasFailed = false
  const failing = job('failing', (env) => {
    env
      .source(generator({ count: 300, ratePerSecond: 100, generate: (i) => i }))
      .map((i) => {
        if (i === 250 && !hasFailed) {
          hasFailed = true
          throw new Error('broken pipe')
        }
        return i
      })
      .sinkTo(rows)
  })
  await t.rejects((await virtual.submit(failing)).waitForEnd(), { message: /broken pipe/ })
  hasFailed = false
  const { restarts } = await (
    await virtual.submit(failing, { restarts: 1, checkpointInterval: '500ms' })
  ).waitForEnd()
  t.equal(restarts, 1)
  t.same(
    rows.items,
    Array.from({ length: 300 }, (_, i) => i),
    'each once',
  )
})

t.test('virtual cluster - a job goes on from the savepoint another was stopped with', async (t) => {
  const virtual = await cluster(t, 2)
  const rows = collectSink<string>()
  const counting = job('counting', (env) => {
    env
      .source(generator({ count: 100, ratePerSecond: 10, generate: (i) => i, type: types.int64 }), {
        uid: 'numbers',
      })
      .keyBy((i) => i % 4)
      .process<string>(
        (() => {
          let count: { value(): number | undefined; update(value: number): void }
          return {
            open(context) {
              count = context.state(valueState('count', types.int64))
            },
            processElement(_i, context, out) {
              count.update((count.value() ?? 0) + 1)
              out.collect(`${context.currentKey}: ${count.value()}`)
            },
          }
        })(),
        { uid: 'counts' },
      )
      .sinkTo(rows, { uid: 'rows' })
  })
  const first = await virtual.submit(counting)
  await virtual.advance('3s')
  t.equal((await first.describe()).state, 'running')
  const from = await first.stop()
  const taken = rows.items.length
  t.ok(taken > 10 && taken < 60, `${taken} rows before`)
  await (await virtual.submit(counting, { from, parallelism: 2 })).waitForEnd()
  const all = Array.from({ length: 100 }, (_, i) => `${i % 4}: ${Math.floor(i / 4) + 1}`)
  t.same([...rows.items].sort(), all.sort(), 'as if it had never been stopped')
})

t.test('virtual cluster - a job can be cancelled', async (t) => {
  const virtual = await cluster(t)
  const endless = job('endless', (env) => {
    env.source(generator({ ratePerSecond: 10, generate: (i) => i })).sinkTo(collectSink())
  })
  const running = await virtual.submit(endless)
  await virtual.advance('1s')
  await running.cancel()
  t.equal((await running.describe()).state, 'cancelled')
  const short = job('short', (env) => env.source(collection([1])).sinkTo(collectSink()))
  await (await virtual.submit(short)).waitForEnd()
})
