/** Sources of one job that wait for each other, on a cluster in virtual time. */
import t from 'tap'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { generator } from '../../lib/connectors/generator.ts'
import type { Sink } from '../../lib/function/sink.ts'
import { ascendingTimestamps } from '../../lib/time/watermark-strategy.ts'
import { t as types } from '../../lib/types/t.ts'
import { runJob, type VirtualJobOptions, virtualCheckpoint } from './virtual-jobs.ts'

const Event = types.object({ name: types.string, at: types.timestamp })
type Event = { name: string; at: number }

const DRIFT_MS = 60_000
const SLOW = { count: 300, stepMs: 1000, ratePerSecond: 100 }
const FAST = { count: 30_000, stepMs: 10 }

function source(
  name: string,
  { count, stepMs, ratePerSecond }: typeof SLOW | (typeof FAST & { ratePerSecond?: never }),
) {
  return generator<Event>({
    name,
    count,
    type: Event,
    generate: (i) => ({ name, at: i * stepMs }),
    ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
  })
}

/** Notes how far the fast source was ahead of the slow one, in event time, whenever a record arrived. */
class DriftSink implements Sink<Event> {
  readonly name = 'drift'
  readonly counts = { fast: 0, slow: 0 }
  #slowAt = 0
  drift = 0

  createWriter() {
    return {
      write: ({ name, at }: Event) => {
        this.counts[name as 'fast' | 'slow']++
        if (name === 'slow') this.#slowAt = Math.max(this.#slowAt, at)
        else if (this.counts.slow < SLOW.count) this.drift = Math.max(this.drift, at - this.#slowAt)
      },
      flush() {},
      close() {},
    }
  }
}

type Build = (env: StreamEnvironment, sink: Sink<Event>) => void

async function driftOf(build: Build, options: VirtualJobOptions = {}): Promise<DriftSink> {
  const sink = new DriftSink()
  await runJob((env) => build(env, sink), options)
  t.same(sink.counts, { fast: FAST.count, slow: SLOW.count }, 'everything arrives')
  return sink
}

const aligned = ascendingTimestamps<Event>(({ at }) => at).withAlignment('g', DRIFT_MS)
/** What a source reads before it looks up, and the others do between two questions. */
const SLACK_MS = 1024 * FAST.stepMs + 200 * (SLOW.ratePerSecond / 1000) * SLOW.stepMs

t.test('alignment - without it a fast source is at its end when a slow one has hardly begun', async (t) => {
  const { drift } = await driftOf((env, sink) => {
    const strategy = ascendingTimestamps<Event>(({ at }) => at)
    const fast = env.source(source('fast', FAST), { watermarks: strategy })
    env.source(source('slow', SLOW), { watermarks: strategy }).union(fast).sinkTo(sink)
  })
  t.ok(drift > 4 * DRIFT_MS, `${drift} ms ahead`)
})

for (const [where, options] of [
  ['in one subtask', {}],
  ['in two subtasks each', { parallelism: 2 }],
  ['over the bus', { exchange: 'nats' }],
  ['under checkpoints', { checkpoint: virtualCheckpoint }],
] as const) {
  t.test(`alignment - sources keep to the drift ${where}`, async (t) => {
    const { drift } = await driftOf((env, sink) => {
      const fast = env.source(source('fast', FAST), { watermarks: aligned })
      env.source(source('slow', SLOW), { watermarks: aligned }).union(fast).sinkTo(sink)
    }, options)
    t.ok(drift > DRIFT_MS / 2, `${drift} ms: the fast one makes use of it`)
    t.ok(drift <= DRIFT_MS + SLACK_MS, `${drift} ms ahead`)
  })
}

t.test('alignment - a strategy on a stream lets the source in its chain wait', async (t) => {
  const { drift } = await driftOf((env, sink) => {
    const stream = (of: Parameters<typeof source>[1], name: string) =>
      env
        .source(source(name, of))
        .map((event) => event, { type: Event })
        .watermarks(aligned)
    stream(SLOW, 'slow').union(stream(FAST, 'fast')).sinkTo(sink)
  })
  t.ok(drift <= DRIFT_MS + SLACK_MS, `${drift} ms ahead`)
})

t.test('alignment - groups do not wait for each other', async (t) => {
  const { drift } = await driftOf((env, sink) => {
    const other = aligned.withAlignment('other', DRIFT_MS)
    const fast = env.source(source('fast', FAST), { watermarks: other })
    env.source(source('slow', SLOW), { watermarks: aligned }).union(fast).sinkTo(sink)
  })
  t.ok(drift > 4 * DRIFT_MS, `${drift} ms ahead`)
})

t.test('alignment - where no source could wait it is refused', async (t) => {
  const refused = runJob(
    (env) => {
      env
        .source(source('fast', FAST))
        .keyBy(({ name }) => name)
        .watermarks(aligned, { name: 'late' })
        .print()
    },
    { parallelism: 2 },
  )
  await t.rejects(refused, {
    code: 'GRAPH_INVALID',
    message: /"late" aligns watermarks, but is not chained with a source/,
  })
})
