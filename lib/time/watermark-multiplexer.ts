/**
 * Several sources of watermarks inside one: the splits of a source reader. Sends the minimum over the outputs that
 * are not idle. Flink's WatermarkOutputMultiplexer. Immediate outputs (punctuated watermarks) move the combined
 * watermark at once, deferred ones (periodic watermarks) at the next periodic emission.
 */
import { assert } from '../base/assert.ts'
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from './timestamp.ts'
import type { WatermarkOutput } from './watermark-strategy.ts'

interface SplitTime {
  watermark: number
  isIdle: boolean
  readonly immediate: WatermarkOutput
  readonly deferred: WatermarkOutput
}

export class WatermarkMultiplexer {
  readonly #target: WatermarkOutput
  readonly #partials = new Map<string, SplitTime>()
  #combined = MIN_TIMESTAMP

  constructor(target: WatermarkOutput) {
    this.#target = target
  }

  /** Adds an output; until it has a watermark (or is idle) it holds the combined one back. */
  register(id: string): void {
    assert(!this.#partials.has(id), `watermark output ${id} is new`)
    this.#partials.set(id, this.#newPartial())
  }

  /** Removes an output; what it held back is released by the next periodic emission. */
  unregister(id: string): void {
    this.#partials.delete(id)
  }

  immediate(id: string): WatermarkOutput {
    return this.#partials.get(id)!.immediate
  }

  deferred(id: string): WatermarkOutput {
    return this.#partials.get(id)!.deferred
  }

  onPeriodicEmit(): void {
    this.#update()
  }

  #newPartial(): SplitTime {
    const output = (isImmediate: boolean): WatermarkOutput => ({
      emitWatermark: (timestamp) => {
        partial.isIdle = false
        if (timestamp <= partial.watermark) return
        partial.watermark = timestamp
        if (isImmediate) this.#update()
      },
      markIdle: () => {
        partial.isIdle = true
        if (isImmediate) this.#update()
      },
      markActive: () => {
        partial.isIdle = false
        if (isImmediate) this.#update()
      },
    })
    const partial: SplitTime = {
      watermark: MIN_TIMESTAMP,
      isIdle: false,
      immediate: output(true),
      deferred: output(false),
    }
    return partial
  }

  #update(): void {
    if (this.#partials.size === 0) return
    let minimum = MAX_TIMESTAMP
    let isAllIdle = true
    for (const partial of this.#partials.values()) {
      if (partial.isIdle) continue
      isAllIdle = false
      if (partial.watermark < minimum) minimum = partial.watermark
    }
    if (isAllIdle) this.#target.markIdle()
    else if (minimum > this.#combined) {
      this.#combined = minimum
      this.#target.emitWatermark(minimum)
    }
  }
}
