/**
 * The current key of one keyed operator. Set once per record, read by every state and timer of the operator;
 * `turn` changes with each setting, so that a table notices with one comparison that its cached entry is stale.
 *
 * The keys of one stream are either all tuples or all primitives. So primitives can stand for themselves in Maps
 * without being looked at, and tuples, which stand there as strings, cannot be confused with them.
 */
import { SluiceError } from '../base/errors.ts'
import { type Key, notAKey } from '../base/hash.ts'
import { flatText } from '../types/detach-code.ts'
import { keyGroupOf } from './key-group.ts'
import { fromMapKey, type MapKey, toMapKey } from './map-key.ts'

export class KeyContext {
  readonly maxParallelism: number
  mapKey: MapKey = ''
  turn = 0
  /** Texts are not parts of larger ones; see Source. */
  hasOwnTexts = false
  #keyGroup = -1
  /** The turn in which the key became a text of our own. */
  #ownTurn = -1
  /** Undefined before the first key. */
  #isTuple: boolean | undefined

  constructor(maxParallelism: number) {
    this.maxParallelism = maxParallelism
  }

  /** `keyGroup` is -1 where the sender had no need to compute it. */
  set(key: Key, keyGroup: number): void {
    // A key selector that finds no field; where records are not hashed, nobody else would notice.
    if (key === undefined) throw notAKey(key)
    const isTuple = typeof key === 'object'
    if (isTuple !== this.#isTuple) this.#decideKind(isTuple)
    this.mapKey = isTuple ? toMapKey(key) : (key as MapKey)
    this.#keyGroup = keyGroup
    this.turn = (this.turn + 1) | 0
  }

  /** Makes a key current that came out of a table of this operator. */
  setMapKey(mapKey: MapKey, keyGroup: number): void {
    this.mapKey = mapKey
    this.#keyGroup = keyGroup
    this.turn = (this.turn + 1) | 0
  }

  get key(): Key {
    return this.keyOf(this.mapKey)
  }

  /**
   * The current key for a table to keep. A text that was decoded is part of that of its whole batch, which would stay
   * as long as the key does (see Type); so it becomes one of its own, once per turn.
   */
  get ownMapKey(): MapKey {
    if (this.hasOwnTexts) return this.mapKey
    if (typeof this.mapKey === 'string' && this.#ownTurn !== this.turn) {
      this.mapKey = flatText(this.mapKey)
      this.#ownTurn = this.turn
    }
    return this.mapKey
  }

  /** The group if it is known already, else -1. */
  get knownKeyGroup(): number {
    return this.#keyGroup
  }

  get keyGroup(): number {
    if (this.#keyGroup < 0) this.#keyGroup = this.groupOf(this.mapKey)
    return this.#keyGroup
  }

  /** The key that a map key of this operator stands for. */
  keyOf(mapKey: MapKey): Key {
    return this.#isTuple === true ? fromMapKey(mapKey) : mapKey
  }

  /** The map key of a key that comes from a snapshot of this operator. */
  restored(key: Key): MapKey {
    if (typeof key !== 'object') return key
    this.#isTuple = true
    return toMapKey(key)
  }

  groupOf(mapKey: MapKey): number {
    return keyGroupOf(this.keyOf(mapKey), this.maxParallelism)
  }

  #decideKind(isTuple: boolean): void {
    if (this.#isTuple !== undefined) {
      const [first, now] = isTuple ? ['a plain value', 'a tuple'] : ['a tuple', 'a plain value']
      throw new SluiceError(
        'USER_FUNCTION_FAILED',
        `the keys of one stream must be all tuples or none: the first was ${first}, this one is ${now}`,
      )
    }
    this.#isTuple = isTuple
  }
}
