/**
 * Timers as keyed state: a set of (timestamp, namespace, key), ordered by timestamp. Registering twice is
 * registering once, as in Flink's InternalTimerServiceImpl. The structure is sorted buckets: a Map from timestamp to
 * the timers due then, and a heap of the distinct timestamps, which are few compared to the timers; registering and
 * firing are then Map accesses without any sifting. A timer that is alone at its time, as timeouts of records are
 * mostly, is its own bucket: two Maps for it would cost several times as much as everything else.
 *
 * Within one timestamp timers fire in the order of registration, grouped by namespace (a window's id).
 */

import { MinHeap } from '../base/min-heap.ts'
import { Entry, type SubKey } from './entry.ts'
import type { KeyContext } from './key-context.ts'
import type { MapKey } from './map-key.ts'
import { StateTable } from './state-table.ts'

export class Timer extends Entry<null> {
  readonly timestamp: number

  constructor(timestamp: number, namespace: SubKey, key: MapKey, keyGroup: number, epoch: number) {
    super(key, namespace, keyGroup, epoch, null)
    this.timestamp = timestamp
  }
}

type Timers = Map<MapKey, Timer>
type Bucket = Map<SubKey, Timers>

/** After this many timers a firing pass asks whether it should make room for something else. */
const PAUSE_CHECK_INTERVAL = 64
/** Timestamps without timers that are tolerated before the heap is made anew. */
const STALE_TIMESTAMPS_MAX = 1024

export interface TimerTable extends StateTable<null> {
  entries(): Iterable<Timer>
  restore(entry: Timer): void
  restoreDeleted(entry: Timer): void
  /** When the next timer is due; Infinity if there is none. */
  nextTimestamp(): number
  /** Registers a timer of the current key. */
  register(timestamp: number, namespace: SubKey): void
  /** Registers a timer of a key, which becomes the current one. */
  registerOf(key: MapKey, keyGroup: number, timestamp: number, namespace: SubKey): void
  /** Deletes a timer of the current key; absent ones are ignored. */
  delete(timestamp: number, namespace: SubKey): void
  /**
   * Fires every timer with timestamp <= `until` in order, those registered meanwhile included. Each is removed and
   * made the current key before `onTimer` sees it. Returns false if `shouldPause` said so before the last one.
   */
  fire(until: number, onTimer: (timer: Timer) => void, shouldPause: () => boolean): boolean
}

export class HeapTimerTable extends StateTable<null> implements TimerTable {
  readonly #context: KeyContext
  readonly #buckets = new Map<number, Timer | Bucket>()
  /** Every timestamp in #buckets, and some whose bucket has been emptied by deletions, at most about as many again. */
  #timestamps = new MinHeap()
  #size = 0
  #lastTimestamp = Number.NaN
  #lastNamespace: SubKey
  #last: Timers | undefined

  constructor(context: KeyContext) {
    super()
    this.#context = context
  }

  get size(): number {
    return this.#size
  }

  nextTimestamp(): number {
    while (this.#timestamps.size > 0 && !this.#buckets.has(this.#timestamps.peek())) this.#timestamps.pop()
    return this.#timestamps.peek()
  }

  register(timestamp: number, namespace: SubKey): void {
    let timers = this.#last
    if (timers === undefined || timestamp !== this.#lastTimestamp || namespace !== this.#lastNamespace) {
      const bucket = this.#buckets.get(timestamp)
      if (bucket === undefined) {
        this.#buckets.set(timestamp, this.#create(timestamp, namespace))
        this.#pushTimestamp(timestamp)
        return
      }
      if (bucket instanceof Timer && this.#is(bucket, namespace)) return
      timers = this.#select(timestamp, bucket, namespace)
    }
    const { mapKey } = this.#context
    if (!timers.has(mapKey)) timers.set(mapKey, this.#create(timestamp, namespace))
  }

  delete(timestamp: number, namespace: SubKey): void {
    const bucket = this.#buckets.get(timestamp)
    if (bucket === undefined) return
    if (bucket instanceof Timer) {
      if (this.#is(bucket, namespace)) this.#takeSingle(bucket)
      return
    }
    const timers = bucket.get(namespace)
    const timer = timers?.get(this.#context.mapKey)
    if (timers === undefined || timer === undefined) return
    this.#take(timers, timer)
    this.#dropEmpty(timestamp, bucket, namespace, timers)
  }

  fire(until: number, onTimer: (timer: Timer) => void, shouldPause: () => boolean): boolean {
    let fired = 0
    for (;;) {
      const timestamp = this.nextTimestamp()
      if (this.#timestamps.size === 0 || timestamp > until) return true
      const bucket = this.#buckets.get(timestamp)!
      if (bucket instanceof Timer) {
        this.#takeSingle(bucket)
        this.#context.setMapKey(bucket.key, bucket.keyGroup)
        onTimer(bucket)
        if (++fired % PAUSE_CHECK_INTERVAL === 0 && shouldPause()) return false
        continue
      }
      for (const [namespace, timers] of bucket) {
        for (const timer of timers.values()) {
          this.#take(timers, timer)
          this.#context.setMapKey(timer.key, timer.keyGroup)
          onTimer(timer)
          if (this.#timestamps.peek() < timestamp) break
          if (++fired % PAUSE_CHECK_INTERVAL === 0 && shouldPause()) return false
        }
        this.#dropEmpty(timestamp, bucket, namespace, timers)
        if (this.#timestamps.peek() < timestamp) break
      }
    }
  }

  override *entries(): Generator<Timer> {
    for (const bucket of this.#buckets.values()) {
      if (bucket instanceof Timer) yield bucket
      else for (const timers of bucket.values()) yield* timers.values()
    }
  }

  override restore(entry: Timer): void {
    this.registerOf(entry.key, entry.keyGroup, entry.timestamp, entry.sub)
  }

  registerOf(key: MapKey, keyGroup: number, timestamp: number, namespace: SubKey): void {
    this.#context.setMapKey(key, keyGroup)
    this.register(timestamp, namespace)
  }

  override restoreDeleted(entry: Timer): void {
    this.#context.setMapKey(entry.key, entry.keyGroup)
    this.delete(entry.timestamp, entry.sub)
  }

  #create(timestamp: number, namespace: SubKey): Timer {
    const { mapKey, knownKeyGroup } = this.#context
    const timer = new Timer(timestamp, namespace, mapKey, knownKeyGroup, this.epoch)
    this.#size++
    this.created(timer)
    return timer
  }

  /** Whether it is the current key's in the namespace. */
  #is(timer: Timer, namespace: SubKey): boolean {
    return timer.key === this.#context.mapKey && timer.sub === namespace
  }

  #takeSingle(timer: Timer): void {
    this.#buckets.delete(timer.timestamp)
    this.#size--
    this.removed(timer)
  }

  #take(timers: Timers, timer: Timer): void {
    timers.delete(timer.key)
    this.#size--
    this.removed(timer)
  }

  #dropEmpty(timestamp: number, bucket: Bucket, namespace: SubKey, timers: Timers): void {
    if (timers.size > 0) return
    if (timers === this.#last) this.#last = undefined
    if (bucket.get(namespace) === timers) bucket.delete(namespace)
    if (bucket.size === 0 && this.#buckets.get(timestamp) === bucket) this.#buckets.delete(timestamp)
  }

  #pushTimestamp(timestamp: number): void {
    this.#timestamps.push(timestamp)
    if (this.#timestamps.size > 2 * this.#buckets.size + STALE_TIMESTAMPS_MAX) this.#dropStaleTimestamps()
  }

  /** Timeouts that are put off again and again would fill the heap long before they are due. */
  #dropStaleTimestamps(): void {
    this.#timestamps = new MinHeap()
    for (const timestamp of this.#buckets.keys()) this.#timestamps.push(timestamp)
  }

  /** The timers of a namespace; a bucket that was a single timer becomes one of several. */
  #select(timestamp: number, found: Timer | Bucket, namespace: SubKey): Timers {
    let bucket = found
    if (bucket instanceof Timer) {
      bucket = new Map([[bucket.sub, new Map([[bucket.key, bucket]])]])
      this.#buckets.set(timestamp, bucket)
    }
    let timers = bucket.get(namespace)
    if (timers === undefined) {
      timers = new Map()
      bucket.set(namespace, timers)
    }
    this.#lastTimestamp = timestamp
    this.#lastNamespace = namespace
    this.#last = timers
    return timers
  }
}
