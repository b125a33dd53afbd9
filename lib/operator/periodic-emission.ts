/**
 * The beat of periodic watermarks: calls back at every multiple of the watermark interval of the clock, once if
 * several have passed. Multiples, so that the subtasks of a job emit together and no stage waits for the phase of the
 * one before it.
 */
import type { OperatorContext } from './stream-operator.ts'

export class PeriodicEmission {
  readonly #context: OperatorContext
  readonly #emit: () => void
  #timer: { cancel(): void } | null = null

  /** An interval of 0 means never. */
  constructor(context: OperatorContext, emit: () => void) {
    this.#context = context
    this.#emit = emit
  }

  start(): void {
    const { processingTime, watermarkIntervalMs } = this.#context
    if (watermarkIntervalMs <= 0) return
    const passed = Math.floor(processingTime.now() / watermarkIntervalMs)
    this.#timer = processingTime.callAt((passed + 1) * watermarkIntervalMs, () => {
      this.#emit()
      this.start()
    })
  }

  close(): void {
    this.#timer?.cancel()
  }
}
