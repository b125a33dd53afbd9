/**
 * What all Nexmark queries share: the arguments, the stream of events with its event time, the way out of results.
 *
 *     --events N   how many, default 100000; a multiple of --ooo
 *     --seed S     default 1
 *     --rate R     events per second of event time, default 10000
 *     --ooo G      events change places within groups of G, default 1
 *     --pace P     events per second as they are made; default: as fast as they are taken
 *     --base-time T  when the first event happens, ms since the epoch; default 2015-07-15. With it --sink blackhole
 *                  measures how far results are behind the clock
 *     --sink K     print (default), blackhole; files: JSON lines into the directory --path; jetstream: JSON, exactly
 *                  once, to --subject
 */
import { parseArgs } from 'node:util'
import {
  blackholeSink,
  boundedOutOfOrderness,
  type DataStream,
  fileSink,
  generator,
  jetstreamSink,
  jsonLines,
  type StreamEnvironment,
} from 'sluice'
import { NexmarkGenerator } from './generator.ts'
import { type Auction, auction, type Bid, bid, type Event, event, type Person, person } from './model.ts'

/** What a thousand cents are in euro cents; or, what one is in thousandths of them. */
export const EUROS_PER_1000_DOLLARS = 908

const SINKS = ['print', 'blackhole', 'files', 'jetstream'] as const

export interface NexmarkArguments {
  readonly events: number
  readonly seed: number
  readonly rate: number
  readonly ooo: number
  /** Null: no limit. */
  readonly pace: number | null
  /** Null: the usual day of 2015. */
  readonly baseTime: number | null
  readonly generator: NexmarkGenerator
  readonly sink: (typeof SINKS)[number]
  /** Where files go; empty unless `sink` is files. */
  readonly path: string
  /** Where messages go; empty unless `sink` is jetstream. */
  readonly subject: string
}

/** Throws an Error that names the argument. */
export function readArguments(args: readonly string[]): NexmarkArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      events: { type: 'string', default: '100000' },
      seed: { type: 'string', default: '1' },
      rate: { type: 'string', default: '10000' },
      ooo: { type: 'string', default: '1' },
      pace: { type: 'string' },
      'base-time': { type: 'string' },
      sink: { type: 'string', default: 'print' },
      path: { type: 'string', default: '' },
      subject: { type: 'string', default: '' },
    },
  })
  const events = integer('--events', values.events, 0)
  const ooo = integer('--ooo', values.ooo, 1)
  if (events % ooo !== 0) {
    throw new RangeError(`--events ${events}: expected a multiple of --ooo ${ooo}, so that groups are whole`)
  }
  const sink = SINKS.find((name) => name === values.sink)
  if (sink === undefined) throw new RangeError(`--sink: expected ${SINKS.join(', ')}, found "${values.sink}"`)
  if (sink === 'files' && values.path === '') throw new RangeError('--sink files: --path is missing')
  if (sink === 'jetstream' && values.subject === '')
    throw new RangeError('--sink jetstream: --subject is missing')
  const seed = integer('--seed', values.seed, 0)
  const rate = integer('--rate', values.rate, 1)
  const baseTime = values['base-time'] === undefined ? null : integer('--base-time', values['base-time'], 0)
  const start = baseTime === null ? {} : { baseTime }
  const nexmark = new NexmarkGenerator({ seed, rate, ...start, outOfOrderGroupSize: ooo })
  const pace = values.pace === undefined ? null : integer('--pace', values.pace, 1)
  const { path, subject } = values
  return { events, seed, rate, ooo, pace, baseTime, generator: nexmark, sink, path, subject }
}

/** People, auctions and bids in one stream; event time trails the newest by 4 s. */
export function events(env: StreamEnvironment): DataStream<Event> {
  const { events: count, generator: nexmark, pace } = readArguments(env.args)
  const source = generator({
    name: 'nexmark',
    type: event,
    count,
    generate: (position) => nexmark.event(nexmark.numberAt(position)),
    timestamp: ({ dateTime }) => dateTime,
    ...(pace === null ? {} : { ratePerSecond: pace }),
  })
  return env.source(source, { uid: 'events', watermarks: boundedOutOfOrderness('4s') })
}

export function bids(env: StreamEnvironment): DataStream<Bid> {
  return bidsOf(events(env))
}

/** Queries that need more than one kind take them all from one stream of events: there is one clock then. */
export function bidsOf(events: DataStream<Event>): DataStream<Bid> {
  return events
    .filter(({ kind }) => kind === 'bid', { name: 'is bid' })
    .map((event) => event as Bid, { name: 'bid', type: bid })
}

export function auctionsOf(events: DataStream<Event>): DataStream<Auction> {
  return events
    .filter(({ kind }) => kind === 'auction', { name: 'is auction' })
    .map((event) => event as Auction, { name: 'auction', type: auction })
}

export function peopleOf(events: DataStream<Event>): DataStream<Person> {
  return events
    .filter(({ kind }) => kind === 'person', { name: 'is person' })
    .map((event) => event as Person, { name: 'person', type: person })
}

/** Sends results where the arguments say. */
export function deliver<T>(env: StreamEnvironment, results: DataStream<T>): void {
  const args = readArguments(env.args)
  const { sink, path, subject } = args
  const uid = 'results'
  if (sink === 'print') results.print({ uid })
  else if (sink === 'blackhole') results.sinkTo(blackholeSink<T>({ lag: steadyPart(args) }), { uid })
  else if (sink === 'jetstream')
    results.sinkTo(jetstreamSink<T>({ subject, delivery: 'exactly-once' }), { uid })
  else {
    const files = fileSink<T>({
      path,
      format: jsonLines<T>(),
      // A result is there to be read as soon as it is certain.
      rolling: 'on-checkpoint',
      suffix: '.jsonl',
    })
    results.sinkTo(files, { uid })
  }
}

/** Of events that are made at a pace, those after the first fifth, in which much is still being compiled. */
function steadyPart({ baseTime, events: count, pace }: NexmarkArguments): { since: number } | false {
  if (baseTime === null) return false
  return { since: baseTime + (pace === null ? 0 : ((count / pace) * 1000) / 5) }
}

function integer(name: string, text: string, min: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= min) return value
  throw new RangeError(`${name}: expected an integer >= ${min}, found "${text}"`)
}
