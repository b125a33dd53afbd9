/** Puts a generator's watermarks on an operator's output: never back, and activity before each. */
import { checkWatermark, MIN_TIMESTAMP } from '../time/timestamp.ts'
import type { AlignedWatermark } from '../time/watermark-alignment.ts'
import type { WatermarkOutput } from '../time/watermark-strategy.ts'
import type { Output } from './stream-operator.ts'

export class WatermarkEmitter implements WatermarkOutput {
  readonly #output: Output<unknown>
  #watermark = MIN_TIMESTAMP
  #isIdle = false
  readonly #aligned: AlignedWatermark | null

  /** `aligned` is kept up to date, if the operator takes part in an alignment. */
  constructor(output: Output<unknown>, aligned: AlignedWatermark | null = null) {
    this.#output = output
    this.#aligned = aligned
  }

  get watermark(): number {
    return this.#watermark
  }

  emitWatermark(timestamp: number): void {
    checkWatermark(timestamp)
    if (timestamp <= this.#watermark) return
    this.#watermark = timestamp
    if (this.#aligned !== null) this.#aligned.watermark = timestamp
    this.markActive()
    this.#output.emitWatermark(timestamp)
  }

  markIdle(): void {
    if (this.#isIdle) return
    this.#isIdle = true
    if (this.#aligned !== null) this.#aligned.isIdle = true
    this.#output.emitStatus(true)
  }

  markActive(): void {
    if (!this.#isIdle) return
    this.#isIdle = false
    if (this.#aligned !== null) this.#aligned.isIdle = false
    this.#output.emitStatus(false)
  }
}
