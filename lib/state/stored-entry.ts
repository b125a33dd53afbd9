/** An entry of a table whose home is a store on disk: what the cache in front of it has to know. */
import { Entry, type SubKey } from './entry.ts'
import type { MapKey } from './map-key.ts'

const REFERENCED = 1
const DIRTY = 2
const QUEUED = 4
const IN_FLIGHT = 8
const STORED = 16
const GOING = 32
const MARKED = 64

export class StoredEntry<V> extends Entry<V> {
  readonly table: CachedTable
  /** What it counts for in the cache. */
  bytes = 0
  /** Its place in the cache; -1: it is not there, or no longer. */
  slot = -1
  /** One number for all that is true or false: a field each made an entry nearly twice as large. */
  #flags = REFERENCED
  /** `awaited`: its row is being read, and there is nothing in it yet. `ahead`: it came before anybody needed it. */
  prefetch: 'no' | 'awaited' | 'ahead' = 'no'

  constructor(table: CachedTable, key: MapKey, sub: SubKey, keyGroup: number, epoch: number, value: V) {
    super(key, sub, keyGroup, epoch, value)
    this.table = table
  }

  /** Used since the hand of the clock came by. */
  get isReferenced(): boolean {
    return (this.#flags & REFERENCED) !== 0
  }

  set isReferenced(is: boolean) {
    this.#flags = is ? this.#flags | REFERENCED : this.#flags & ~REFERENCED
  }

  /** The store has not been given the present value. */
  get isDirty(): boolean {
    return (this.#flags & DIRTY) !== 0
  }

  set isDirty(is: boolean) {
    this.#flags = is ? this.#flags | DIRTY : this.#flags & ~DIRTY
  }

  /** Waits to be written; see EntryCache. */
  get isQueued(): boolean {
    return (this.#flags & QUEUED) !== 0
  }

  set isQueued(is: boolean) {
    this.#flags = is ? this.#flags | QUEUED : this.#flags & ~QUEUED
  }

  /** Being written. */
  get isInFlight(): boolean {
    return (this.#flags & IN_FLIGHT) !== 0
  }

  set isInFlight(is: boolean) {
    this.#flags = is ? this.#flags | IN_FLIGHT : this.#flags & ~IN_FLIGHT
  }

  /** The store has a row of it. */
  get isStored(): boolean {
    return (this.#flags & STORED) !== 0
  }

  set isStored(is: boolean) {
    this.#flags = is ? this.#flags | STORED : this.#flags & ~STORED
  }

  /** What is being written is that it has gone. */
  get isGoing(): boolean {
    return (this.#flags & GOING) !== 0
  }

  set isGoing(is: boolean) {
    this.#flags = is ? this.#flags | GOING : this.#flags & ~GOING
  }

  /** The store has, or is going to have, a row that says it has changed since the base or delta before. */
  get isMarked(): boolean {
    return (this.#flags & MARKED) !== 0
  }

  set isMarked(is: boolean) {
    this.#flags = is ? this.#flags | MARKED : this.#flags & ~MARKED
  }
}

/** What the cache asks of the table that an entry belongs to. */
export interface CachedTable {
  /** False: the entry must stay for the moment. */
  mayLeave(entry: StoredEntry<unknown>): boolean
  /** Adds what the store has to be told about the entry. Returns its size in bytes. */
  save(entry: StoredEntry<unknown>, cache: WriteBatch): number
  /** The store has the value that was saved; flags are those of before. */
  saved(entry: StoredEntry<unknown>): void
  /** Drops the entry, which is clean. */
  evict(entry: StoredEntry<unknown>): void
}

export interface WriteBatch {
  put(key: Uint8Array, value: Uint8Array): void
  delete(key: Uint8Array): void
}
