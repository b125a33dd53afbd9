/**
 * Jobs of several pipelined regions, of which one fails: it is restarted from the last checkpoint, the others go on as
 * if nothing had happened, and all leave behind what an undisturbed run does.
 */
import t from 'tap'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { generator } from '../../lib/connectors/generator.ts'
import { t as types } from '../../lib/types/t.ts'
import { Table, transactionalSink } from './transactional-sink.ts'
import { virtualCheckpoint as checkpoint, runJob, VirtualCluster } from './virtual-jobs.ts'

const COUNT = 1000
const restart = { kind: 'fixed-delay', attempts: 10, delayMs: 50 } as const

/** Throws at these records, once each. */
function failingAt(...numbers: number[]) {
  const left = new Set(numbers)
  return (n: number): boolean => left.delete(n)
}

/** Which attempts of which subtasks have been opened, and what they have seen, in order. */
class Witness {
  readonly opened: string[] = []
  readonly seen: { readonly name: string; readonly n: number; readonly atMs: number }[] = []

  /** `subtask#attempt` */
  attempts(name: string): string[] {
    const prefix = `${name}/`
    return this.opened
      .filter((each) => each.startsWith(prefix))
      .map((each) => each.slice(prefix.length))
      .sort()
  }

  /** The longest time, ms, in which nothing came by. */
  gapMs(name: string): number {
    const times = this.seen.filter((each) => each.name === name).map(({ atMs }) => atMs)
    return Math.max(...times.slice(1).map((atMs, i) => atMs - times[i]!))
  }
}

interface Parts {
  readonly a: Table
  readonly b: Table
  readonly witness: Witness
  fails(n: number): boolean
  nowMs(): number
  readonly sinkOfB?: ReturnType<typeof transactionalSink>
}

/** Two pipelines; the second fails. */
function pipelines({ a, b, witness, fails, nowMs, sinkOfB = transactionalSink(b) }: Parts) {
  return (env: StreamEnvironment) => {
    const pipeline = (name: string, sink: typeof sinkOfB, fails: (n: number) => boolean) =>
      env
        .source(generator({ count: COUNT, ratePerSecond: 500, type: types.int64, generate: (n) => n }), {
          uid: name,
        })
        .rebalance()
        .map(
          {
            open: ({ subtaskIndex, attempt }) =>
              void witness.opened.push(`${name}/${subtaskIndex}#${attempt}`),
            map: (n) => {
              witness.seen.push({ name, n, atMs: nowMs() })
              if (fails(n)) throw new Error(`record ${n} of ${name}`)
              return `${name} ${n}`
            },
          },
          { uid: `${name}-map`, type: types.string },
        )
        .sinkTo(sink, { uid: `${name}-out` })
    pipeline('a', transactionalSink(a), () => false)
    pipeline('b', sinkOfB, fails)
  }
}

const rowsOf = (name: string) => Array.from({ length: COUNT }, (_, n) => `${name} ${n}`).sort()

for (const parallelism of [1, 2]) {
  for (const exchange of ['auto', 'nats'] as const) {
    t.test(`region failover - others go on: ${parallelism} subtasks, exchange ${exchange}`, async (t) => {
      const cluster = await VirtualCluster.start(parallelism)
      t.teardown(() => cluster.close())
      const parts = { a: new Table(), b: new Table(), witness: new Witness(), fails: failingAt(500) }
      const nowMs = () => cluster.clock.monotonic()
      const id = await cluster.submit(pipelines({ ...parts, nowMs }), {
        ...{ checkpoint, restart, parallelism, exchange },
      })
      const { state, restarts, regions, notices, checkpoints } = await cluster.waitForEnd(id)
      const { a, b, witness } = parts
      t.equal(state, 'finished')
      t.equal(restarts, 1)
      t.match(regions, [{ attempt: 0 }, { attempt: 1 }])
      t.same(a.rows, rowsOf('a'))
      t.same(b.rows, rowsOf('b'))
      const subtasks = [...Array(parallelism).keys()]
      t.same(
        witness.attempts('a'),
        subtasks.map((i) => `${i}#0`),
      )
      t.same(
        witness.attempts('b'),
        subtasks.flatMap((i) => [`${i}#0`, `${i}#1`]),
      )
      t.ok(witness.gapMs('a') < 20, `nothing for ${witness.gapMs('a')} ms`)
      t.ok(witness.gapMs('b') >= restart.delayMs)
      t.equal(witness.seen.filter(({ name }) => name === 'a').length, COUNT, 'nothing is read twice')
      t.match(notices.at(-1)?.text, /^region 1 \(\d of \d+ subtasks\) failed: .*record 500 of b/)
      t.ok((checkpoints?.counts.completed ?? 0) > 4, 'checkpoints go on afterwards')
    })
  }
}

t.test('region failover - with the scope of the job, all begin anew', async (t) => {
  const parts = { a: new Table(), b: new Table(), witness: new Witness(), fails: failingAt(500) }
  const { state, restarts, regions } = await runJob(pipelines({ ...parts, nowMs: () => 0 }), {
    checkpoint,
    restart: { ...restart, scope: 'job' },
  })
  t.equal(state, 'finished')
  t.equal(restarts, 1)
  t.match(regions, [{ attempt: 1 }])
  t.same(parts.witness.attempts('a'), ['0#0', '0#1'])
  t.same(parts.a.rows, rowsOf('a'))
  t.same(parts.b.rows, rowsOf('b'))
})

t.test('region failover - a region that may not be restarted takes the job along', async (t) => {
  const parts = { a: new Table(), b: new Table(), witness: new Witness(), fails: failingAt(300, 400) }
  const { state, error, regions } = await runJob(pipelines({ ...parts, nowMs: () => 0 }), {
    checkpoint,
    restart: { ...restart, attempts: 1 },
  })
  t.equal(state, 'failed')
  t.match(error?.message, /record 400 of b/)
  t.match(regions, [
    { state: 'failed', attempt: 0 },
    { state: 'failed', attempt: 1 },
  ])
})

t.test('region failover - one region has finished before the other fails', async (t) => {
  const parts = { a: new Table(), b: new Table(), witness: new Witness(), fails: failingAt(990) }
  const define = (env: StreamEnvironment) => {
    pipelines({ ...parts, nowMs: () => 0 })(env)
    const short = generator({ count: 10, type: types.string, generate: (n) => `c ${n}` })
    env.source(short, { uid: 'c' }).sinkTo(transactionalSink(parts.a), { uid: 'c-out' })
  }
  const { state, regions } = await runJob(define, { checkpoint, restart })
  t.equal(state, 'finished')
  t.match(regions, [{ attempt: 0 }, { attempt: 1 }, { attempt: 0 }])
  t.equal(parts.a.rows.length, COUNT + 10)
  t.same(parts.b.rows, rowsOf('b'))
})

t.test('region failover - what has halted at a savepoint goes on when another region fails it', async (t) => {
  const cluster = await VirtualCluster.start(1)
  t.teardown(() => cluster.close())
  const parts = { a: new Table(), b: new Table(), witness: new Witness(), fails: () => false }
  const nowMs = () => cluster.clock.monotonic()
  let mustFail = false
  const failingSink = (): ReturnType<typeof transactionalSink> => {
    const sink = transactionalSink(parts.b)
    const createWriter: typeof sink.createWriter = (...args) => ({
      ...sink.createWriter(...args),
      flush() {
        if (!mustFail) return
        mustFail = false
        throw new Error('flush')
      },
    })
    return { ...sink, createWriter }
  }
  const id = await cluster.submit(pipelines({ ...parts, nowMs, sinkOfB: failingSink() }), {
    checkpoint,
    restart,
  })
  const hasSeen = (last: number) => parts.witness.seen.some(({ n }) => n === last)
  await cluster.clock.advanceUntil(() => hasSeen(500), 10_000)
  mustFail = true
  const stopped = cluster.client.savepoint(id, { stop: 'suspend' })
  await t.rejects(cluster.run(stopped), { code: 'CHECKPOINT_FAILED' })
  t.notOk(hasSeen(COUNT - 1))
  const { state, regions } = await cluster.waitForEnd(id)
  t.equal(state, 'finished')
  t.match(regions, [{ attempt: 0 }, { attempt: 1 }])
  t.same(parts.a.rows, rowsOf('a'))
  t.same(parts.b.rows, rowsOf('b'))
})
