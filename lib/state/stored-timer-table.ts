/**
 * Timers kept in the store. Key of a row: timestamp, key group, key, namespace; so what falls due next is the beginning
 * of the table. Those that are in the cache are in buckets; of the others it is known that none is due before the
 * horizon. When firing gets there, the next few are read.
 *
 * Within one timestamp timers that were in memory all the time fire first, in the order of registration; those that
 * were not, in the order of their rows.
 */
import type { ByteReader } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import { readKey, writeKey } from '../types/key-codec.ts'
import { DELETED, type Entry, type SubKey } from './entry.ts'
import { readKeyGroup, writeKeyGroup } from './key-group.ts'
import { type MapKey, readMapKey, writeMapKey } from './map-key.ts'
import { type CachedTable, StoredEntry } from './stored-entry.ts'
import { StoredTable } from './stored-table.ts'
import { TimerBuckets } from './timer-buckets.ts'
import { Timer, type TimerTable } from './timer-table.ts'

/** Timers read at once. They stay in memory until they fire, but for those of the last time but one or older. */
const READ_COUNT = 256

class StoredTimer extends StoredEntry<null> implements Timer {
  readonly timestamp: number

  constructor(table: CachedTable, timer: Pick<Timer, 'timestamp' | 'sub' | 'key' | 'keyGroup' | 'epoch'>) {
    super(table, timer.key, timer.sub, timer.keyGroup, timer.epoch, null)
    this.timestamp = timer.timestamp
  }
}

export class StoredTimerTable extends StoredTable<null> implements TimerTable {
  readonly #buckets = new TimerBuckets<StoredTimer>()
  /** Removed ones the store still has, by the text of their place. */
  readonly #going = new Map<string, StoredTimer>()
  /** No timer that is in the store only is due before. */
  #horizon = Number.POSITIVE_INFINITY
  /** Those read last. */
  readonly #near = new Set<StoredTimer>()
  /** The timestamp whose timers fire. */
  #firing = Number.NaN

  nextTimestamp(): number {
    this.#readNext()
    return this.#buckets.nextTimestamp()
  }

  register(timestamp: number, namespace: SubKey): void {
    const { mapKey, knownKeyGroup } = this.home.context
    if (this.#buckets.find(timestamp, namespace, mapKey) !== undefined) return
    const place = {
      timestamp,
      sub: namespace,
      key: this.home.context.ownMapKey,
      keyGroup: knownKeyGroup,
      epoch: this.epoch,
    }
    const timer = new StoredTimer(this, place)
    const going = this.#going.size === 0 ? undefined : this.#going.get(placeOf(timer))
    if (going !== undefined) {
      this.#going.delete(placeOf(timer))
      this.revive(going, null)
      this.#buckets.select(timestamp, namespace).set(going.key, going)
    } else if (this.#read(timer)) this.#admit(timer)
    else {
      this.#buckets.select(timestamp, namespace).set(timer.key, timer)
      this.created(timer)
    }
  }

  registerOf(key: MapKey, keyGroup: number, timestamp: number, namespace: SubKey): void {
    this.home.context.setMapKey(key, keyGroup)
    this.register(timestamp, namespace)
  }

  delete(timestamp: number, namespace: SubKey): void {
    const { mapKey, knownKeyGroup } = this.home.context
    let timer = this.#buckets.find(timestamp, namespace, mapKey)
    if (timer === undefined) {
      const place = { timestamp, sub: namespace, key: mapKey, keyGroup: knownKeyGroup, epoch: 0 }
      timer = new StoredTimer(this, place)
      if (this.#going.has(placeOf(timer)) || !this.#read(timer)) return
      this.#admit(timer)
    }
    this.#buckets.remove(timer)
    this.#taken(timer)
  }

  fire(until: number, onTimer: (timer: Timer) => void, shouldPause: () => boolean): boolean {
    const fireOne = (timer: StoredTimer) => {
      this.#taken(timer)
      this.home.context.setMapKey(timer.key, timer.keyGroup)
      onTimer(timer)
    }
    const beforeTimestamp = () => {
      this.#readNext()
      // Or what is in the bucket could be gone when its turn comes.
      this.#firing = this.#buckets.nextTimestamp()
    }
    const hasFired = this.#buckets.fire(until, fireOne, shouldPause, beforeTimestamp)
    this.#firing = Number.NaN
    return hasFired
  }

  override entries(): Generator<Timer> {
    return super.entries() as Generator<Timer>
  }

  override restore(entry: Timer): void {
    this.registerOf(entry.key, entry.keyGroup, entry.timestamp, entry.sub)
  }

  override restoreDeleted(entry: Timer): void {
    this.home.context.setMapKey(entry.key, entry.keyGroup)
    this.delete(entry.timestamp, entry.sub)
  }

  override mayLeave(entry: StoredEntry<null>): boolean {
    const timer = entry as StoredTimer
    return super.mayLeave(timer) && timer.timestamp !== this.#firing && !this.#near.has(timer)
  }

  protected override writeRowKey(out: ByteWriter, entry: StoredEntry<null>): void {
    const { timestamp, key, sub, keyGroup } = entry as StoredTimer
    writeKey(out, timestamp)
    writeKeyGroup(out, keyGroup)
    writeKey(out, this.home.context.keyOf(key))
    if (sub !== undefined) writeMapKey(out, sub)
  }

  protected override readRowKey(input: ByteReader): Timer {
    const timestamp = readKey(input) as number
    const keyGroup = readKeyGroup(input)
    const key = this.home.context.restored(readKey(input))
    return new Timer(timestamp, input.remaining === 0 ? undefined : readMapKey(input), key, keyGroup, 0)
  }

  protected override newEntry(copy: Entry<null>): StoredTimer {
    return new StoredTimer(this, copy as Timer)
  }

  protected override *cached(): Generator<StoredTimer> {
    yield* this.#buckets.timers()
    yield* this.#going.values()
  }

  protected override cachedAt(entry: Entry<null>): StoredTimer | undefined {
    const timer = entry as Timer
    return this.#buckets.find(timer.timestamp, timer.sub, timer.key) ?? this.#going.get(placeOf(timer))
  }

  protected override detach(entry: StoredEntry<null>): void {
    const timer = entry as StoredTimer
    if (timer.value === DELETED) {
      this.#going.delete(placeOf(timer))
      return
    }
    this.#buckets.remove(timer)
    this.#horizon = Math.min(this.#horizon, timer.timestamp)
  }

  /** A timer that has been taken out of its bucket. */
  #taken(timer: StoredTimer): void {
    this.#near.delete(timer)
    this.removed(timer)
    if (timer.slot >= 0) this.#going.set(placeOf(timer), timer)
  }

  /** Whether the store has the timer, which is not in the cache. */
  #read(timer: StoredTimer): boolean {
    return this.awayCount > 0 && timer.timestamp >= this.#horizon && this.load(timer)
  }

  #admit(timer: StoredTimer): void {
    this.#buckets.select(timer.timestamp, timer.sub).set(timer.key, timer)
    this.keep(timer)
  }

  /** Makes sure that the timer due next is in memory. */
  #readNext(): void {
    if (this.awayCount === 0) return
    if (!this.#buckets.isEmpty && this.#buckets.nextTimestamp() <= this.#horizon) return
    const { from } = this.rangeUnder((out) => writeKey(out, this.#horizon))
    const { to } = this.tableRange()
    let count = 0
    if (this.#near.size > READ_COUNT) this.#near.clear()
    this.#horizon = Number.POSITIVE_INFINITY
    for (const copy of this.uncached({ from, to })) {
      const { timestamp } = copy as Timer
      if (count++ === READ_COUNT) {
        this.#horizon = Math.min(this.#horizon, timestamp)
        return
      }
      const timer = this.stored(copy) as StoredTimer
      this.#near.add(timer)
      this.#admit(timer)
    }
  }
}

/** Equal for timers that are the same. */
function placeOf({ timestamp, sub, key }: Pick<Timer, 'timestamp' | 'sub' | 'key'>): string {
  return `${timestamp} ${typeof sub} ${sub} ${typeof key} ${key}`
}
