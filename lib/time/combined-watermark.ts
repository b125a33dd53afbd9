/**
 * One watermark out of those of several parts: the least over the parts that are not idle, and never back. Flink's
 * CombinedWatermarkStatus. The splits of a source are combined like that, and the inputs of an operator; the channels
 * of one input are not, see WatermarkValve.
 */
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from './timestamp.ts'

export class PartialWatermark {
  isIdle = false
  #watermark = MIN_TIMESTAMP

  get watermark(): number {
    return this.#watermark
  }

  /** A watermark implies activity, whether or not it moves anything. True if it does. */
  advance(timestamp: number): boolean {
    this.isIdle = false
    if (timestamp <= this.#watermark) return false
    this.#watermark = timestamp
    return true
  }
}

export class CombinedWatermark {
  readonly #parts = new Set<PartialWatermark>()
  #watermark = MIN_TIMESTAMP
  #isIdle = false

  get watermark(): number {
    return this.#watermark
  }

  /** Whether all parts were idle at the last update. */
  get isIdle(): boolean {
    return this.#isIdle
  }

  /** A new part; until it has a watermark or is idle it holds the others back. */
  add(): PartialWatermark {
    const part = new PartialWatermark()
    this.#parts.add(part)
    return part
  }

  remove(part: PartialWatermark): void {
    this.#parts.delete(part)
  }

  /** Takes into account what has happened to the parts; true if the watermark has moved. */
  update(): boolean {
    if (this.#parts.size === 0) return false
    let minimum = MAX_TIMESTAMP
    this.#isIdle = true
    for (const part of this.#parts) {
      if (part.isIdle) continue
      this.#isIdle = false
      if (part.watermark < minimum) minimum = part.watermark
    }
    if (this.#isIdle || minimum <= this.#watermark) return false
    this.#watermark = minimum
    return true
  }
}
