/**
 * Where the values of keys are: a number per key, its place in the columns of a table. It is a Map whose values are
 * small integers, so that to look up a value costs no object, which would be one cache miss more for every record.
 *
 * A Map that grows copies itself, and its thread stands still meanwhile: 4 ms at 64 Ki keys, 60 ms at a million; and it
 * holds at most 2^24. So from WHOLE_SIZE_MAX on keys are dealt out over several, the old ones few by few. Below that a
 * key need not be looked at: to hash a text costs as much as all the rest of a lookup.
 */
import type { KeyContext } from './key-context.ts'
import { SHARD_COUNT, shardOf } from './key-shard.ts'
import type { MapKey } from './map-key.ts'

/** A Map this large has grown for the last time when it had half of it. */
const WHOLE_SIZE_MAX = 131_072
/** Keys that are moved into their shard for each that is added. */
const MOVE_COUNT = 4

export class KeyIndex {
  readonly #context: KeyContext
  /** Null when all are in shards. */
  #whole: Map<MapKey, number> | null
  #shards: Map<MapKey, number>[] | null = null
  /** Goes through #whole, which keeps what has been moved until all has. */
  #moving: Iterator<[MapKey, number]> | null = null

  /** `known`: what is in it already, less than WHOLE_SIZE_MAX. */
  constructor(context: KeyContext, known: Map<MapKey, number> = new Map()) {
    this.#context = context
    this.#whole = known
  }

  /** The number of the context's current key. */
  get(): number | undefined {
    return this.#getAt(this.#context.mapKey)
  }

  /** The numbers of keys from..to, each in its place of `numbers`; -1: none. */
  getAll(keys: readonly MapKey[], from: number, to: number, numbers: Int32Array): void {
    for (let i = from; i < to; i++) numbers[i] = this.#getAt(keys[i]!) ?? -1
  }

  /** Sets the number of the current key. */
  set(at: number): void {
    if (this.#shards === null) {
      this.#whole!.set(this.#context.ownMapKey, at)
      if (this.#whole!.size === WHOLE_SIZE_MAX) this.#divide(this.#whole!)
      return
    }
    const { ownMapKey } = this.#context
    this.#whole?.delete(ownMapKey)
    this.#shards[shardOf(ownMapKey)]!.set(ownMapKey, at)
    if (this.#moving !== null) this.#move(this.#moving, this.#shards)
  }

  /** Removes the current key. */
  remove(): void {
    const { mapKey } = this.#context
    this.#whole?.delete(mapKey)
    if (this.#shards !== null) this.#shards[shardOf(mapKey)]!.delete(mapKey)
  }

  #getAt(mapKey: MapKey): number | undefined {
    if (this.#whole !== null) {
      const found = this.#whole.get(mapKey)
      if (found !== undefined || this.#shards === null) return found
    }
    return this.#shards![shardOf(mapKey)]!.get(mapKey)
  }

  #divide(whole: Map<MapKey, number>): void {
    this.#shards = Array.from({ length: SHARD_COUNT }, () => new Map())
    this.#moving = whole.entries()
  }

  #move(moving: Iterator<[MapKey, number]>, shards: Map<MapKey, number>[]): void {
    for (let i = 0; i < MOVE_COUNT; i++) {
      const next = moving.next()
      if (next.done === true) {
        this.#moving = null
        this.#whole = null
        return
      }
      const [key, at] = next.value
      shards[shardOf(key)]!.set(key, at)
    }
  }
}
