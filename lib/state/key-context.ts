/**
 * The current key of one keyed operator. Set once per record, read by every state and timer of the operator;
 * `turn` changes with each setting, so that a table notices with one comparison that its cached entry is stale.
 */
import type { Key } from '../base/hash.ts'
import { keyGroupOf } from './key-group.ts'
import { fromMapKey, type MapKey, toMapKey } from './map-key.ts'

export class KeyContext {
  readonly maxParallelism: number
  mapKey: MapKey = ''
  turn = 0
  #keyGroup = -1

  constructor(maxParallelism: number) {
    this.maxParallelism = maxParallelism
  }

  /** `keyGroup` is -1 where the sender had no need to compute it. */
  set(key: Key, keyGroup: number): void {
    this.mapKey = typeof key === 'number' ? key : toMapKey(key)
    this.#keyGroup = keyGroup
    this.turn = (this.turn + 1) | 0
  }

  setMapKey(mapKey: MapKey, keyGroup: number): void {
    this.mapKey = mapKey
    this.#keyGroup = keyGroup
    this.turn = (this.turn + 1) | 0
  }

  get key(): Key {
    return fromMapKey(this.mapKey)
  }

  /** The group if it is known already, else -1. */
  get knownKeyGroup(): number {
    return this.#keyGroup
  }

  get keyGroup(): number {
    if (this.#keyGroup < 0) this.#keyGroup = keyGroupOf(fromMapKey(this.mapKey), this.maxParallelism)
    return this.#keyGroup
  }
}
