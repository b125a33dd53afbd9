/**
 * A Map that grows past the limits of a Map. One JavaScript Map holds at most 2^24 entries and stalls its thread
 * while it rehashes (about 50 ms at a million entries). So above a threshold the entries are dealt out over several.
 */
import type { KeyContext } from './key-context.ts'
import { SHARD_COUNT, shardOf } from './key-shard.ts'
import type { MapKey } from './map-key.ts'

/** Dealing out this many entries takes one to two milliseconds. */
const SPLIT_SIZE = 16_384

export class ShardedMap<V> {
  #single: Map<MapKey, V> | null = new Map()
  #shards: Map<MapKey, V>[] = []
  #shardedSize = 0
  readonly #context: KeyContext

  constructor(context: KeyContext) {
    this.#context = context
  }

  get size(): number {
    return this.#single === null ? this.#shardedSize : this.#single.size
  }

  /** The value of the context's current key. */
  get(): V | undefined {
    return this.getAt(this.#context.mapKey)
  }

  /** The value of any key. */
  getAt(mapKey: MapKey): V | undefined {
    const single = this.#single
    return single !== null ? single.get(mapKey) : this.#shards[shardOf(mapKey)]!.get(mapKey)
  }

  /** Sets the value of the context's current key, which must be absent. */
  insert(value: V): void {
    const single = this.#single
    const mapKey = this.#context.ownMapKey
    if (single !== null) {
      single.set(mapKey, value)
      if (single.size > SPLIT_SIZE) this.#split(single)
      return
    }
    this.#shards[shardOf(mapKey)]!.set(mapKey, value)
    this.#shardedSize++
  }

  /** Removes a key. */
  delete(mapKey: MapKey): boolean {
    if (this.#single !== null) return this.#single.delete(mapKey)
    const isDeleted = this.#shards[shardOf(mapKey)]!.delete(mapKey)
    if (isDeleted) this.#shardedSize--
    return isDeleted
  }

  clear(): void {
    this.#single = new Map()
    this.#shards = []
    this.#shardedSize = 0
  }

  /** Live iteration: entries deleted meanwhile are skipped, entries added meanwhile may be seen. */
  values(): IterableIterator<V> {
    return this.#single === null ? new ShardValues(this.#shards) : this.#single.values()
  }

  #split(single: Map<MapKey, V>): void {
    this.#shards = Array.from({ length: SHARD_COUNT }, () => new Map())
    for (const [key, value] of single) this.#shards[shardOf(key)]!.set(key, value)
    this.#shardedSize = single.size
    this.#single = null
  }
}

/** The values of one Map after the other. A generator that delegates takes four times as long for each. */
class ShardValues<V> implements IterableIterator<V> {
  readonly #shards: readonly Map<MapKey, V>[]
  #index = 0
  #values: Iterator<V>

  constructor(shards: readonly Map<MapKey, V>[]) {
    this.#shards = shards
    this.#values = shards[0]!.values()
  }

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<V> {
    for (;;) {
      const next = this.#values.next()
      if (next.done !== true || ++this.#index >= this.#shards.length) return next
      this.#values = this.#shards[this.#index]!.values()
    }
  }
}
