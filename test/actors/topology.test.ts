/**
 * A job taken through savepoints from parallelism 2 to 3 to 1, with another graph each time: an operator added, one
 * removed, a chain broken. What comes out is what one job that was never stopped would have written.
 */
import { createHash } from 'node:crypto'
import t from 'tap'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { generator } from '../../lib/connectors/generator.ts'
import type { KeyedProcessFunction } from '../../lib/function/process-functions.ts'
import type { MapState, ValueState } from '../../lib/state/state.ts'
import { mapState, valueState } from '../../lib/state/state-descriptor.ts'
import type { TaskSettings } from '../../lib/task/task-settings.ts'
import { boundedOutOfOrderness } from '../../lib/time/watermark-strategy.ts'
import { t as types } from '../../lib/types/t.ts'
import { tumbling } from '../../lib/window/window-assigner.ts'
import { Table, transactionalSink } from './transactional-sink.ts'
import { virtualCheckpoint as checkpoint, VirtualCluster } from './virtual-jobs.ts'

const COUNT = 4000
const KEYS = 37

const Event = types.object({ n: types.int64, at: types.timestamp })
type Event = { n: number; at: number }

interface Topology {
  readonly isChainBroken?: boolean
  /** A stateful operator that passes on what it gets. */
  readonly hasLimiter?: boolean
  /** A stateful operator beside the rest, which writes nothing. */
  readonly hasAudit?: boolean
}

/** How state is kept; the test is the same for each. What LevelDB would store is in memory here. */
interface Backend {
  readonly name: string
  readonly task: Partial<TaskSettings>
}

const HEAP: Backend = { name: 'heap', task: {} }
/** So little memory that the cache has to let go of entries all the time. */
const LEVELDB: Backend = {
  name: 'leveldb',
  task: { state: { backend: 'leveldb', timers: 'leveldb', memoryBytes: 1024 * 1024 } },
}

function define(table: Table, { isChainBroken = false, hasLimiter = false, hasAudit = false }: Topology) {
  return (env: StreamEnvironment) => {
    const events = env.source(
      generator({ count: COUNT, ratePerSecond: 1000, type: Event, generate: (n) => ({ n, at: n * 10 }) }),
      { uid: 'events', watermarks: boundedOutOfOrderness('100ms', ({ at }) => at) },
    )
    const mapped = events.map((event) => event, {
      uid: 'same',
      type: Event,
      disableChaining: isChainBroken,
    })
    const keyed = hasLimiter
      ? mapped
          .keyBy(({ n }) => n)
          .process(passing(), { uid: 'limiter', type: Event })
          .keyBy(({ n }) => n % KEYS)
      : mapped.keyBy(({ n }) => n % KEYS)
    keyed.process(counting(), { uid: 'counts', type: types.string }).sinkTo(transactionalSink(table), {
      uid: 'counted',
    })
    keyed
      .window(tumbling('1s'))
      .aggregate(
        {
          createAccumulator: () => 0,
          add: ({ n }: Event, total: number) => total + n,
          getResult: (total, window) => `window ${window.key} ${window.end} ${total}`,
        },
        { uid: 'sums' },
      )
      .sinkTo(transactionalSink(table), { uid: 'summed' })
    if (!hasAudit) return
    keyed
      .process(passing(), { uid: 'audit', type: Event })
      .filter(() => false, { uid: 'nothing' })
      .map(() => '', { uid: 'silent' })
      .sinkTo(transactionalSink(table), { uid: 'audited' })
  }
}

/** Counts per key, and remembers which numbers it has seen: none may come twice. */
function counting(): KeyedProcessFunction<number, Event, string> {
  let count: ValueState<number>
  let seen: MapState<number, number>
  return {
    open(context) {
      count = context.state(valueState('count', types.int64))
      seen = context.state(mapState<number, number>('seen', types.int64))
    },
    processElement({ n }, _context, out) {
      count.update((count.value() ?? 0) + 1)
      if (seen.has(n)) out.collect(`twice: ${n}`)
      seen.set(n, count.value()!)
      out.collect(`count ${n % KEYS} ${count.value()}`)
    },
  }
}

function passing(): KeyedProcessFunction<number, Event, Event> {
  let last: ValueState<number>
  return {
    open(context) {
      last = context.state(valueState('last', types.int64))
    },
    processElement(event, _context, out) {
      last.update(event.n)
      out.collect(event)
    },
  }
}

const digest = ({ rows }: Table): string => createHash('sha256').update(rows.join('\n')).digest('hex')

const undisturbed = new Table()

t.before(async () => {
  const cluster = await VirtualCluster.start(1)
  await cluster.waitForEnd(await cluster.submit(define(undisturbed, {}), { checkpoint }))
  await cluster.close()
})

interface Stage extends Topology {
  readonly parallelism: number
  readonly backend: Backend
  /** How long it runs before it is stopped; null: to its end. */
  readonly forMs: number | null
  readonly isPartialAllowed?: boolean
}

async function run(stages: readonly Stage[]): Promise<Table> {
  const cluster = await VirtualCluster.start(3)
  const table = new Table()
  let uri: string | null = null
  try {
    for (const { parallelism, backend, forMs, isPartialAllowed = false, ...topology } of stages) {
      const restore: { uri: string; isPartialAllowed: boolean } | null =
        uri === null ? null : { uri, isPartialAllowed }
      const options = { checkpoint, parallelism, restore, task: backend.task }
      const jobId = await cluster.submit(define(table, topology), options)
      if (forMs !== null) {
        await cluster.clock.advance(forMs)
        uri = (await cluster.run(cluster.client.savepoint(jobId, { stop: 'suspend' }))).uri
      }
      const { state, error } = await cluster.waitForEnd(jobId)
      if (state === 'failed') throw new Error(error?.message)
    }
    return table
  } finally {
    await cluster.close()
  }
}

/** The backends of the three stages: each alone, and from each to another and back. */
for (const [first, second, third] of [
  [HEAP, HEAP, HEAP],
  [LEVELDB, LEVELDB, LEVELDB],
  [HEAP, LEVELDB, HEAP],
  [LEVELDB, HEAP, LEVELDB],
] as const) {
  t.test(`topology - 2, 3, 1 subtasks on ${first.name}, ${second.name}, ${third.name}`, async (t) => {
    const table = await run([
      { parallelism: 2, backend: first, forMs: 1100, hasAudit: true },
      { parallelism: 3, backend: second, forMs: 1300, hasAudit: true, hasLimiter: true, isChainBroken: true },
      { parallelism: 1, backend: third, forMs: null, isPartialAllowed: true, hasLimiter: true },
    ])
    t.same(
      table.rows.filter((row) => row.startsWith('twice')),
      [],
    )
    t.equal(digest(table), digest(undisturbed))
  })
}

t.test('topology - an operator with state may not just be left out', async (t) => {
  const stages: Stage[] = [
    { parallelism: 2, backend: HEAP, forMs: 900, hasAudit: true },
    { parallelism: 1, backend: HEAP, forMs: null },
  ]
  await t.rejects(run(stages), {
    message: /uid audit\) is not in the job any more; it has the state "last".*--allow-non-restored-state/,
  })
})
