/**
 * Several sources of watermarks inside one: the splits of a source reader. Sends the minimum over the outputs that
 * are not idle. Flink's WatermarkOutputMultiplexer. Immediate outputs (punctuated watermarks) move the combined
 * watermark at once, deferred ones (periodic watermarks) at the next periodic emission.
 */
import { assert, present } from '../base/assert.ts'
import { CombinedWatermark, type PartialWatermark } from './combined-watermark.ts'
import { checkWatermark } from './timestamp.ts'
import type { WatermarkOutput } from './watermark-strategy.ts'

interface Outputs {
  readonly part: PartialWatermark
  readonly immediate: WatermarkOutput
  readonly deferred: WatermarkOutput
}

export class WatermarkMultiplexer {
  readonly #target: WatermarkOutput
  readonly #combined = new CombinedWatermark()
  readonly #outputs = new Map<string, Outputs>()

  constructor(target: WatermarkOutput) {
    this.#target = target
  }

  /** Adds an output; until it has a watermark (or is idle) it holds the combined one back. */
  register(id: string): void {
    assert(!this.#outputs.has(id), `watermark output ${id} is new`)
    const part = this.#combined.add()
    const update = () => this.#update()
    this.#outputs.set(id, { part, immediate: outputOf(part, update), deferred: outputOf(part, () => {}) })
  }

  /** Removes an output; what it held back is released by the next periodic emission. */
  unregister(id: string): void {
    const outputs = this.#outputs.get(id)
    if (outputs === undefined) return
    this.#outputs.delete(id)
    this.#combined.remove(outputs.part)
  }

  immediate(id: string): WatermarkOutput {
    return present(this.#outputs.get(id), `watermark output ${id}`).immediate
  }

  deferred(id: string): WatermarkOutput {
    return present(this.#outputs.get(id), `watermark output ${id}`).deferred
  }

  /** The outputs whose watermark is above `limit`. */
  idsAhead(limit: number): Set<string> {
    const ahead = new Set<string>()
    for (const [id, { part }] of this.#outputs) if (!part.isIdle && part.watermark > limit) ahead.add(id)
    return ahead
  }

  onPeriodicEmit(): void {
    this.#update()
  }

  #update(): void {
    if (this.#combined.update()) this.#target.emitWatermark(this.#combined.watermark)
    else if (this.#combined.isIdle) this.#target.markIdle()
  }
}

function outputOf(part: PartialWatermark, update: () => void): WatermarkOutput {
  return {
    emitWatermark: (timestamp) => {
      checkWatermark(timestamp)
      if (part.advance(timestamp)) update()
    },
    markIdle: () => {
      part.isIdle = true
      update()
    },
    markActive: () => {
      part.isIdle = false
      update()
    },
  }
}
