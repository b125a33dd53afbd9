/**
 * A {@link KeyValueStore} in memory, for simulations and tests: nothing in it depends on threads or disks, so a run
 * repeats itself exactly.
 */
import type {
  KeyRange,
  KeyValueStore,
  RowsCallback,
  StoreRow,
  StoreScan,
  StoreSnapshot,
  StoreWrite,
} from '../storage/key-value-store.ts'

/**
 * When a write, or a read of many, is done: before the call returns, a microtask later, or on
 * {@link MemoryKeyValueStore.release}.
 */
export type WriteCompletion = 'at-once' | 'soon' | 'held'

export class MemoryKeyValueStore implements KeyValueStore {
  readonly #rows = new Map<string, Uint8Array>()
  /** Of #rows, sorted. */
  readonly #keys: string[] = []
  readonly #completion: WriteCompletion
  /** What waits to be released. */
  readonly #held: (() => void)[] = []
  /** Set: every write fails with it. */
  failure: Error | null = null
  /** Set: every read of many fails with it. */
  readFailure: Error | null = null
  #readCount = 0

  constructor(completion: WriteCompletion) {
    this.#completion = completion
  }

  /** Does the oldest that is held, if there is one. */
  release(): void {
    this.#held.shift()?.()
  }

  get size(): number {
    return this.#rows.size
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#rows.get(textOf(key))
  }

  getMany(keys: readonly Uint8Array[], done: RowsCallback): void {
    // A real store reads at any time until it is done.
    this.#readCount++
    const early = this.#readCount % 2 === 0 ? keys.map((key) => this.get(key)) : null
    this.#complete(() => {
      if (this.readFailure === null) done(null, early ?? keys.map((key) => this.get(key)))
      else done(this.readFailure, [])
    })
  }

  write(batch: readonly StoreWrite[], done: (error: Error | null) => void): void {
    const apply = () => {
      if (this.failure === null) for (const change of batch) this.#apply(change)
      done(this.failure)
    }
    this.#complete(apply)
  }

  #complete(apply: () => void): void {
    if (this.#completion === 'at-once') apply()
    else if (this.#completion === 'held') this.#held.push(apply)
    else void Promise.resolve().then(apply)
  }

  clear(range: KeyRange): void {
    for (const key of this.#keysOf(range)) this.#delete(key)
  }

  scan(range: KeyRange, pageRows: number): StoreScan {
    const rows = this.#keysOf(range).map(
      (key): StoreRow => [Buffer.from(key, 'latin1'), this.#rows.get(key)!],
    )
    return { next: () => rows.splice(0, pageRows), close: () => {} }
  }

  snapshot(): StoreSnapshot {
    const rows = new Map(this.#rows)
    return { get: (key) => rows.get(textOf(key)), close: () => {} }
  }

  async close(): Promise<void> {
    this.#rows.clear()
    this.#keys.length = 0
  }

  #keysOf({ from, to }: KeyRange): string[] {
    return this.#keys.slice(this.#indexOf(textOf(from)), this.#indexOf(textOf(to)))
  }

  #apply(change: StoreWrite): void {
    const key = textOf(change.key)
    if (change.type === 'del') this.#delete(key)
    else {
      if (!this.#rows.has(key)) this.#keys.splice(this.#indexOf(key), 0, key)
      this.#rows.set(key, change.value)
    }
  }

  #delete(key: string): void {
    if (this.#rows.delete(key)) this.#keys.splice(this.#indexOf(key), 1)
  }

  /** Where the key is, or would be. */
  #indexOf(key: string): number {
    let [low, high] = [0, this.#keys.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#keys[middle]! < key) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** One character per byte: strings then compare as the bytes do. */
function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}
