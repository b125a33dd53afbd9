/**
 * A million event-time timers of 100 000 keys, registered by one record each and then fired all at once, in one slot.
 *
 *     timers.ts cost     ns to register and to fire one, with the record that does it, to the limit
 *     timers.ts slices   the event loop while they fire: p99 of the time between two turns (ms), to the limit
 */
import {
  boundedOutOfOrderness,
  type Collector,
  generator,
  job,
  type KeyedContext,
  type KeyedProcessFunction,
  runLocal,
  type Sink,
  t,
} from '../lib/index.ts'
import { printMeasurement } from './measurement.ts'

const COUNT = 1_000_000
const KEYS = 100_000
const COST_NS_MAX = 300
const SLICE_MS_MAX = 10

interface Observed {
  registerNs: number
  fireNs: number
  /** ms between turns of the event loop while timers fired, sorted. */
  turns: number[]
}

/** What is measured: from the first record to the last, and from the first timer to the last. */
class Stopwatch implements KeyedProcessFunction<number, number, number> {
  readonly turns: number[] = []
  registering = [0, 0]
  firing = [0, 0]
  #seen = 0
  #fired = 0
  #lastTurnMs = 0

  processElement(n: number, context: KeyedContext<number>): undefined {
    if (this.#seen++ === 0) this.registering[0] = performance.now()
    // Ten thousand moments, in disorder; no two timers of a key at the same.
    context.registerEventTimer(1_000_000 + ((n * 7919) % 1000) * 10 + Math.floor(n / KEYS))
    if (this.#seen === COUNT) this.registering[1] = performance.now()
  }

  onTimer(timestamp: number, _context: unknown, out: Collector<number>): undefined {
    if (this.#fired++ === 0) this.#begin()
    out.collect(timestamp)
    if (this.#fired === COUNT) this.firing[1] = performance.now()
  }

  #begin(): void {
    this.firing[0] = performance.now()
    this.#lastTurnMs = this.firing[0]
    const turn = (): void => {
      const nowMs = performance.now()
      this.turns.push(nowMs - this.#lastTurnMs)
      this.#lastTurnMs = nowMs
      if (this.#fired < COUNT) setImmediate(turn)
    }
    setImmediate(turn)
  }
}

async function observe(): Promise<Observed> {
  let stopwatch!: Stopwatch
  let received = 0
  const sink: Sink<number> = {
    name: 'count',
    createWriter: () => ({ write: () => void received++, flush() {}, close() {} }),
  }
  const timers = job('timers', (env) => {
    stopwatch = new Stopwatch()
    env
      .source(generator({ count: COUNT, type: t.int64, generate: (n) => n }), {
        watermarks: boundedOutOfOrderness('1s', () => 0),
      })
      .keyBy((n) => n % KEYS)
      .process(stopwatch)
      .sinkTo(sink)
  })
  await runLocal(timers)
  if (received !== COUNT) throw new Error(`${received} timers of ${COUNT} fired`)
  const took = ([fromMs, toMs]: number[]) => ((toMs! - fromMs!) * 1e6) / COUNT
  return {
    registerNs: took(stopwatch.registering),
    fireNs: took(stopwatch.firing),
    turns: stopwatch.turns.sort((a, b) => a - b),
  }
}

const kind = process.argv[2] ?? 'cost'
await observe()
const { registerNs, fireNs, turns } = await observe()
if (kind === 'slices') {
  const p99 = turns[Math.floor(turns.length * 0.99)]!
  printMeasurement({ sluice: p99, bare: SLICE_MS_MAX, unit: 'ms', ratio: p99 / SLICE_MS_MAX })
} else {
  const dearer = Math.max(registerNs, fireNs)
  process.stderr.write(`register ${registerNs.toFixed(0)} ns, fire ${fireNs.toFixed(0)} ns\n`)
  printMeasurement({ sluice: dearer, bare: COST_NS_MAX, unit: 'ns/timer', ratio: dearer / COST_NS_MAX })
}
