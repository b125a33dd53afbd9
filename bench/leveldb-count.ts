/**
 * A count per key over 5 M keys, most of them on disk: Zipf-distributed records (exponent 0.99) through a keyed count
 * on the LevelDB backend, against a loop over classic-level itself with a write-back cache of as many entries in front.
 * Both are filled with every key first, and measured by the records after that.
 *
 *     node --import tsx bench/leveldb-count.ts --prefetch     the count with state read ahead, to the same without
 *     node --import tsx bench/leveldb-count.ts --keys 400000 --records 400000 --megabytes 5
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ClassicLevel } from 'classic-level'
import {
  type Collector,
  generator,
  job,
  type KeyedProcessFunction,
  type RuntimeContext,
  runLocal,
  type Sink,
  t,
  type ValueState,
  valueState,
} from '../lib/index.ts'
import { alternate } from './measurement.ts'

const { values: args } = parseArgs({
  options: {
    keys: { type: 'string', default: '5000000' },
    records: { type: 'string', default: '1000000' },
    megabytes: { type: 'string', default: '64' },
    /** In place of the loop: the same job without reading state ahead. */
    prefetch: { type: 'boolean', default: false },
  },
})
const KEYS = Number(args.keys)
const RECORDS = Number(args.records)
const EXPONENT = 0.99
const MEMORY_BYTES = Number(args.megabytes) * 2 ** 20
/** What the backend's cache holds of these keys and counts: three quarters of the memory, by 230 bytes each. */
const CACHE_ENTRIES = Math.floor((MEMORY_BYTES * 0.75) / 230)
const BATCH_ENTRIES = 512
/** Has no factor in common with KEYS: popular keys are strewn over all. Small enough for products to be exact. */
const SCATTER = 2_654_435_761 % KEYS

const directory = mkdtempSync(join(tmpdir(), 'leveldb-count-'))
process.once('exit', () => rmSync(directory, { recursive: true, force: true }))

const sequence = zipf()
const keyOf = (number: number): string => `key-${number.toString().padStart(8, '0')}`
/** Every key once, in no order, then the sequence. */
const numberOf = (i: number): number => (i < KEYS ? (i * SCATTER) % KEYS : sequence[i - KEYS]!)

function zipf(): Uint32Array {
  const sums = new Float64Array(KEYS)
  let sum = 0
  for (let rank = 0; rank < KEYS; rank++) {
    sum += 1 / (rank + 1) ** EXPONENT
    sums[rank] = sum
  }
  let state = 1
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  return Uint32Array.from({ length: RECORDS }, () => (rankOf(sums, random() * sum) * SCATTER) % KEYS)
}

/** The first rank whose sum is not below `sum`. */
function rankOf(sums: Float64Array, sum: number): number {
  let [low, high] = [0, sums.length - 1]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sums[middle]! < sum) low = middle + 1
    else high = middle
  }
  return low
}

class Count implements KeyedProcessFunction<string, number, number> {
  #count!: ValueState<number>

  open(context: RuntimeContext): void {
    this.#count = context.state(valueState('count', t.int64))
  }

  processElement(_number: number, _context: unknown, out: Collector<number>): void {
    const count = (this.#count.value() ?? 0) + 1
    this.#count.update(count)
    out.collect(count)
  }
}

/** Records per second. */
async function inSluice(isPrefetching: boolean): Promise<number> {
  let seen = 0
  let total = 0
  let startedMs = 0
  let endedMs = 0
  const sink: Sink<number> = {
    name: 'sum',
    createWriter: () => ({
      write(count) {
        if (seen++ === KEYS) startedMs = performance.now()
        if (seen > KEYS) total += count
      },
      flush() {
        endedMs = performance.now()
      },
      close() {},
    }),
  }
  const counting = job('leveldb-count', (env) => {
    env
      .source(generator({ count: KEYS + RECORDS, type: t.int64, generate: numberOf }))
      .keyBy(keyOf)
      // As at any parallelism above one: what waits for the count comes in batches, whose state can be read ahead.
      .process(new Count(), { startNewChain: true })
      .sinkTo(sink)
  })
  const state = { backend: 'leveldb', timers: 'heap', memoryBytes: MEMORY_BYTES } as const
  await runLocal(counting, {
    task: { state: isPrefetching ? state : { ...state, prefetchKeysMin: null } },
    stateDirectory: join(directory, 'sluice'),
  })
  check(total)
  return (RECORDS / (endedMs - startedMs)) * 1000
}

interface Cached {
  readonly key: string
  count: number
  isDirty: boolean
  isUsed: boolean
}

/** The same by hand: a ring with a clock's hand, changed entries written in batches when it takes them. */
class Cache {
  readonly #store: ClassicLevel<string, Uint8Array>
  readonly #map = new Map<string, Cached>()
  readonly #ring: Cached[] = []
  #hand = 0
  /** To be written, or being written. */
  readonly #batch = new Map<string, Cached>()
  total = 0

  constructor(store: ClassicLevel<string, Uint8Array>) {
    this.#store = store
  }

  count(key: string): Promise<void> | undefined {
    const entry = this.#map.get(key) ?? this.#read(key)
    entry.count++
    entry.isDirty = true
    entry.isUsed = true
    this.total += entry.count
    return this.#batch.size >= BATCH_ENTRIES ? this.#write() : undefined
  }

  #read(key: string): Cached {
    const count = this.#batch.get(key)?.count ?? this.#countOf(key)
    const entry = { key, count, isDirty: false, isUsed: true }
    this.#map.set(key, entry)
    if (this.#ring.length < CACHE_ENTRIES) this.#ring.push(entry)
    else this.#replace(entry)
    return entry
  }

  #countOf(key: string): number {
    const value = this.#store.getSync(key)
    return value === undefined ? 0 : Buffer.from(value).readDoubleLE()
  }

  #replace(entry: Cached): void {
    for (;;) {
      this.#hand = (this.#hand + 1) % this.#ring.length
      const victim = this.#ring[this.#hand]!
      if (victim.isUsed) {
        victim.isUsed = false
        continue
      }
      this.#map.delete(victim.key)
      if (victim.isDirty) this.#batch.set(victim.key, victim)
      this.#ring[this.#hand] = entry
      return
    }
  }

  async #write(): Promise<void> {
    const batch = Array.from(this.#batch.values(), ({ key, count }) => {
      const value = Buffer.allocUnsafe(8)
      value.writeDoubleLE(count)
      return { type: 'put' as const, key, value }
    })
    await this.#store.batch(batch)
    this.#batch.clear()
  }
}

async function byHand(): Promise<number> {
  const location = join(directory, 'bare')
  const store = new ClassicLevel<string, Uint8Array>(location, { valueEncoding: 'view' })
  await store.open({
    cacheSize: MEMORY_BYTES / 8,
    writeBufferSize: MEMORY_BYTES / 16,
    maxFileSize: 16 * 2 ** 20,
  })
  const cache = new Cache(store)
  let startedMs = 0
  for (let i = 0; i < KEYS + RECORDS; i++) {
    if (i === KEYS) {
      startedMs = performance.now()
      cache.total = 0
    }
    const written = cache.count(keyOf(numberOf(i)))
    if (written !== undefined) await written
  }
  const seconds = (performance.now() - startedMs) / 1000
  check(cache.total)
  await store.close()
  rmSync(location, { recursive: true })
  return RECORDS / seconds
}

/** Both have counted right. */
function check(total: number): void {
  const counts = new Uint32Array(KEYS).fill(1)
  let expected = 0
  for (const number of sequence) expected += ++counts[number]!
  if (total !== expected) throw new Error(`expected counts of ${expected} in all, found ${total}`)
}

await alternate({
  sluice: () => inSluice(true),
  bare: args.prefetch ? () => inSluice(false) : byHand,
  unit: 'K records/s',
  scale: 1 / 1000,
})
