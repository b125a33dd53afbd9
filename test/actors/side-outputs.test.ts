/** Side outputs from every kind of process function, typed by tag, in one job. */
import t from 'tap'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import type { DataStream, KeyedStream } from '../../lib/api/streams.ts'
import { collection } from '../../lib/connectors/generator.ts'
import { outputTag } from '../../lib/function/output-tag.ts'
import { ascendingTimestamps } from '../../lib/time/watermark-strategy.ts'
import { t as types } from '../../lib/types/t.ts'
import { tumbling } from '../../lib/window/window-assigner.ts'
import { listSink, runJob } from './virtual-jobs.ts'

const Note = types.object({ from: types.string, n: types.int32 })
const noted = outputTag('noted', Note)

interface Noting {
  output(tag: typeof noted, value: { from: string; n: number }): void
}

const note = (from: string) => (n: number, context: Noting) => context.output(noted, { from, n })

/** Functions that put every record they see on the side, by where it was seen. */
const kinds: Record<
  string,
  (stream: DataStream<number>, keyed: KeyedStream<number, number>) => DataStream<unknown>
> = {
  process: (stream) => stream.process({ processElement: note('process') }),
  'keyed process': (_, keyed) => keyed.process({ processElement: note('keyed') }),
  timer: (_, keyed) =>
    keyed.process({
      processElement: (n, context) => context.registerEventTimer(n),
      onTimer: (timestamp, context) => context.output(noted, { from: 'timer', n: timestamp }),
    }),
  'co-process': (stream) =>
    stream.connect(stream).process({ processElement1: note('co 1'), processElement2: note('co 2') }),
  'keyed co-process': (_, keyed) =>
    keyed.connect(keyed).process({
      processElement1: note('keyed co 1'),
      processElement2: (n, context) => context.registerEventTimer(n),
      onTimer: (timestamp, context) => context.output(noted, { from: 'keyed co timer', n: timestamp }),
    }),
  broadcast: (stream) =>
    stream
      .connect(stream.broadcast())
      .process({ processElement: note('broadcast'), processBroadcastElement: note('broadcast change') }),
  'keyed broadcast': (stream, keyed) =>
    keyed.connect(stream.broadcast()).process({
      processElement(n, context) {
        context.output(noted, { from: 'keyed broadcast', n })
        context.registerEventTimer(n)
      },
      processBroadcastElement: note('keyed broadcast change'),
      onTimer: (timestamp, context) => context.output(noted, { from: 'keyed broadcast timer', n: timestamp }),
    }),
  window: (_, keyed) =>
    keyed
      .window(tumbling(1))
      .process((_key, context, [n]) => context.output(noted, { from: 'window', n: n! })),
  'reduce and process': (_, keyed) =>
    keyed.window(tumbling(1)).reduce(
      (a) => a,
      (_key, context, [n]) => context.output(noted, { from: 'reduced window', n: n! }),
    ),
  'interval join': (_, keyed) =>
    keyed
      .intervalJoin(keyed)
      .between(0, 0)
      .process((n, _right, context) => context.output(noted, { from: 'interval join', n })),
  coGroup: (_, keyed) =>
    keyed
      .coGroup(keyed)
      .window(tumbling(1))
      .process((_key, context, [n]) => context.output(noted, { from: 'coGroup', n: n! })),
}

const PLACES = [
  'process',
  'keyed',
  'timer',
  'co 1',
  'co 2',
  'keyed co 1',
  'keyed co timer',
  'broadcast',
  'broadcast change',
  'keyed broadcast',
  'keyed broadcast change',
  'keyed broadcast timer',
  'window',
  'reduced window',
  'interval join',
  'coGroup',
]

for (const exchange of ['auto', 'nats'] as const) {
  t.test(`side outputs - from every process function, exchange ${exchange}`, async (t) => {
    const list: string[] = []
    const main: string[] = []
    await runJob(
      (env: StreamEnvironment) => {
        const stream = env
          .source(collection([1, 2, 3], types.int32), { parallelism: 1 })
          .watermarks(ascendingTimestamps((n) => n))
        const keyed = stream.keyBy((n) => n)
        for (const add of Object.values(kinds)) {
          const result = add(stream, keyed)
          result.sinkTo(listSink(main))
          result
            .sideOutput(noted)
            .map(({ from, n }) => `${from} ${n}`)
            .sinkTo(listSink(list))
        }
      },
      { exchange },
    )
    t.same(list.sort(), PLACES.flatMap((place) => [1, 2, 3].map((n) => `${place} ${n}`)).sort())
    t.same(main, [])
  })
}

/** Never called: only compiled. */
export function wrong(stream: DataStream<number>): void {
  const notes = stream.sideOutput(noted)
  notes.map(({ from }) => from.length)
  // @ts-expect-error: no such field in what this tag is of
  notes.map(({ to }) => to)
  stream.process({
    processElement(n, context) {
      // @ts-expect-error: not what this tag is of
      context.output(noted, n)
    },
  })
}
