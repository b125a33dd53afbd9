/**
 * The jobs that are simulated. Each has one result, whatever the order in which its subtasks get to their records, as
 * long as every record counts once; each row of it is a text `key=value` with a key of its own.
 */

import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import type { DataStream } from '../../lib/api/streams.ts'
import { generator } from '../../lib/connectors/generator.ts'
import { boundedOutOfOrderness } from '../../lib/time/watermark-strategy.ts'
import { t } from '../../lib/types/t.ts'
import { session, sliding, tumbling } from '../../lib/window/window-assigner.ts'
import { eventsSource } from './events-source.ts'
import { Buckets, Count, type Event, Meeting, Ruled } from './job-functions.ts'
import { pieces } from './pieces-source.ts'
import { type Results, resultSink, type SinkFaults, type SinkKind } from './results.ts'

export interface JobFrame {
  readonly results: Results
  readonly sink: SinkKind
  readonly sinkFaults: SinkFaults
  /** Called with every record; throws now and then. */
  onRecord(n: number): void
  /** The outside world, which takes its time. */
  ask(delayMs: number): Promise<void>
}

type Define = (env: StreamEnvironment, frame: JobFrame) => void

export const COUNT = 600
const RATE = 100
const EVENT = t.object({ n: t.int64, at: t.timestamp })

/** Event time moves ten times as fast as the clock, and wavers by less than watermarks allow for. */
const eventOf = (n: number): Event => ({ n, at: n * 100 + ((n * 7919) % 13) * 20 })

const EVENTS = { count: COUNT, ratePerSecond: RATE, type: EVENT, generate: eventOf }
const DELAY_MS_MAX = 300

function events(env: StreamEnvironment, frame: JobFrame, uid = 'events'): DataStream<Event> {
  return checked(env.source(eventsSource({ ...EVENTS, delayMsMax: DELAY_MS_MAX }), { uid }), frame, uid)
}

/** As usual, with a watermark strategy: of one reader, or records may be late after a restore. */
function eventsOfOne(env: StreamEnvironment, frame: JobFrame): DataStream<Event> {
  const watermarks = boundedOutOfOrderness<Event>(`${DELAY_MS_MAX}ms`, ({ at }) => at)
  return checked(
    env.source(generator(EVENTS), { uid: 'events', watermarks, parallelism: 1 }),
    frame,
    'events',
  )
}

function checked(stream: DataStream<Event>, frame: JobFrame, uid: string): DataStream<Event> {
  return stream.map(
    (event) => {
      frame.onRecord(event.n)
      return event
    },
    { uid: `${uid}-checked`, type: EVENT },
  )
}

function toSink(stream: DataStream<string>, { sink, results, sinkFaults }: JobFrame, uid = 'out'): void {
  stream.sinkTo(resultSink(sink, results, sinkFaults), { uid })
}

const sumOf = (name: string) => ({
  createAccumulator: () => 0,
  add: ({ n }: Event, total: number) => total + n,
  merge: (a: number, b: number) => a + b,
  getResult: (total: number, { key, start, end }: { key: unknown; start: number; end: number }) =>
    `${name} ${key} ${start}-${end}=${total}`,
})

const counts: Define = (env, frame) => {
  const numbers = env
    .source(generator({ count: COUNT, ratePerSecond: RATE, type: t.int64, generate: (n) => n }), {
      uid: 'numbers',
    })
    .rebalance()
    .map(
      (n) => {
        frame.onRecord(n)
        return n
      },
      { uid: 'checked', type: t.int64 },
    )
  toSink(numbers.keyBy((n) => n % 7).process(new Count(), { uid: 'counts', type: t.string }), frame)
}

const checkedPieces = (env: Parameters<Define>[0], frame: Parameters<Define>[1]) =>
  env.source(pieces({ count: COUNT, pieceCount: 20, recordsPerBurst: 1 }), { uid: 'pieces' }).map(
    (n) => {
      frame.onRecord(n)
      return n
    },
    { uid: 'checked', type: t.int64 },
  )

const dealt: Define = (env, frame) => {
  const numbers = checkedPieces(env, frame)
  toSink(numbers.keyBy((n) => n % 11).process(new Count(), { uid: 'counts', type: t.string }), frame)
}

/** Windows, and windows of their results. */
const windows: Define = (env, frame) => {
  const sums = eventsOfOne(env, frame)
    .keyBy(({ n }) => n % 10)
    .window(tumbling('1s'))
    .aggregate(
      {
        createAccumulator: () => 0,
        add: ({ n }: Event, total: number) => total + n,
        getResult: (total: number, { end }) => ({ n: total, at: end }),
      },
      { uid: 'first', type: EVENT },
    )
  const again = sums.keyBy(({ at }) => (at / 1000) % 3).window(tumbling('4s'))
  toSink(again.aggregate(sumOf('sum'), { uid: 'second', type: t.string }), frame)
}

const slidingWindows: Define = (env, frame) => {
  const sums = events(env, frame)
    .keyBy(({ n }) => n % 5)
    .window(sliding('4s', '1s'))
    .aggregate(sumOf('sliding'), { uid: 'sliding', type: t.string })
  toSink(sums, frame)
}

const sessions: Define = (env, frame) => {
  const sums = events(env, frame)
    .filter(({ n }) => n % 50 < 40)
    .keyBy(({ n }) => n % 3)
    .window(session('600ms'))
    .aggregate(sumOf('session'), { uid: 'sessions', type: t.string })
  toSink(sums, frame)
}

const union: Define = (env, frame) => {
  const both = events(env, frame).union(events(env, { ...frame, onRecord() {} }, 'others'))
  const all = both.keyBy(({ n }) => n % 4).window(tumbling('2s'))
  toSink(all.aggregate(sumOf('union'), { uid: 'union', type: t.string }), frame)
}

const timers: Define = (env, frame) => {
  const keyed = events(env, frame).keyBy(({ n }) => n % 9)
  toSink(keyed.process(new Buckets(), { uid: 'buckets', type: t.string }), frame)
}

const meeting: Define = (env, frame) => {
  const first = events(env, frame).keyBy(({ n }) => n % 6)
  const second = events(env, { ...frame, onRecord() {} }, 'others').keyBy(({ n }) => n % 6)
  toSink(first.connect(second).process(new Meeting(), { uid: 'meeting', type: t.string }), frame)
}

const ruled: Define = (env, frame) => {
  const rules = events(env, { ...frame, onRecord() {} }, 'rules').broadcast()
  const keyed = events(env, frame).keyBy(({ n }) => n % 8)
  toSink(keyed.connect(rules).process(new Ruled(), { uid: 'ruled', type: t.string }), frame)
}

const intervals: Define = (env, frame) => {
  const first = events(env, frame).keyBy(({ n }) => n % 6)
  const second = events(env, { ...frame, onRecord() {} }, 'others').keyBy(({ n }) => n % 6)
  const pairs = first.intervalJoin(second).between('-100ms', '700ms')
  toSink(
    pairs.map((a, b) => `pair ${a.n} ${b.n}=${a.n * b.n}`, { uid: 'pairs', type: t.string }),
    frame,
  )
}

const grouped: Define = (env, frame) => {
  const first = events(env, frame).keyBy(({ n }) => n % 4)
  const second = events(env, { ...frame, onRecord() {} }, 'others').keyBy(({ n }) => (n * 3) % 5)
  const sumOf = (all: readonly Event[]) => all.reduce((sum, { n }) => sum + n, 0)
  const groups = first
    .coGroup(second)
    .window(sliding('2s', '1s'))
    .process(
      (key, { window }, left, right, out) =>
        out.collect(`group ${key} ${window.start}=${sumOf(left)} ${sumOf(right)}`),
      { uid: 'groups', type: t.string },
    )
  toSink(groups, frame)
}

/** Requests that take up to 60 ms; every seventh is refused twice. Faster than records, so barriers do not wait. */
const asked: Define = (env, frame) => {
  const answers = events(env, frame).mapAsync(
    async (event, { attempt }) => {
      await frame.ask((event.n * 7919) % 60)
      if (event.n % 7 === 0 && attempt <= 2) throw new Error(`request ${event.n}, attempt ${attempt}`)
      return event
    },
    {
      uid: 'requests',
      type: EVENT,
      order: 'unordered',
      capacity: 50,
      timeout: '1h',
      retry: { retries: 2, delay: '10ms', multiplier: 2 },
    },
  )
  const sums = answers.keyBy(({ n }) => n % 5).window(tumbling('2s'))
  toSink(sums.aggregate(sumOf('asked'), { uid: 'sums', type: t.string }), frame)
}

/** Two sources that would drift apart, if they did not wait for each other. */
const aligned: Define = (env, frame) => {
  const strategy = boundedOutOfOrderness<Event>(`${DELAY_MS_MAX}ms`, ({ at }) => at).withAlignment(
    'events',
    '2s',
  )
  const read = (uid: string, ratePerSecond: number) =>
    env.source(generator({ ...EVENTS, ratePerSecond }), { uid, watermarks: strategy, parallelism: 1 })
  const both = checked(read('events', RATE), frame, 'events').union(read('others', 5 * RATE))
  const all = both.keyBy(({ n }) => n % 4).window(tumbling('2s'))
  toSink(all.aggregate(sumOf('aligned'), { uid: 'sums', type: t.string }), frame)
}

/** Three regions that fail each for itself: windows, counts that any reader may get, and one that ends early. */
const apart: Define = (env, frame) => {
  const sums = events(env, frame)
    .keyBy(({ n }) => n % 5)
    .window(tumbling('2s'))
  toSink(sums.aggregate(sumOf('apart'), { uid: 'sums', type: t.string }), frame)
  const numbers = checkedPieces(env, frame)
  toSink(
    numbers.keyBy((n) => n % 11).process(new Count(), { uid: 'counts', type: t.string }),
    frame,
    'counts-out',
  )
  const few = generator({ count: COUNT / 6, ratePerSecond: RATE, type: t.int64, generate: (n) => n })
  const rows = env
    .source(few, { uid: 'few', parallelism: 1 })
    .map((n) => `few ${n}=${n}`, { uid: 'rows', type: t.string })
  toSink(rows, frame, 'few-out')
}

/** Nothing is distributed anew: each subtask of the source is a region, beside which others go on. */
const forwarded: Define = (env, frame) => {
  const rows = checkedPieces(env, frame).map((n) => `piece ${n}=${n}`, {
    ...{ uid: 'rows', type: t.string, startNewChain: true },
  })
  toSink(rows, frame)
}

export const JOBS = {
  counts,
  dealt,
  windows,
  slidingWindows,
  sessions,
  union,
  timers,
  meeting,
  ruled,
  intervals,
  grouped,
  asked,
  aligned,
  apart,
  forwarded,
} as const

export type JobKind = keyof typeof JOBS
export const JOB_KINDS = Object.keys(JOBS) as JobKind[]
