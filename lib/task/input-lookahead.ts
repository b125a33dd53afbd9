/**
 * Looks at batches that wait in the channels of a subtask and has their state read ahead (StatePrefetch), so that it is
 * there when their turn comes. A batch whose state is on its way is not processed before it has come: reading it again
 * would cost more than doing something else meanwhile. At most BATCHES_MAX batches have been looked at and not been
 * processed.
 */
import type { RecordBatch } from '../network/record-batch.ts'
import type { StatePrefetch } from '../state/state-prefetch.ts'
import type { KeyFunction } from './chain-code.ts'

/** As many as wait in a channel within a thread. */
const BATCHES_MAX = 4

export class InputLookahead {
  readonly #prefetch: StatePrefetch
  readonly #setKeys: readonly (KeyFunction | null)[]
  #seenCount = 0

  /** `setKeys`: by logical input; null: its records have no keys. */
  constructor(prefetch: StatePrefetch, setKeys: readonly (KeyFunction | null)[]) {
    this.#prefetch = prefetch
    this.#setKeys = setKeys
  }

  get wantsMore(): boolean {
    return this.#seenCount < BATCHES_MAX && this.#prefetch.isWorthwhile
  }

  /** `onDone` is called when the batch may be processed, if it may not be at once. */
  look(batch: RecordBatch, input: number, onDone: () => void): void {
    batch.isSeenAhead = true
    this.#seenCount++
    const setKeys = this.#setKeys[input]
    if (setKeys === null || setKeys === undefined || batch.count === 0) return
    const prefetch = this.#prefetch
    batch.isAwaited = true
    const isReading = prefetch.read(
      batch.count,
      () => setKeys(batch, prefetch),
      () => {
        batch.isAwaited = false
        onDone()
      },
    )
    if (!isReading) batch.isAwaited = false
  }

  /** The batch is processed now. */
  leave(batch: RecordBatch): void {
    if (batch.isSeenAhead) this.#seenCount--
    else this.#prefetch.pass()
  }
}
