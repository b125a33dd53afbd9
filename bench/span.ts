/**
 * When something took how many records: what the exchange benchmarks measure, at the receiving end. The first fifth is
 * not part of it: connections are made, windows grow, and code is compiled then.
 */
export interface Span {
  /** By the wall clock, so that the spans of several threads and processes can be put together. */
  readonly firstMs: number
  readonly lastMs: number
  /** Those between the two. */
  readonly records: number
}

const WARM_UP_SHARE = 0.2

export class SpanRecorder {
  readonly #warmUp: number
  #records = 0
  #skipped = 0
  #firstMs = 0
  #lastMs = 0

  /** `count`: about how many records there will be. */
  constructor(count: number) {
    this.#warmUp = count * WARM_UP_SHARE
  }

  add(records: number): void {
    this.#records += records
    if (this.#firstMs === 0 && this.#records >= this.#warmUp) this.#begin()
  }

  end(): void {
    this.#lastMs = now()
  }

  toJSON(): Span {
    return { firstMs: this.#firstMs, lastMs: this.#lastMs, records: this.#records - this.#skipped }
  }

  #begin(): void {
    this.#firstMs = now()
    this.#skipped = this.#records
  }
}

/** `Date.now` has whole milliseconds, which is enough for seconds, and unlike `performance.now` one zero for all. */
function now(): number {
  return Date.now()
}

/** Records per second of spans that were at the same time, as a whole. */
export function rateOf(spans: readonly Span[]): number {
  const firstMs = Math.min(...spans.map((span) => span.firstMs))
  const lastMs = Math.max(...spans.map((span) => span.lastMs))
  const records = spans.reduce((sum, span) => sum + span.records, 0)
  return (records / (lastMs - firstMs)) * 1000
}
