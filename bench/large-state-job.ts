/**
 * The job of the large-state benchmark: at first every key gets a value, 1 GiB in all, and from then on keys get new
 * ones at a rate at which 1 % of them change between two checkpoints. Says how long the event loop of its slot stood
 * still at most, from the first change on.
 */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import {
  type Collector,
  generator,
  job,
  type KeyedContext,
  type KeyedProcessFunction,
  type RuntimeContext,
  t,
  type ValueState,
  valueState,
} from 'sluice'
import { blackholeSink } from '../lib/connectors/blackhole.ts'

export const KEYS = 2 ** 18
export const VALUE_BYTES = 4096
export const INTERVAL_MS = 500
const CHANGED_SHARE = 0.01
const RATE = (KEYS * CHANGED_SHARE * 1000) / INTERVAL_MS
/** Records of the source that fill the state: each stands for as many keys. */
const FILLING = 1024
const PER_FILLING = KEYS / FILLING
/** Not a divisor of the number of keys, so that every key has its turn. */
const STRIDE = 7919

interface Change {
  readonly key: number
  readonly n: number
}

class Keep implements KeyedProcessFunction<number, Change, number> {
  #value!: ValueState<Uint8Array>
  #pauses: IntervalHistogram | null = null

  open(context: RuntimeContext): void {
    this.#value = context.state(valueState('value', t.bytes))
  }

  processElement({ key, n }: Change, _context: KeyedContext<number>, _out: Collector<number>): void {
    if (n >= 0 && this.#pauses === null) {
      this.#pauses = monitorEventLoopDelay({ resolution: 1 })
      this.#pauses.enable()
    }
    const value = new Uint8Array(VALUE_BYTES)
    value.fill(n & 0xff)
    value[0] = key & 0xff
    this.#value.update(value)
  }

  close(): void {
    if (this.#pauses === null) return
    const [p99, max] = [this.#pauses.percentile(99), this.#pauses.max].map((ns) => (ns / 1e6).toFixed(1))
    process.stderr.write(`  event loop of the slot: p99 ${p99} ms, at most ${max} ms\n`)
  }
}

export default job('large-state', (env) => {
  env
    .source(generator({ ratePerSecond: RATE, generate: (n) => n }), { uid: 'numbers' })
    .flatMap((n): Iterable<Change> => changesOf(n), { uid: 'changes' })
    .keyBy(({ key }) => key)
    .process(new Keep(), { uid: 'keep' })
    .sinkTo(blackholeSink(), { uid: 'nowhere' })
})

function changesOf(n: number): Change[] {
  if (n >= FILLING) return [{ key: (n * STRIDE) % KEYS, n }]
  return Array.from({ length: PER_FILLING }, (_, i) => ({ key: n * PER_FILLING + i, n: -1 }))
}
