/** A binary heap of numbers, smallest first, in one typed array: no object per element, no comparator call. */

const CAPACITY_MIN = 64

export class MinHeap {
  #items = new Float64Array(CAPACITY_MIN)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The smallest number; Infinity if empty (ask `size` where Infinity may be an element). */
  peek(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#items[0]!
  }

  push(value: number): void {
    if (this.#size === this.#items.length) {
      const grown = new Float64Array(this.#size * 2)
      grown.set(this.#items)
      this.#items = grown
    }
    const items = this.#items
    let at = this.#size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (items[parent]! <= value) break
      items[at] = items[parent]!
      at = parent
    }
    items[at] = value
  }

  /** Removes and returns the smallest number; Infinity if empty. */
  pop(): number {
    if (this.#size === 0) return Number.POSITIVE_INFINITY
    const items = this.#items
    const top = items[0]!
    const last = items[--this.#size]!
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.#size) break
      if (child + 1 < this.#size && items[child + 1]! < items[child]!) child++
      if (items[child]! >= last) break
      items[at] = items[child]!
      at = child
    }
    items[at] = last
    return top
  }
}
