/**
 * The entries that a snapshot has to write: first those listed as changed, from the last to the first; then, unless
 * that was all, the others. What has changed last may still be in the processor's cache. What changed first is likely
 * to change first again, and is written then, without a cache miss for it alone. To go through a Map makes each entry
 * one.
 */
import type { ChunkedList } from '../base/chunked-list.ts'

export interface EntryRange<E> {
  /** What has changed after this epoch and up to `epoch` is in the snapshot. */
  readonly afterEpoch: number
  readonly epoch: number
  /** Null in a savepoint, which ends no list. */
  readonly dirty: ChunkedList<E> | null
  /** Null if what is listed is all there is to write. */
  readonly all: Iterator<E> | null
  /** At most so many entries are to be written in all. */
  readonly pending: number
}

export class FrozenEntries<E extends { readonly epoch: number }> {
  readonly afterEpoch: number
  readonly epoch: number
  readonly #dirty: ChunkedList<E> | null
  /** Of #dirty, so many from the beginning are left. */
  #listed: number
  readonly #all: Iterator<E> | null
  /** Whoever writes an entry takes one off. With none left nothing more is looked for. */
  pending: number
  /** Long enough for the entries of one call. */
  readonly #batch: E[] = []

  constructor({ afterEpoch, epoch, dirty, all, pending }: EntryRange<E>) {
    this.afterEpoch = afterEpoch
    this.epoch = epoch
    this.#dirty = dirty
    this.#listed = dirty === null ? 0 : dirty.length
    this.#all = all
    this.pending = pending
  }

  /** Whether an entry is in the snapshot and, since its epoch says so, neither changed nor written since. */
  has(entry: E): boolean {
    return entry.epoch > this.afterEpoch && entry.epoch <= this.epoch
  }

  /**
   * Has entries written, after a look at up to `count`; true when that was the last of them. To look at them in a loop
   * of its own lets their cache misses overlap. An entry may be listed, and come, twice.
   */
  drain(count: number, write: (entry: E) => void): boolean {
    const batch = this.#batch
    let length = 0
    let looked = Math.min(count, this.#listed)
    for (let i = 0; i < looked; i++) {
      const entry = this.#dirty!.take(--this.#listed)
      if (this.has(entry)) batch[length++] = entry
    }
    let isDone = this.#listed === 0
    if (isDone && this.#all !== null) {
      // What is in the batch is still pending.
      isDone = this.pending === 0
      for (; looked < count && !isDone; looked++) {
        const next = this.#all.next()
        if (next.done === true) isDone = true
        else if (this.has(next.value)) batch[length++] = next.value
      }
    }
    for (let i = 0; i < length; i++) write(batch[i]!)
    return isDone
  }

  /** The list, empty and with room in it; null: there was none. To be called when all has been drained. */
  emptied(): ChunkedList<E> | null {
    this.#dirty?.clear()
    return this.#dirty
  }
}
