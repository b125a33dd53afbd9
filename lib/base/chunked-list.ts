/**
 * A list that grows without being copied. An array that runs out of room is copied into a larger one: its thread stands
 * still for 4 ms at a million elements, and the collector has the old one to take away.
 */

/** An array of so many has pages of its own, which are not copied when it gets old. */
const CHUNK_LENGTH = 32_768

export class ChunkedList<T> {
  readonly #full: T[][] = []
  /** The first grows like any array: short lists are short. */
  #last: T[] = []
  #count = 0

  get length(): number {
    return this.#full.length * CHUNK_LENGTH + this.#count
  }

  push(value: T): void {
    if (this.#count === CHUNK_LENGTH) {
      this.#full.push(this.#last)
      this.#last = new Array<T>(CHUNK_LENGTH)
      this.#count = 0
    }
    this.#last[this.#count++] = value
  }

  /** An element that is there. */
  at(index: number): T {
    const chunk = this.#full[Math.floor(index / CHUNK_LENGTH)] ?? this.#last
    return chunk[index % CHUNK_LENGTH]!
  }
}
