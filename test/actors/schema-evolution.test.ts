/** Types of saved state against those a new version declares: what can be read is, what cannot is told as a whole. */
import t from 'tap'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { generator } from '../../lib/connectors/generator.ts'
import type { ListState, MapState, ValueState } from '../../lib/state/state.ts'
import { listState, mapState, type StateDescriptor, valueState } from '../../lib/state/state-descriptor.ts'
import type { StateMisfit } from '../../lib/state/state-misfit.ts'
import { t as types } from '../../lib/types/t.ts'
import type { Type } from '../../lib/types/type.ts'
import { virtualCheckpoint as checkpoint, listSink, VirtualCluster } from './virtual-jobs.ts'

interface Trade {
  readonly price: number
  readonly symbol?: string
  readonly venue?: string
}

interface Declared {
  readonly trade: Type<Trade>
  /** Entries of a map; otherwise one value, which is never reached. */
  readonly seen: StateDescriptor<MapState<number, number>> | StateDescriptor<ValueState<number>>
  readonly last: Type<never>
}

const SAVED: Declared = {
  trade: types.object({ price: types.int64 }) as Type<Trade>,
  seen: mapState<number, number>('seen', types.int64),
  last: types.int64 as Type<never>,
}

/** Two keyed operators, with three states. What each has when a record comes goes into `list`. */
function define(list: string[], { trade, seen, last }: Declared) {
  return (env: StreamEnvironment) => {
    let lastTrade: ValueState<Trade>
    let seenNumbers: MapState<number, number>
    let recent: ListState<number>
    env
      .source(generator({ count: 400, ratePerSecond: 200, type: types.int64, generate: (n) => n }), {
        uid: 'n',
      })
      .keyBy((n) => n % 8)
      .process(
        {
          open(context) {
            lastTrade = context.state(valueState('trade', trade))
            seenNumbers = context.state(seen as StateDescriptor<MapState<number, number>>)
          },
          processElement(n, _context, out) {
            list.push(JSON.stringify(lastTrade.value() ?? null))
            lastTrade.update({ price: n, symbol: 'new' })
            seenNumbers.set(n, 1)
            out.collect(n)
          },
        },
        { uid: 'trades', type: types.int64 },
      )
      .keyBy((n) => n % 5)
      .process(
        {
          open(context) {
            recent = context.state(listState<number>('recent', last as Type<number>))
          },
          processElement(n) {
            recent.update([n])
          },
        },
        { uid: 'others', type: types.int64 },
      )
      .sinkTo(listSink([]), { uid: 'out' })
  }
}

async function saved(cluster: VirtualCluster): Promise<string> {
  const job = await cluster.submit(define([], SAVED), { checkpoint, parallelism: 2 })
  await cluster.clock.advance(900)
  const { uri } = await cluster.run(cluster.client.savepoint(job, { stop: 'suspend' }))
  await cluster.waitForEnd(job)
  return uri
}

t.test('schema evolution - what can be read is read', async (t) => {
  const cluster = await VirtualCluster.start(3)
  t.teardown(() => cluster.close())
  const uri = await saved(cluster)
  const list: string[] = []
  const trade = types.object({
    price: types.float64,
    symbol: types.defaulted(types.string, 'none'),
    venue: types.optional(types.string),
  }) as Type<Trade>
  const restore = { uri, isPartialAllowed: false }
  const job = await cluster.submit(define(list, { ...SAVED, trade }), { checkpoint, parallelism: 3, restore })
  t.equal((await cluster.waitForEnd(job)).state, 'finished')
  const old = list.filter((text) => text.includes('none'))
  t.equal(old.length, 8, 'one of each key')
  t.ok(
    old.every((text) => /^{"price":1\d\d,"symbol":"none"}$/.test(text)),
    old.join(),
  )
  t.notOk(list.includes('null'))
})

for (const backend of ['heap', 'leveldb'] as const) {
  t.test(
    `schema evolution - all that cannot be read is told, and nothing is processed: ${backend}`,
    async (t) => {
      const cluster = await VirtualCluster.start(3)
      t.teardown(() => cluster.close())
      const uri = await saved(cluster)
      const list: string[] = []
      const changed: Declared = {
        trade: types.object({ price: types.string, symbol: types.string }) as unknown as Type<Trade>,
        seen: SAVED.seen,
        last: types.string as Type<never>,
      }
      const job = await cluster.submit(define(list, changed), {
        checkpoint,
        parallelism: 3,
        task: { state: { backend, timers: 'heap', memoryBytes: 1024 * 1024 } },
        restore: { uri, isPartialAllowed: false },
        restart: { kind: 'fixed-delay', attempts: 100, delayMs: 10 },
      })
      const { state, restarts, error } = await cluster.waitForEnd(job)
      t.same([state, restarts], ['failed', 0], 'it would not fit the next time either')
      t.equal(error?.code, 'STATE_INCOMPATIBLE')
      const misfits = error?.details?.misfits as StateMisfit[]
      t.same(misfits.map(({ uid, state: name, path }) => `${uid} ${name} ${path}`).sort(), [
        'others recent []',
        'trades trade price',
        'trades trade symbol',
      ])
      t.match(error?.message, /uid trades, state "trade", field price: was int64, is string/)
      t.same(list, [])
    },
  )
}

t.test('schema evolution - a state of another kind is not read as if it were the same', async (t) => {
  const cluster = await VirtualCluster.start(2)
  t.teardown(() => cluster.close())
  const uri = await saved(cluster)
  const changed = define([], { ...SAVED, seen: valueState('seen', types.int64) })
  const job = await cluster.submit(changed, { checkpoint, restore: { uri, isPartialAllowed: false } })
  t.match(await cluster.waitForEnd(job), {
    state: 'failed',
    error: {
      code: 'STATE_INCOMPATIBLE',
      message: /uid trades, state "seen": was nested, is flat \(another kind of state\)/,
    },
  })
})
