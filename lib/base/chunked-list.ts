/**
 * A list that grows without being copied. An array that runs out of room is copied into a larger one: its thread stands
 * still for 4 ms at a million elements, and the collector has the old one to take away.
 */

const CHUNK_BITS = 15
/** An array of so many has pages of its own, which are not copied when it gets old. */
const CHUNK_LENGTH = 1 << CHUNK_BITS

export class ChunkedList<T> {
  #full: (T | undefined)[][] = []
  /** Room for more. */
  #spare: (T | undefined)[][] = []
  /** The first grows like any array: short lists are short. */
  #last: (T | undefined)[] = []
  #count = 0

  get length(): number {
    return this.#full.length * CHUNK_LENGTH + this.#count
  }

  push(value: T): void {
    if (this.#count === CHUNK_LENGTH) {
      this.#full.push(this.#last)
      this.#last = this.#spare.pop() ?? new Array<T>(CHUNK_LENGTH)
      this.#count = 0
    }
    this.#last[this.#count++] = value
  }

  /** An element that is there; the list keeps it alive no longer. */
  take(index: number): T {
    const at = index & (CHUNK_LENGTH - 1)
    const chunk = this.#full[index >>> CHUNK_BITS] ?? this.#last
    const value = chunk[at]
    chunk[at] = undefined
    return value as T
  }

  /**
   * Empty again, once every element has been taken. Keeps the room that was used since the last time: the garbage of
   * a list per checkpoint would have all of the heap marked at every one.
   */
  clear(): void {
    this.#spare = this.#full
    this.#full = []
    this.#count = 0
  }
}
