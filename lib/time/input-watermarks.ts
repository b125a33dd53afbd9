/**
 * Event time of an operator with several inputs, out of that of each input. An input that comes back from idleness
 * holds the operator back until it has caught up, other than a channel within an input does: records of the two inputs
 * are different things that meet here, and none should come too late for the other. Flink's AbstractStreamOperator
 * with its IndexedCombinedWatermarkStatus.
 */
import { CombinedWatermark, type PartialWatermark } from './combined-watermark.ts'
import type { ValveOutput } from './watermark-valve.ts'

export class InputWatermarks {
  readonly #combined = new CombinedWatermark()
  readonly #inputs: readonly PartialWatermark[]
  readonly #output: ValveOutput

  constructor(inputCount: number, output: ValveOutput) {
    this.#inputs = Array.from({ length: inputCount }, () => this.#combined.add())
    this.#output = output
  }

  onWatermark(input: number, timestamp: number): void {
    if (this.#inputs[input]!.advance(timestamp)) this.#update()
  }

  onStatus(input: number, isIdle: boolean): void {
    const wasIdle = this.#combined.isIdle
    this.#inputs[input]!.isIdle = isIdle
    this.#update()
    if (this.#combined.isIdle !== wasIdle) this.#output.status(isIdle)
  }

  #update(): void {
    if (this.#combined.update()) this.#output.watermark(this.#combined.watermark)
  }
}
