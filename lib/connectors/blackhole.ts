/** A sink that counts and forgets: for measuring everything before it. */
import type { Sink } from '../function/sink.ts'
import type { MetricGroup } from '../metrics/metric-group.ts'

export interface BlackholeOptions {
  /**
   * Also measures how far records are behind the clock when they get here: now minus event time. The gauges
   * `event_time_lag_ms_min`, `_p50`, `_p99` and `_p999` tell it, in whole milliseconds; records without a timestamp, or
   * more than a minute behind, do not count. `since`: only records of this event time or later do, which leaves out
   * those of a job that is still being compiled. Default false.
   */
  readonly lag?: boolean | { readonly since: number }
}

const LAG_MS_MAX = 60_000
const QUANTILES = { min: 0, p50: 0.5, p99: 0.99, p999: 0.999 }

export function blackholeSink<T>({ lag = false }: BlackholeOptions = {}): Sink<T> {
  const since = typeof lag === 'object' ? lag.since : Number.NEGATIVE_INFINITY
  return {
    name: 'blackhole',
    createWriter({ metrics, clock }) {
      const records = metrics.counter('records_dropped_on_purpose_total')
      const lags = lag !== false ? new Lags(metrics) : null
      return {
        write(_value, context) {
          records.value++
          const { timestamp } = context
          if (lags !== null && timestamp !== undefined && timestamp >= since)
            lags.add(clock.now() - timestamp)
        },
        flush() {},
        close() {},
      }
    },
  }
}

/** How many records there were of each lag. */
class Lags {
  readonly #counts = new Uint32Array(LAG_MS_MAX)
  #count = 0

  constructor(metrics: MetricGroup) {
    for (const [name, quantile] of Object.entries(QUANTILES))
      metrics.gauge(`event_time_lag_ms_${name}`, () => this.#quantile(quantile))
  }

  add(lagMs: number): void {
    if (!(lagMs >= 0 && lagMs < LAG_MS_MAX)) return
    this.#counts[Math.floor(lagMs)]!++
    this.#count++
  }

  /** The lag that this share of the records is below or at; 0 if there are none. */
  #quantile(share: number): number {
    let left = Math.max(1, Math.ceil(share * this.#count))
    for (const [lagMs, count] of this.#counts.entries()) {
      left -= count
      if (left <= 0) return lagMs
    }
    return 0
  }
}
