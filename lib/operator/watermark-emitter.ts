/** Puts a generator's watermarks on an operator's output: never back, and activity before each. */

import { MIN_TIMESTAMP } from '../time/timestamp.ts'
import type { WatermarkOutput } from '../time/watermark-strategy.ts'
import type { Output } from './stream-operator.ts'

export class WatermarkEmitter implements WatermarkOutput {
  readonly #output: Output<unknown>
  #watermark = MIN_TIMESTAMP
  #isIdle = false

  constructor(output: Output<unknown>) {
    this.#output = output
  }

  get watermark(): number {
    return this.#watermark
  }

  emitWatermark(timestamp: number): void {
    if (timestamp <= this.#watermark) return
    this.#watermark = timestamp
    this.markActive()
    this.#output.emitWatermark(timestamp)
  }

  markIdle(): void {
    if (this.#isIdle) return
    this.#isIdle = true
    this.#output.emitStatus(true)
  }

  markActive(): void {
    if (!this.#isIdle) return
    this.#isIdle = false
    this.#output.emitStatus(false)
  }
}
