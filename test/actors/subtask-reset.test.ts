/**
 * Jobs in which nothing is distributed anew: each subtask of their sources is a region of its own. When one fails, the
 * others go on, and the enumerator takes back from it what it has handed out to it since the checkpoint.
 */
import t from 'tap'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { generator } from '../../lib/connectors/generator.ts'
import type { Source } from '../../lib/function/source.ts'
import { t as types } from '../../lib/types/t.ts'
import { pieces } from '../simulation/pieces-source.ts'
import { Table, transactionalSink } from './transactional-sink.ts'
import { virtualCheckpoint as checkpoint, VirtualCluster, type VirtualJobOptions } from './virtual-jobs.ts'

const COUNT = 900
const restart = { kind: 'fixed-delay', attempts: 10, delayMs: 50 } as const
const ROWS = Array.from({ length: COUNT }, (_, n) => `${n}`).sort()

/** Handed out once, at the beginning: subtask s of k has every kth number. */
const ranges = () =>
  generator({
    count: COUNT,
    ratePerSecond: 600,
    type: types.int64,
    generate: (n) => n,
  }) as Source<unknown> as Source<number>
/** Handed out all the time. */
const dealt = () =>
  pieces({ count: COUNT, pieceCount: 60, recordsPerBurst: 4 }) as Source<unknown> as Source<number>

interface Run {
  readonly source: () => Source<number>
  /** The subtask and how many records it has seen when it fails, once each. */
  readonly failures: readonly (readonly [subtask: number, seen: number])[]
  readonly isChained?: boolean
}

/** What a job with a map that fails comes to, and which attempts of which subtasks were opened. */
async function run({ source, failures, isChained = true }: Run, options: VirtualJobOptions = {}) {
  const parallelism = 3
  const cluster = await VirtualCluster.start(parallelism)
  const table = new Table()
  const opened: string[] = []
  const left = new Set(failures.map(([subtask, seen]) => `${subtask} ${seen}`))
  // Run anew for each attempt of each subtask.
  const define = (env: StreamEnvironment) => {
    let subtask = -1
    let seen = 0
    const map = {
      open: ({ subtaskIndex, attempt }: { subtaskIndex: number; attempt: number }) => {
        subtask = subtaskIndex
        opened.push(`${subtaskIndex}#${attempt}`)
      },
      map: (n: number) => {
        if (left.delete(`${subtask} ${++seen}`)) throw new Error(`record ${seen} of subtask ${subtask}`)
        return `${n}`
      },
    }
    env
      .source(source(), { uid: 'source' })
      .map(map, { uid: 'map', type: types.string, startNewChain: !isChained })
      .sinkTo(transactionalSink(table), { uid: 'out' })
  }
  const id = await cluster.submit(define, { checkpoint, restart, parallelism, ...options })
  const description = await cluster.waitForEnd(id)
  await cluster.close()
  return { ...description, table, opened: opened.sort() }
}

for (const [name, source] of [
  ['handed out once', ranges],
  ['handed out all the time', dealt],
] as const) {
  for (const isChained of [true, false]) {
    const of = `splits ${name}, ${isChained ? 'one chain' : 'two chains'}`
    t.test(`subtask reset - one subtask fails, the others go on: ${of}`, async (t) => {
      const { state, restarts, regions, table, opened, notices } = await run({
        ...{ source, isChained },
        failures: [[1, 150]],
      })
      t.equal(state, 'finished')
      t.equal(restarts, 1)
      t.match(regions, [{ attempt: 0 }, { attempt: 1 }, { attempt: 0 }])
      t.same(opened, ['0#0', '1#0', '1#1', '2#0'])
      t.same(table.rows, ROWS)
      t.match(notices.at(-1)?.text, /^region 1 \(\d of \d subtasks\) failed: .*record 150 of subtask 1/)
    })

    t.test(`subtask reset - the one beside the enumerator fails, and takes all along: ${of}`, async (t) => {
      const { state, restarts, regions, table, notices } = await run({
        ...{ source, isChained },
        failures: [[0, 150]],
      })
      t.equal(state, 'finished')
      t.equal(restarts, 1, 'one failure')
      t.match(regions, [{ attempt: 1 }, { attempt: 1 }, { attempt: 1 }])
      t.same(table.rows, ROWS)
      t.equal(notices.length, 1)
    })

    t.test(`subtask reset - some fail, again and again: ${of}`, async (t) => {
      const { state, table } = await run({
        ...{ source, isChained },
        failures: [
          ...([10, 60, 90, 150] as const).map((seen) => [1, seen] as const),
          ...([50, 61] as const).map((seen) => [2, seen] as const),
          ...([110, 120] as const).map((seen) => [0, seen] as const),
        ],
      })
      t.equal(state, 'finished')
      t.same(table.rows, ROWS)
    })
  }
}

t.test('subtask reset - with the scope of the job, all begin anew', async (t) => {
  const { state, regions, table } = await run(
    { source: dealt, failures: [[1, 150]] },
    { restart: { ...restart, scope: 'job' } },
  )
  t.equal(state, 'finished')
  t.match(regions, [{ attempt: 1 }])
  t.same(table.rows, ROWS)
})

t.test('subtask reset - without a checkpoint yet it begins from the beginning', async (t) => {
  const { state, regions, table } = await run(
    { source: dealt, failures: [[2, 30]] },
    { checkpoint: { ...checkpoint, intervalMs: 60_000 } },
  )
  t.equal(state, 'finished')
  t.match(regions, [{ attempt: 0 }, { attempt: 0 }, { attempt: 1 }])
  t.same(table.rows, ROWS)
})

/** The first subtask gets nothing, and has finished long before the others. */
const unfair = (takesBack: boolean) => (): Source<number> => {
  const source = pieces({ count: COUNT, pieceCount: 60, recordsPerBurst: 4 })
  const createEnumerator: typeof source.createEnumerator = (context, restored) => {
    const enumerator = source.createEnumerator(context, restored)
    const onSplitRequest = (reader: number) =>
      reader === 0 ? context.noMoreSplits(0) : enumerator.onSplitRequest(reader)
    const addSplitsBack = () => {
      throw new Error('what is gone is gone')
    }
    return { ...enumerator, onSplitRequest, ...(takesBack ? {} : { addSplitsBack }) }
  }
  return { ...source, createEnumerator } as typeof source as Source<unknown> as Source<number>
}

t.test('subtask reset - the subtask beside the enumerator has finished, which goes on', async (t) => {
  const { state, restarts, regions, table, opened } = await run({
    source: unfair(true),
    failures: [[1, 300]],
  })
  t.equal(state, 'finished')
  t.equal(restarts, 1)
  t.match(regions, [{ attempt: 0 }, { attempt: 1 }, { attempt: 0 }])
  t.same(opened, ['0#0', '1#0', '1#1', '2#0'])
  t.same(table.rows, ROWS)
})

t.test(
  'subtask reset - an enumerator that cannot take splits back fails with all that it leads',
  async (t) => {
    const { state, restarts, regions, table, notices } = await run(
      { source: unfair(false), failures: [[1, 100]] },
      { checkpoint: { ...checkpoint, intervalMs: 60_000 } },
    )
    t.equal(state, 'finished')
    t.equal(restarts, 2)
    t.match(regions, [{ attempt: 1 }, { attempt: 2 }, { attempt: 1 }])
    t.same(table.rows, ROWS)
    t.match(notices.at(-1)?.text, /^region 0 .* in the enumerator: what is gone is gone/)
  },
)
