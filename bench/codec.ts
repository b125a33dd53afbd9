/**
 * What a record costs to encode and decode: Sluice's generated codecs against JSON and msgpackr, in the same
 * process, taking turns, so that a noisy machine hits all alike. Figures are medians of rounds, in ns per
 * record; ratios to JSON are what to compare between machines.
 *
 *     node --import tsx bench/codec.ts [rounds [race]]
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Packr } from 'msgpackr'
import { ByteReader } from '../lib/base/byte-reader.ts'
import { ByteWriter } from '../lib/base/byte-writer.ts'
import { systemClock } from '../lib/base/clock.ts'
import { SeededRandom } from '../lib/base/prng.ts'
import { t } from '../lib/types/t.ts'
import type { Infer, Type } from '../lib/types/type.ts'

/** Few enough for what is encoded to stay in the processor's cache, as a frame does that is sent at once. */
const RECORDS = 3000
const BATCH = 300
const PASSES = 40

const bid = t.object({
  auction: t.int64,
  bidder: t.int64,
  price: t.int64,
  channel: t.string,
  url: t.string,
  dateTime: t.timestamp,
  extra: t.string,
})
const total = t.object({ key: t.int32, count: t.int64, ts: t.timestamp })

type Bid = Infer<typeof bid>
type Total = Infer<typeof total>

const random = new SeededRandom(1)

function letters(length: number, first: number): string {
  const codes = Array.from({ length }, () => first + random.nextInt(26))
  return String.fromCharCode(...codes)
}

/** A Nexmark bid as the benchmark's generator spreads them; `first` is the first of 26 letters in `extra`. */
function makeBid(index: number, first: number): Bid {
  const isHot = random.nextInt(2) === 0
  const channel = isHot
    ? ['Google', 'Facebook', 'Baidu', 'Apple'][random.nextInt(4)]!
    : `channel-${random.nextInt(10_000)}`
  const path = `${letters(4, 97)}/${letters(4, 97)}/${letters(4, 97)}`
  return {
    auction: 1000 + Math.floor(index / 16) + random.nextInt(100),
    bidder: 1000 + Math.floor(index / 50) + random.nextInt(1000),
    price: Math.floor(100 * 10 ** (6 * random.nextFloat())),
    channel,
    url: `https://www.nexmark.com/${path}/item.htm?query=1${isHot ? '' : `&channel_id=${random.nextUint32()}`}`,
    dateTime: 1_436_918_400_000 + Math.floor(index / 10),
    extra: letters(40 + random.nextInt(50), first),
  }
}

const makeTotal = (index: number): Total => ({
  key: random.nextInt(1000),
  count: random.nextInt(100_000),
  ts: 1_436_918_400_000 + index,
})

interface Contender<T> {
  readonly name: string
  /** Encodes one batch and returns its size in bytes; `slot` says where to leave it for decoding. */
  encode(batch: readonly T[], slot: number): number
  decode(slot: number): void
}

function jsonContender<T>(): Contender<T> {
  const slots: string[] = []
  return {
    name: 'JSON',
    encode(batch, slot) {
      slots[slot] = JSON.stringify(batch)
      return slots[slot].length
    },
    decode: (slot) => keep(JSON.parse(slots[slot]!)),
  }
}

function msgpackrContender<T>(): Contender<T> {
  const packr = new Packr({ structures: [] })
  const slots: Buffer[] = []
  return {
    name: 'msgpackr, shared structures',
    encode(batch, slot) {
      slots[slot] = packr.pack(batch)
      return slots[slot].length
    },
    decode: (slot) => keep(packr.unpack(slots[slot]!)),
  }
}

/** One buffer per batch, as a channel has one per frame: nobody pays for a copy. */
function openSlots(): ByteWriter[] {
  return Array.from({ length: RECORDS / BATCH }, () => new ByteWriter(65_536))
}

function batchContender<T>(name: string, type: Type<T>): Contender<T> {
  const encoder = type.newBatchEncoder()
  const decoder = type.newBatchDecoder()
  const slots = openSlots()
  const into: T[] = []
  return {
    name,
    encode(batch, slot) {
      const out = slots[slot]!
      out.reset()
      for (const record of batch) encoder.write(record)
      encoder.finish(out)
      return out.length
    },
    decode(slot) {
      decoder.decode(new ByteReader(slots[slot]!.view()), BATCH, into)
      keep(into)
    },
  }
}

function rowContender<T>(type: Type<T>): Contender<T> {
  const { row } = type
  const slots = openSlots()
  const into: T[] = []
  return {
    name: 'Sluice row',
    encode(batch, slot) {
      const out = slots[slot]!
      out.reset()
      for (const record of batch) row.write(out, record)
      return out.length
    },
    decode(slot) {
      const input = new ByteReader(slots[slot]!.view())
      for (let i = 0; i < BATCH; i++) into[i] = row.read(input)
      keep(into)
    },
  }
}

let kept: unknown
/** Results are stored where the optimiser cannot prove that nobody looks. */
function keep(value: unknown): void {
  kept = value
}

interface Timing {
  readonly name: string
  bytes: number
  readonly encode: number[]
  readonly decode: number[]
}

function race<T>(
  title: string,
  records: readonly T[],
  contenders: readonly Contender<T>[],
  rounds: number,
): void {
  const batches = Array.from({ length: RECORDS / BATCH }, (_, i) => records.slice(i * BATCH, (i + 1) * BATCH))
  const timings = contenders.map(
    (contender): Timing => ({ name: contender.name, bytes: 0, encode: [], decode: [] }),
  )
  for (let round = -3; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      const timing = timings[i]!
      const start = systemClock.monotonic()
      for (let pass = 0; pass < PASSES; pass++) timing.bytes = encodeAll(contender, batches)
      const middle = systemClock.monotonic()
      for (let pass = 0; pass < PASSES; pass++) decodeAll(contender, batches.length)
      const end = systemClock.monotonic()
      if (round < 0) continue
      timing.encode.push(((middle - start) * 1e6) / (RECORDS * PASSES))
      timing.decode.push(((end - middle) * 1e6) / (RECORDS * PASSES))
    }
  }
  report(title, timings)
}

function encodeAll<T>(contender: Contender<T>, batches: readonly T[][]): number {
  let bytes = 0
  for (const [slot, batch] of batches.entries()) bytes += contender.encode(batch, slot)
  return bytes
}

function decodeAll<T>(contender: Contender<T>, slots: number): void {
  for (let slot = 0; slot < slots; slot++) contender.decode(slot)
}

function report(title: string, timings: readonly Timing[]): void {
  const sum = (timing: Timing) => median(timing.encode) + median(timing.decode)
  const baseline = sum(timings[0]!)
  const rows = timings.map((timing) => [
    timing.name,
    (timing.bytes / RECORDS).toFixed(0),
    median(timing.encode).toFixed(0),
    median(timing.decode).toFixed(0),
    sum(timing).toFixed(0),
    `${(baseline / sum(timing)).toFixed(2)}x`,
  ])
  const lines = [[title, 'B/record', 'encode', 'decode', 'sum', 'JSON/this'], ...rows].map(
    ([name, ...cells]) => name!.padEnd(34) + cells.map((cell) => cell.padStart(10)).join(''),
  )
  process.stdout.write(`${lines.join('\n')}\n\n`)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}

const indices = Array.from({ length: RECORDS }, (_, i) => i)

/** Records as a source hands them over, parsed from text: their strings are not tied to a batch. */
function parsed<T>(make: (index: number) => T): T[] {
  return JSON.parse(JSON.stringify(indices.map(make)))
}

function typed<T>(type: Type<T>): Contender<T>[] {
  return [
    jsonContender<T>(),
    msgpackrContender<T>(),
    batchContender('Sluice batch', type),
    rowContender(type),
  ]
}

function untyped<T>(): Contender<T>[] {
  return [
    jsonContender<T>(),
    msgpackrContender<T>(),
    batchContender('Sluice batch of t.any', t.any as Type<T>),
  ]
}

const latinBids = () => parsed((i) => makeBid(i, 97))
const cyrillicBids = () => parsed((i) => makeBid(i, 0x430))

/** Each in a process of its own: code that has seen other types is slower, and who comes last would pay. */
const RACES: Record<string, (rounds: number) => void> = {
  bid: (rounds) => race('Bid (7 fields, 3 strings)', latinBids(), typed(bid), rounds),
  total: (rounds) => race('{ key, count, ts }', parsed(makeTotal), typed(total), rounds),
  cyrillic: (rounds) => race('Bid with Cyrillic extra', cyrillicBids(), typed(bid), rounds),
  any: (rounds) => race('Bid without a type', latinBids(), untyped(), rounds),
}

const [rounds = '15', name] = process.argv.slice(2)
const chosen = name === undefined ? undefined : RACES[name]
if (chosen === undefined) {
  process.stdout.write(
    `node ${process.version}, batches of ${BATCH}, medians of ${rounds}, ns per record\n\n`,
  )
  for (const each of Object.keys(RACES)) {
    const options = { stdio: 'inherit' } as const
    spawnSync(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), rounds, each], options)
  }
} else {
  chosen(Number(rounds))
  if (kept === undefined) process.stdout.write('nothing was decoded\n')
}
