/**
 * Windows in whole jobs, in virtual time: at any parallelism, over random streams whose disorder stays within what the
 * watermarks allow for, with checkpoints and without, every kind of window gives what a batch computation gives.
 */
import fc from 'fast-check'
import t from 'tap'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import type { DataStream, KeyedStream, WindowedStream } from '../../lib/api/streams.ts'
import { collection } from '../../lib/connectors/generator.ts'
import { aggregates, countDistinct, sum } from '../../lib/function/aggregates.ts'
import type { WindowOf } from '../../lib/function/functions.ts'
import { boundedOutOfOrderness, punctuated } from '../../lib/time/watermark-strategy.ts'
import { t as types } from '../../lib/types/t.ts'
import {
  CONTINUE,
  countTrigger,
  eventTimeTrigger,
  FIRE,
  purging,
  type Trigger,
} from '../../lib/window/trigger.ts'
import { Window } from '../../lib/window/window.ts'
import {
  endOfStreamWindow,
  globalWindow,
  session,
  sliding,
  tumbling,
  type WindowAssigner,
} from '../../lib/window/window-assigner.ts'
import { runs } from '../lib/types/schema-arbitrary.ts'
import { listSink, runJob, virtualCheckpoint } from './virtual-jobs.ts'

const Reading = types.object({ key: types.int32, n: types.int32, at: types.timestamp })
interface Reading {
  readonly key: number
  readonly n: number
  readonly at: number
}

const DISORDER_MS = 10

/** Mostly ascending, never further behind than DISORDER_MS. */
const readings: fc.Arbitrary<Reading[]> = fc
  .array(fc.record({ key: fc.nat(4), step: fc.nat(8), behind: fc.nat(DISORDER_MS) }), {
    maxLength: 80,
    size: 'max',
  })
  .map((draws) => {
    let newest = 0
    return draws.map(({ key, step, behind }, n) => {
      newest += step
      return { key, n, at: newest - behind }
    })
  })

const total = {
  accumulatorType: types.tuple(types.int32, types.int32),
  createAccumulator: (): [number, number] => [0, 0],
  add: ({ n }: Reading, [count, sum]: [number, number]): [number, number] => [count + 1, sum + n],
  merge: (a: [number, number], b: [number, number]): [number, number] => [a[0] + b[0], a[1] + b[1]],
  getResult: (
    [count, sum]: [number, number],
    { key, start, end }: { key: number; start: number; end: number },
  ) => `${key} ${start} ${end} ${count} ${sum}`,
}
const { merge: _, ...unmergeable } = total

/** No two records have the same n, so their number is that of the different ones. */
const several = aggregates({
  distinct: countDistinct(({ n }: Reading) => n),
  sum: sum(({ n }: Reading) => n),
})
const totalOfSeveral = {
  ...several,
  getResult(parts: Parameters<typeof several.getResult>[0], window: WindowOf<number>) {
    const { distinct, sum } = several.getResult(parts, window)
    return `${window.key} ${window.start} ${window.end} ${distinct} ${sum}`
  },
}

type Batch = (all: readonly Reading[]) => string[]
type Add = (stream: DataStream<Reading>) => DataStream<string>

const textOf = (key: number, start: number, end: number, own: readonly Reading[]) =>
  `${key} ${start} ${end} ${own.length} ${own.reduce((sum, { n }) => sum + n, 0)}`

const byKey = (all: readonly Reading[]) => {
  const keys = new Map<number, Reading[]>()
  for (const each of all) keys.set(each.key, [...(keys.get(each.key) ?? []), each])
  return [...keys]
}

/** Every window that could be there, asked for what it has. */
const grid =
  (size: number, slide: number): Batch =>
  (all) =>
    byKey(all).flatMap(([key, own]) => {
      const results: string[] = []
      for (let start = -2 * size - DISORDER_MS; start <= 700; start++) {
        if (start % slide !== 0) continue
        const inside = own.filter(({ at }) => at >= start && at < start + size)
        if (inside.length > 0) results.push(textOf(key, start, start + size, inside))
      }
      return results
    })

const sessions =
  (gapOf: (reading: Reading) => number): Batch =>
  (all) =>
    byKey(all).flatMap(([key, own]) => {
      const open: { start: number; end: number; own: Reading[] }[] = []
      for (const reading of [...own].sort((a, b) => a.at - b.at)) {
        const last = open.at(-1)
        const end = reading.at + gapOf(reading)
        if (last === undefined || reading.at > last.end) open.push({ start: reading.at, end, own: [reading] })
        else {
          last.own.push(reading)
          last.end = Math.max(last.end, end)
        }
      }
      return open.map((each) => textOf(key, each.start, each.end, each.own))
    })

const whole: Batch = (all) =>
  byKey(all).map(([key, own]) => textOf(key, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, own))

const asOne =
  (batch: Batch): Batch =>
  (all) =>
    batch(all.map((each) => ({ ...each, key: 0 })))

/** A user's own: windows of 30 every 20, so that some records are in two and some in one. */
const ownWindows: WindowAssigner<Reading> = {
  name: 'own',
  timeDomain: 'event',
  isMerging: false,
  fixedSizeMs: null,
  assign: (_reading, at) => {
    const start = Math.floor(at / 20) * 20
    return at < start + 10
      ? [new Window(start - 20, start + 10), new Window(start, start + 30)]
      : [new Window(start, start + 30)]
  },
  defaultTrigger: () => eventTimeTrigger(),
}

/** A user's own: fires at the end of the window and at no other time. */
function ownTrigger(): Trigger<Reading> {
  const whenDue = eventTimeTrigger<Reading>()
  return {
    ...whenDue,
    name: 'own',
    onEventTime: (time, window) => (time === window.maxTimestamp ? FIRE : CONTINUE),
  }
}

const keyed = (stream: DataStream<Reading>): KeyedStream<number, Reading> => stream.keyBy(({ key }) => key)
const aggregated =
  (assigner: WindowAssigner<Reading>): Add =>
  (stream) =>
    keyed(stream).window(assigner).aggregate(total)
const inTwoPhases =
  (assigner: WindowAssigner<Reading>): Add =>
  (stream) =>
    keyed(stream).window(assigner).aggregate(total, { twoPhase: true })
const processed =
  (windows: (stream: KeyedStream<number, Reading>) => WindowedStream<number, Reading>): Add =>
  (stream) =>
    windows(keyed(stream)).process((key, { window }, own, out) =>
      out.collect(textOf(key, window.start, window.end, [...own])),
    )

const kinds: [string, Add, Batch][] = [
  ['tumbling, sliced', aggregated(tumbling(15)), grid(15, 15)],
  ['sliding, sliced', aggregated(sliding(30, 10)), grid(30, 10)],
  ['sliding, many slices', aggregated(sliding(40, 4)), grid(40, 4)],
  ['tumbling, in two phases', inTwoPhases(tumbling(15)), grid(15, 15)],
  ['sliding, in two phases', inTwoPhases(sliding(30, 10)), grid(30, 10)],
  [
    'several aggregates, in two phases',
    (s) => keyed(s).window(sliding(30, 10)).aggregate(totalOfSeveral, { twoPhase: true }),
    grid(30, 10),
  ],
  [
    'several aggregates, sessions',
    (s) => keyed(s).window(session(9)).aggregate(totalOfSeveral),
    sessions(() => 9),
  ],
  ['sliding, not sliced', (s) => keyed(s).window(sliding(40, 4)).aggregate(unmergeable), grid(40, 4)],
  ['tumbling, buffered', processed((s) => s.window(tumbling(15))), grid(15, 15)],
  ['sessions', aggregated(session(9)), sessions(() => 9)],
  [
    'sessions, gap per record',
    processed((s) => s.window(session(({ n }: Reading) => 3 + (n % 9)))),
    sessions(({ n }) => 3 + (n % 9)),
  ],
  ['the whole stream, tumbling', (s) => s.windowAll(tumbling(15)).aggregate(total), asOne(grid(15, 15))],
  ['the whole stream, sliding', (s) => s.windowAll(sliding(30, 10)).aggregate(total), asOne(grid(30, 10))],
  [
    'the whole stream, in one step',
    (s) => s.windowAll(tumbling(15)).aggregate(unmergeable),
    asOne(grid(15, 15)),
  ],
  ['all of time', aggregated(endOfStreamWindow()), whole],
  ['of one’s own', processed((s) => s.window(ownWindows).trigger(ownTrigger())), grid(30, 20)],
]

async function run(
  all: Reading[],
  parallelism: number,
  hasCheckpoints: boolean,
  add: Add,
): Promise<string[]> {
  const list: string[] = []
  const define = (env: StreamEnvironment) => {
    const source = env.source(collection(all, Reading), { parallelism: 1 })
    const stream = source
      .watermarks(boundedOutOfOrderness(DISORDER_MS, ({ at }) => at))
      .rebalance()
      .filter(() => true)
    add(stream).sinkTo(listSink(list))
  }
  await runJob(define, { parallelism, checkpoint: hasCheckpoints ? virtualCheckpoint : null })
  return list
}

for (const [name, add, batch] of kinds) {
  t.test(`window job - ${name}: what a batch computation gives`, async (t) => {
    const property = fc.asyncProperty(
      readings,
      fc.integer({ min: 1, max: 3 }),
      fc.boolean(),
      async (all, parallelism, hasCheckpoints) => {
        const found = await run(all, parallelism, hasCheckpoints, add)
        return found.sort().join('\n') === batch(all).sort().join('\n')
      },
    )
    await t.resolves(fc.assert(property, runs(12)))
  })
}

/** One subtask says how far event time is, so that what is late does not depend on who comes first. */
async function runLate(all: Reading[], parallelism: number, lateness: number, twoPhase: boolean) {
  const list: string[] = []
  const define = (env: StreamEnvironment) => {
    const stream = env.source(collection(all, Reading), { parallelism: 1 }).watermarks(
      punctuated(
        ({ at }) => at - 3,
        ({ at }) => at,
      ),
    )
    keyed(stream)
      .window(sliding(30, 10))
      .allowedLateness(lateness)
      .aggregate(total, { twoPhase })
      .sinkTo(listSink(list))
  }
  await runJob(define, { parallelism, checkpoint: virtualCheckpoint })
  const byWindow = new Map<string, string[]>()
  for (const text of list) {
    const window = text.split(' ').slice(0, 3).join(' ')
    byWindow.set(window, [...(byWindow.get(window) ?? []), text])
  }
  return [...byWindow].sort(([a], [b]) => (a < b ? -1 : 1))
}

t.test('window job - in two phases late records are dropped, or fire anew, as in one', async (t) => {
  let lateCount = 0
  const property = fc.asyncProperty(
    readings,
    fc.integer({ min: 1, max: 3 }),
    fc.constantFrom(0, 4),
    async (all, parallelism, lateness) => {
      const inOne = await runLate(all, parallelism, lateness, false)
      const inTwo = await runLate(all, parallelism, lateness, true)
      const complete = grid(30, 10)(all).sort().join('\n')
      if (
        inOne
          .flatMap(([, results]) => results)
          .sort()
          .join('\n') !== complete
      )
        lateCount++
      return JSON.stringify(inTwo) === JSON.stringify(inOne)
    },
  )
  await t.resolves(fc.assert(property, runs(15)))
  t.ok(lateCount > 5, `in ${lateCount} of the runs records were late`)
})

/** Records of different subtasks meet in any order; how many windows there are, and of how many, is the same. */
t.test('window job - count windows hold as many as they say, and every record in turn', async (t) => {
  const property = fc.asyncProperty(
    readings,
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 5 }),
    async (all, parallelism, size) => {
      const list = (
        windows: (stream: KeyedStream<number, Reading>) => WindowedStream<number, Reading>,
      ): Add => {
        return (stream) =>
          windows(keyed(stream)).process((key, _context, own, out) =>
            out.collect(`${key}: ${[...own].map(({ n }) => n).join(' ')}`),
          )
      }
      const tumblingOnes = await run(
        all,
        parallelism,
        false,
        list((s) => s.countWindow(size)),
      )
      const byTrigger = await run(
        all,
        parallelism,
        false,
        list((s) => s.window(globalWindow()).trigger(purging(countTrigger(size)))),
      )
      const slide = Math.ceil(size / 2)
      const slidingOnes = await run(
        all,
        parallelism,
        false,
        list((s) => s.countWindow(size, slide)),
      )
      return byKey(all).every(([key, own]) => {
        const of = (found: string[]) =>
          found.filter((text) => text.startsWith(`${key}: `)).map((text) => text.split(': ')[1]!.split(' '))
        const [mine, theirs, overlapping] = [of(tumblingOnes), of(byTrigger), of(slidingOnes)]
        const isFull = [...mine, ...theirs].every((window) => window.length === size)
        const isEachOnce = new Set(mine.flat()).size === mine.length * size
        const isMany = mine.length === Math.floor(own.length / size) && theirs.length === mine.length
        const isSliding =
          overlapping.length === Math.floor(own.length / slide) &&
          overlapping.every((window, i) => window.length === Math.min(size, (i + 1) * slide))
        return isFull && isEachOnce && isMany && isSliding
      })
    },
  )
  await t.resolves(fc.assert(property, runs(8)))
})
