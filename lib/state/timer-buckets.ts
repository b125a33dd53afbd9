/**
 * Timers that come and go, in sorted buckets: a Map from timestamp to the timers due then, grouped by namespace (a
 * window's id), and a heap of the distinct timestamps. As in HeapTimerTable, but without what makes millions of them
 * cheap: here there is a store behind them. Within a timestamp timers fire in the order they were added, grouped by
 * namespace.
 */
import { MinHeap } from '../base/min-heap.ts'
import type { SubKey } from './entry.ts'
import type { MapKey } from './map-key.ts'

export interface BucketTimer {
  readonly timestamp: number
  /** The namespace. */
  readonly sub: SubKey
  readonly key: MapKey
}

/** After this many timers a firing pass asks whether it should make room for something else. */
const PAUSE_CHECK_INTERVAL = 64
/** Timestamps without timers that are tolerated before the heap is made anew. */
const STALE_TIMESTAMPS_MAX = 1024

export class TimerBuckets<T extends BucketTimer> {
  readonly #buckets = new Map<number, Map<SubKey, Map<MapKey, T>>>()
  /** Every timestamp in #buckets, and some whose bucket has been emptied by deletions, at most about as many again. */
  #timestamps = new MinHeap()
  #lastTimestamp = Number.NaN
  #lastNamespace: SubKey
  #last: Map<MapKey, T> | undefined

  get isEmpty(): boolean {
    return this.#buckets.size === 0
  }

  /** When the next timer is due; Infinity if there is none. */
  nextTimestamp(): number {
    while (this.#timestamps.size > 0 && !this.#buckets.has(this.#timestamps.peek())) this.#timestamps.pop()
    return this.#timestamps.peek()
  }

  find(timestamp: number, namespace: SubKey, key: MapKey): T | undefined {
    return this.#buckets.get(timestamp)?.get(namespace)?.get(key)
  }

  /** The timers of a timestamp and namespace, by key: to look into, and to add to at once. */
  select(timestamp: number, namespace: SubKey): Map<MapKey, T> {
    const last = this.#last
    if (last !== undefined && timestamp === this.#lastTimestamp && namespace === this.#lastNamespace)
      return last
    return this.#selectOrCreate(timestamp, namespace)
  }

  /** Takes out a timer that is there. */
  remove({ timestamp, sub, key }: T): void {
    const bucket = this.#buckets.get(timestamp)
    const timers = bucket?.get(sub)
    if (bucket === undefined || timers === undefined) return
    timers.delete(key)
    this.#dropEmpty(timestamp, bucket, sub, timers)
  }

  /**
   * Fires every timer with timestamp <= `until` in order, those added meanwhile included. Each has been taken out when
   * `onTimer` sees it. `beforeTimestamp` may add timers. Returns false if `shouldPause` said so before the last one.
   */
  fire(
    until: number,
    onTimer: (timer: T) => void,
    shouldPause: () => boolean,
    beforeTimestamp: (() => void) | null = null,
  ): boolean {
    let fired = 0
    for (;;) {
      beforeTimestamp?.()
      const timestamp = this.nextTimestamp()
      if (this.#timestamps.size === 0 || timestamp > until) return true
      const bucket = this.#buckets.get(timestamp)!
      for (const [namespace, timers] of bucket) {
        for (const timer of timers.values()) {
          timers.delete(timer.key)
          onTimer(timer)
          if (this.#timestamps.peek() < timestamp) break
          if (++fired % PAUSE_CHECK_INTERVAL === 0 && shouldPause()) return false
        }
        this.#dropEmpty(timestamp, bucket, namespace, timers)
        if (this.#timestamps.peek() < timestamp) break
      }
    }
  }

  *timers(): Generator<T> {
    for (const bucket of this.#buckets.values()) for (const timers of bucket.values()) yield* timers.values()
  }

  #dropEmpty(
    timestamp: number,
    bucket: Map<SubKey, Map<MapKey, T>>,
    namespace: SubKey,
    timers: Map<MapKey, T>,
  ): void {
    if (timers.size > 0) return
    if (timers === this.#last) this.#last = undefined
    if (bucket.get(namespace) === timers) bucket.delete(namespace)
    if (bucket.size === 0 && this.#buckets.get(timestamp) === bucket) this.#buckets.delete(timestamp)
  }

  /** Timeouts that are put off again and again would fill the heap long before they are due. */
  #dropStaleTimestamps(): void {
    this.#timestamps = new MinHeap()
    for (const timestamp of this.#buckets.keys()) this.#timestamps.push(timestamp)
  }

  #selectOrCreate(timestamp: number, namespace: SubKey): Map<MapKey, T> {
    let bucket = this.#buckets.get(timestamp)
    if (bucket === undefined) {
      bucket = new Map()
      this.#buckets.set(timestamp, bucket)
      this.#timestamps.push(timestamp)
      if (this.#timestamps.size > 2 * this.#buckets.size + STALE_TIMESTAMPS_MAX) this.#dropStaleTimestamps()
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
