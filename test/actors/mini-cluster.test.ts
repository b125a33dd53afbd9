import t from 'tap'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { sleep } from '../../lib/base/clock.ts'
import { generator } from '../../lib/connectors/generator.ts'
import { outputTag } from '../../lib/function/output-tag.ts'
import { isFinal } from '../../lib/graph/execution-graph.ts'
import { valueState } from '../../lib/state/state-descriptor.ts'
import { boundedOutOfOrderness } from '../../lib/time/watermark-strategy.ts'
import { t as types } from '../../lib/types/t.ts'
import { sliding, tumbling } from '../../lib/window/window-assigner.ts'
import { listSink, runJob, VirtualCluster } from './virtual-jobs.ts'

const Event = types.object({ n: types.int64, key: types.string, at: types.timestamp })
type Event = { n: number; key: string; at: number }

/** Numbered events, a little out of order, of five keys. */
const events = (count: number, from = 0) =>
  generator<Event>({
    count,
    type: Event,
    generate: (i) => ({ n: from + i, key: `k${i % 5}`, at: i * 10 + ((i * 7) % 13) }),
  })
const strategy = boundedOutOfOrderness<Event>('200ms', (event) => event.at)
const odd = outputTag('odd', Event)

/** Every kind of edge and most operators; results by sink. */
function everything(results: Record<string, string[]>) {
  const sink = (name: string) => {
    results[name] ??= []
    return listSink(results[name], name)
  }
  return (env: StreamEnvironment) => {
    const first = env.source(events(400), { name: 'first', watermarks: strategy })
    const second = env.source(events(300, 1000), { name: 'second', watermarks: strategy })
    const even = first.union(second.rebalance()).process<Event>(
      {
        processElement(event, context, out) {
          if (event.n % 2 === 0) out.collect(event)
          else context.output(odd, event)
        },
      },
      { name: 'split', type: Event },
    )
    even
      .sideOutput(odd)
      .map(({ n }) => n)
      .sinkTo(sink('odd'))
    const keyed = even.keyBy(({ key }) => key)
    keyed
      .window(tumbling('500ms'))
      .aggregate({
        createAccumulator: () => 0,
        add: (event: Event, sum: number) => sum + event.n,
        getResult: (sum, { key, end }) => `${key} ${end} ${sum}`,
      })
      .sinkTo(sink('tumbling'))
    const counts = keyed
      .map(({ key, at }) => ({ key, at, count: 1 }))
      .watermarks(
        boundedOutOfOrderness('200ms', ({ at }) => at),
        { name: 'again' },
      )
      .keyBy(({ key }) => key)
      .window(sliding('600ms', '200ms'))
      .reduce((a, b) => ({ key: a.key, count: a.count + b.count, at: Math.max(a.at, b.at) }))
    counts.sinkTo(sink('sliding'))
    keyed
      .connect(second.keyBy(({ key }) => key))
      .process<string>({
        open(context) {
          context.state(valueState<number>('first-seen', types.int64))
        },
        processElement1: (event, context, out) => out.collect(`left ${context.currentKey} ${event.n}`),
        processElement2: (event, context, out) => out.collect(`right ${context.currentKey} ${event.n}`),
      })
      .sinkTo(sink('connected'))
    const rules = env.source(generator({ count: 3, generate: (i) => `rule ${i}` }), {
      name: 'rules',
      parallelism: 1,
    })
    even
      .connect(rules.broadcast())
      .process<string>({
        processElement: (event, _context, out) => out.collect(`event ${event.n}`),
        processBroadcastElement: (rule, _context, out) => out.collect(rule),
      })
      .sinkTo(sink('broadcast'))
    first
      .shuffle()
      .map(({ n }) => n)
      .partitionCustom((n, count) => n % count)
      .map((n) => n * 2)
      .global()
      .sinkTo(sink('global'))
  }
}

async function resultsOf(parallelism: number, exchange: 'auto' | 'nats'): Promise<Record<string, string[]>> {
  const results: Record<string, string[]> = {}
  const { state, error } = await runJob(everything(results), { parallelism, exchange })
  if (state !== 'finished') throw new Error(`${state}: ${error?.message}`)
  return Object.fromEntries(Object.entries(results).map(([name, lines]) => [name, [...lines].sort()]))
}

t.test('mini cluster - a job gives the same over frames as by hand, at any parallelism', async (t) => {
  const reference = await resultsOf(1, 'auto')
  t.equal(reference.odd?.length, 350)
  t.equal(reference.connected?.length, 350 + 300)
  t.equal(reference.broadcast?.length, 350 + 3)
  t.equal(reference.global?.length, 400)
  t.ok(reference.tumbling!.length > 30)
  t.ok(reference.sliding!.length > 80)
  for (const parallelism of [1, 2, 3]) {
    for (const exchange of ['auto', 'nats'] as const) {
      const results = await resultsOf(parallelism, exchange)
      // Broadcast records arrive once in each subtask.
      const rules = [0, 1, 2].flatMap((i) => new Array<string>(parallelism - 1).fill(`rule ${i}`))
      const expected = { ...reference, broadcast: [...reference.broadcast!, ...rules].sort() }
      for (const name of Object.keys(expected)) {
        t.same(
          results[name],
          expected[name as keyof typeof expected],
          `${name}, parallelism ${parallelism}, ${exchange}`,
        )
      }
    }
  }
})

t.test('mini cluster - what comes seldom is not overtaken by what comes often', async (t) => {
  for (const exchange of ['auto', 'nats'] as const) {
    let newest = -1
    let overtaken = 0
    const { state } = await runJob(
      (env) => {
        const numbers = env.source(generator({ count: 4000, type: types.int64, generate: (i) => i }))
        numbers
          .filter((n) => n % 40 === 0)
          .keyBy(() => 0)
          .connect(numbers.filter((n) => n % 40 !== 0).keyBy(() => 0))
          .process<number>({
            processElement1(seldom) {
              newest = seldom
            },
            processElement2(often) {
              if (newest < often - (often % 40)) overtaken++
            },
          })
          .print()
      },
      { parallelism: 1, exchange },
    )
    t.equal(state, 'finished')
    // A batch may overtake now and then. If what comes seldom waited for company, it would be nearly all.
    t.ok(newest === 3960 && overtaken < 400, `${overtaken} of 3900 have overtaken, ${exchange}`)
  }
})

const plain = (list: string[]) => (env: StreamEnvironment) => {
  env
    .source(generator({ count: 100, generate: (i) => i }))
    .rebalance()
    .map((n) => n + 1)
    .sinkTo(listSink(list))
}

t.test('mini cluster - a job that fails says where and why', async (t) => {
  const define = (env: StreamEnvironment) => {
    env
      .source(generator({ count: 1000, generate: (i) => i }), { name: 'numbers' })
      .map((n) => n, { name: 'fine' })
      .filter(
        (n) => {
          if (n === 500) throw new RangeError('five hundred')
          return true
        },
        { name: 'choosy', uid: 'choosy' },
      )
      .sinkTo(listSink([]))
  }
  for (const parallelism of [1, 2]) {
    const { state, error, restarts, vertices } = await runJob(define, { parallelism })
    t.equal(state, 'failed')
    t.match(error, {
      code: 'USER_FUNCTION_FAILED',
      message: /^operator "choosy" \(uid choosy\), subtask 1 of \d, record \d+ of the source: five hundred$/,
      details: { operator: 'choosy', uid: 'choosy' },
    })
    t.equal(restarts, 0)
    t.ok(vertices.flatMap(({ subtasks }) => subtasks).every(({ state }) => isFinal(state)))
  }
})

t.test('mini cluster - a job that cannot be opened, or whose source fails, fails too', async (t) => {
  const opening = await runJob((env) => {
    env
      .source(generator({ count: 10, generate: (i) => i }))
      .map({ open: () => Promise.reject(new Error('no model')), map: (n: number) => n }, { name: 'model' })
      .print()
  })
  t.match(opening.error, { message: /operator "model".*while opening: no model/ })
  const broken = {
    ...generator({ count: 10, generate: (i: number) => i }),
    createEnumerator() {
      throw new Error('no such directory')
    },
  }
  const source = await runJob((env) => env.source(broken as never).print())
  t.equal(source.state, 'failed')
  t.match(source.error, { message: /no such directory/ })
})

t.test('mini cluster - a failed job is restarted after the delay, from the beginning', async (t) => {
  const list: string[] = []
  let failures = 2
  const startedAtMs: number[] = []
  const cluster = await VirtualCluster.start(2)
  const define = (env: StreamEnvironment) => {
    env
      .source(generator({ count: 50, generate: (i) => i }))
      .keyBy((n) => n % 3)
      .map({
        open: () => void startedAtMs.push(cluster.clock.now()),
        map: (n: number) => {
          if (n === 30 && failures > 0) {
            failures--
            throw new Error('not yet')
          }
          return n
        },
      })
      .sinkTo(listSink(list))
  }
  const id = await cluster.submit(define, {
    parallelism: 2,
    restart: { kind: 'fixed-delay', attempts: 3, delayMs: 5000 },
  })
  const { state, restarts } = await cluster.waitForEnd(id)
  t.equal(state, 'finished')
  t.equal(restarts, 2)
  t.same(
    list
      .slice(-50)
      .map(Number)
      .sort((a, b) => a - b),
    [...Array(50).keys()],
    'the last attempt is complete',
  )
  t.equal(startedAtMs.length, 6)
  t.ok(startedAtMs[2]! - startedAtMs[0]! >= 5000 && startedAtMs[4]! - startedAtMs[2]! >= 5000)
  await cluster.close()
})

t.test('mini cluster - a job is out of luck when its restarts are used up', async (t) => {
  const define = (env: StreamEnvironment) => {
    env
      .source(generator({ count: 5, generate: (i) => i }))
      .map((n: number): number => {
        throw new Error(`never ${n}`)
      })
      .print()
  }
  const { state, restarts } = await runJob(define, {
    restart: { kind: 'fixed-delay', attempts: 2, delayMs: 100 },
  })
  t.equal(state, 'failed')
  t.equal(restarts, 2)
})

t.test('mini cluster - an endless job is cancelled, closes everything and frees its slots', async (t) => {
  const cluster = await VirtualCluster.start(2)
  let open = 0
  let count = 0
  const define = (env: StreamEnvironment) => {
    env
      .source(generator({ generate: (i) => i, ratePerSecond: 1000 }))
      .rebalance()
      .map({
        open: () => void open++,
        map: (n: number) => {
          count++
          return n
        },
        close: () => void open--,
      })
      .sinkTo(listSink([]))
  }
  const id = await cluster.submit(define, { parallelism: 2 })
  await cluster.clock.advance(2000)
  t.ok(count > 1000, `${count} records in two seconds`)
  t.equal(open, 2)
  await cluster.run(cluster.client.cancel(id))
  const { state } = await cluster.waitForEnd(id)
  t.equal(state, 'cancelled')
  t.equal(open, 0)
  const list: string[] = []
  const next = await cluster.submit(plain(list), { parallelism: 2 })
  t.equal((await cluster.waitForEnd(next)).state, 'finished')
  t.equal(list.length, 100)
  await cluster.close()
})

t.test(
  'mini cluster - a job that needs more slots than there are waits, and says what is missing',
  async (t) => {
    const cluster = await VirtualCluster.start(1)
    const id = await cluster.submit(plain([]), { parallelism: 3 })
    await cluster.clock.advance(1000)
    const { state, slotsNeeded } = await cluster.run(cluster.client.describe(id))
    t.equal(state, 'waiting')
    t.equal(slotsNeeded, 3)
    const { error } = await cluster.waitForEnd(id)
    t.match(error, { code: 'SLOTS_UNAVAILABLE' })
    await cluster.close()
  },
)

t.test('mini cluster - jobs that compete for slots get their turns', async (t) => {
  const cluster = await VirtualCluster.start(2)
  const lists: string[][] = [[], [], [], []]
  const ids: string[] = []
  for (const [i, list] of lists.entries())
    ids.push(await cluster.submit(plain(list), { parallelism: i === 1 ? 2 : 1 }))
  for (const id of ids) t.equal((await cluster.waitForEnd(id)).state, 'finished')
  t.same(
    lists.map(({ length }) => length),
    [100, 100, 100, 100],
  )
  await cluster.close()
})

t.test('mini cluster - what a job has done can be read off its description', async (t) => {
  const { vertices, state } = await runJob(plain([]), { parallelism: 2, exchange: 'nats' })
  t.equal(state, 'finished')
  const sum = (name: string, field: 'recordsIn' | 'recordsOut' | 'bytesOut') =>
    vertices
      .find((vertex) => vertex.name === name)!
      .subtasks.reduce((total, { metrics }) => total + (metrics?.[field] ?? 0), 0)
  t.equal(sum('generator', 'recordsIn'), 100)
  t.equal(sum('generator', 'recordsOut'), 100)
  t.equal(sum('map -> list', 'recordsIn'), 100)
  t.ok(sum('generator', 'bytesOut') > 100)
})

t.test('mini cluster - splits may be handed out before readers ask for them', async (t) => {
  const list: string[] = []
  const numbers = generator({ count: 40, generate: (i: number) => i })
  const eager: typeof numbers = {
    ...numbers,
    createEnumerator: (context) => ({
      start() {
        for (let i = 0; i < context.parallelism; i++) {
          context.assign({ id: `${i}`, next: i, step: context.parallelism }, i)
          context.noMoreSplits(i)
        }
      },
      onSplitRequest() {},
      addSplitsBack() {},
      snapshot: () => [],
      close() {},
    }),
  }
  const cluster = await VirtualCluster.start(2)
  // A chain is opened from its end: readers come last.
  const slow = { open: () => sleep(cluster.clock, 700), map: (n: number) => n }
  const define = (env: StreamEnvironment) => {
    env
      .source(eager)
      .map({ ...slow })
      .sinkTo(listSink(list))
  }
  const { state, error } = await cluster.waitForEnd(await cluster.submit(define, { parallelism: 2 }))
  t.equal(error, undefined)
  t.equal(state, 'finished')
  t.same(
    list.map(Number).sort((a, b) => a - b),
    [...Array(40).keys()],
  )
  await cluster.close()
})
