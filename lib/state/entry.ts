/** One piece of keyed state: the value of one key (and, in two-level tables, one sub-key). */
import type { MapKey } from './map-key.ts'

/**
 * The second half of a two-level key: a window id, a user's map key, a timer's time. Void in flat tables.
 */
export type SubKey = MapKey | undefined

/** The value of an entry that was removed while a snapshot may still list it. */
export const DELETED: unique symbol = Symbol('deleted')

export class Entry<V> {
  readonly key: MapKey
  readonly sub: SubKey
  /** -1 until somebody needs it. */
  keyGroup: number
  /** The epoch in which the value last changed; see StateTable. */
  epoch: number
  /** The epoch in which it was created, so far as anybody remembers; 0: before them all. */
  createdIn = 0
  value: V | typeof DELETED

  constructor(key: MapKey, sub: SubKey, keyGroup: number, epoch: number, value: V) {
    this.key = key
    this.sub = sub
    this.keyGroup = keyGroup
    this.epoch = epoch
    this.value = value
  }
}

/** For one row of a table after the other, each lent for the time of a call. */
export class LentEntry<V> extends Entry<V> {
  declare key: MapKey

  constructor() {
    super('', undefined, -1, 0, DELETED as V)
  }
}
