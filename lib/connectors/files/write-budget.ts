/** Counts what is on its way to the disk, over all parts of a writer, and holds up the task while it is too much. */

export class WriteBudget {
  readonly #bytesMax: number
  #bytes = 0
  #ready: Promise<void> | null = null
  #onReady: (() => void) | null = null

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  take(bytes: number): void {
    this.#bytes += bytes
  }

  give(bytes: number): void {
    this.#bytes -= bytes
    if (this.#onReady === null || this.#bytes > this.#bytesMax / 2) return
    const onReady = this.#onReady
    this.#ready = null
    this.#onReady = null
    onReady()
  }

  /** Undefined while there is room; otherwise resolves when half of it is free. */
  whenReady(): Promise<void> | undefined {
    if (this.#bytes <= this.#bytesMax) return undefined
    this.#ready ??= new Promise((resolve) => {
      this.#onReady = resolve
    })
    return this.#ready
  }
}
