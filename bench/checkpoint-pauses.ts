/**
 * A million keys that change at full speed, in one slot, with a checkpoint every second into a directory.
 *
 *     checkpoint-pauses.ts heap|leveldb pauses      the longest time between two turns of the event loop in each 50 ms,
 *                                                   of these p99 (ms), to the limit
 *     checkpoint-pauses.ts heap|leveldb throughput  records per second, to those without checkpoints
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { checkpointSettings } from '../lib/config/config-settings.ts'
import { defaultConfig } from '../lib/config/resolve-config.ts'
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
import { alternate, printMeasurement } from './measurement.ts'

const KEYS = 1_000_000
/** Until every key is there, and what the collector does with so many new objects is over. */
const WARM_UP = 3 * KEYS
/** Of the job that is measured: the warm-up, and then for fifteen seconds or so, which are some 300 windows. */
const RECORDS = { heap: 45_000_000, leveldb: 12_000_000 }
const PAUSE_MS_MAX = { heap: 10, leveldb: 20 }
/** A loop that has nothing to do for a moment turns a million times a second: turns by themselves say nothing. */
const WINDOW_MS = 50
/** Has no factor in common with KEYS. Small enough for products to be exact. */
const SCATTER = 2_654_435_761 % KEYS

/** Of LevelDB: the keys fit into its cache. They come round in one order, so that otherwise no read would find one. */
const MEMORY_BYTES = 512 * 2 ** 20

type Backend = keyof typeof RECORDS

interface Observed {
  /** After the warm-up. */
  readonly recordsPerSecond: number
  /** ms between turns of the event loop in that time, the longest of each WINDOW_MS, sorted. */
  readonly pauses: readonly number[]
}

class Count implements KeyedProcessFunction<number, number, number> {
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

const directory = mkdtempSync(join(tmpdir(), 'checkpoint-pauses-'))
process.once('exit', () => rmSync(directory, { recursive: true, force: true }))

async function observe(backend: Backend, hasCheckpoints: boolean): Promise<Observed> {
  const records = RECORDS[backend]
  const pauses: number[] = []
  let seen = 0
  let startedMs = 0
  let endedMs = 0
  let lastTurnMs = 0
  const turn = (): void => {
    const nowMs = performance.now()
    const window = Math.floor((lastTurnMs - startedMs) / WINDOW_MS)
    pauses[window] = Math.max(pauses[window] ?? 0, nowMs - lastTurnMs)
    lastTurnMs = nowMs
    if (endedMs === 0) setImmediate(turn)
  }
  const sink: Sink<number> = {
    name: 'count',
    createWriter: () => ({
      write() {
        if (++seen !== WARM_UP) return
        startedMs = performance.now()
        lastTurnMs = startedMs
        setImmediate(turn)
      },
      flush() {
        if (seen === records) endedMs = performance.now()
      },
      close() {},
    }),
  }
  const changing = job('checkpoint-pauses', (env) => {
    env
      .source(generator({ count: records, type: t.int64, generate: (i) => (i * SCATTER) % KEYS }))
      .keyBy((n) => n)
      .process(new Count())
      .sinkTo(sink)
  })
  const config = { ...defaultConfig(), 'checkpoint.interval': 1000, 'state.memory': MEMORY_BYTES }
  await runLocal(changing, {
    task: { state: { backend, timers: 'heap', memoryBytes: config['state.memory'] } },
    stateDirectory: join(directory, 'state'),
    ...(hasCheckpoints
      ? { checkpoint: checkpointSettings(config, pathToFileURL(join(directory, 'checkpoints')).href) }
      : {}),
  })
  return {
    recordsPerSecond: ((records - WARM_UP) / (endedMs - startedMs)) * 1000,
    // Windows within a pause have no turn of their own.
    pauses: pauses.filter((pause) => pause !== undefined).sort((a, b) => a - b),
  }
}

const [backend, measured] = process.argv.slice(2) as [Backend, 'pauses' | 'throughput']
if (measured === 'pauses') {
  const { pauses } = await observe(backend, true)
  const p99 = pauses[Math.floor(pauses.length * 0.99)]!
  const limit = PAUSE_MS_MAX[backend]
  printMeasurement({ sluice: p99, bare: limit, unit: 'ms', ratio: p99 / limit })
} else {
  await alternate({
    sluice: async () => (await observe(backend, true)).recordsPerSecond,
    bare: async () => (await observe(backend, false)).recordsPerSecond,
    unit: 'K records/s',
    scale: 1 / 1000,
  })
}
