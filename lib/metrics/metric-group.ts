/**
 * Metrics of one subtask (or process): counters that the hot path increments as plain numbers, gauges that are read
 * when somebody asks. Names follow Prometheus (snake case, base units, `_total`).
 */
import { assert } from '../base/assert.ts'

/** A number that only grows. The hot path may add to `value` directly. */
export class Counter {
  value = 0

  increment(by = 1): void {
    this.value += by
  }
}

export type Gauge = () => number

/** How many metrics one group may have; the next one is refused, since it points to names made from data. */
const METRICS_MAX = 1000

export class MetricGroup {
  readonly #counters = new Map<string, Counter>()
  readonly #gauges = new Map<string, Gauge>()

  /** The counter of this name, created at the first call. */
  counter(name: string): Counter {
    const known = this.#counters.get(name)
    if (known !== undefined) return known
    this.#checkRoom(name)
    const counter = new Counter()
    this.#counters.set(name, counter)
    return counter
  }

  /** Registers (or replaces) a gauge. */
  gauge(name: string, gauge: Gauge): void {
    if (!this.#gauges.has(name)) this.#checkRoom(name)
    this.#gauges.set(name, gauge)
  }

  read(): Record<string, number> {
    const values: Record<string, number> = {}
    for (const [name, counter] of this.#counters) values[name] = counter.value
    for (const [name, gauge] of this.#gauges) values[name] = gauge()
    return values
  }

  #checkRoom(name: string): void {
    assert(
      this.#counters.size + this.#gauges.size < METRICS_MAX,
      `room for one more metric than ${METRICS_MAX}: ${name}`,
    )
  }
}
