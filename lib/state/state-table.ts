/**
 * What all tables of keyed state share: the bookkeeping that makes a consistent snapshot of a table possible
 * while records go on changing it.
 *
 * Time is cut into epochs by snapshots. Entries carry the epoch in which they last changed, and the table lists
 * the entries changed (`dirty`) and removed (`deleted`) in the current one. To freeze is to put both lists aside
 * and to begin the next epoch: constant time, whatever the size. The frozen entries are then written out bit by
 * bit; an entry that is about to change before its turn came is written first (`beforeChange`).
 *
 * T1. Every change or removal of an entry is preceded by `beforeChange` in the epoch it happens in; a look at what the
 *     looker may change before he puts it back, by `beforeLook`. To look is no change: it lists nothing.
 * T2. While frozen, an entry's value is what it was at the freeze until it has been written out.
 * T3. A removed entry has the value DELETED; no list of live entries contains it afterwards.
 * T4. Epochs are even. A snapshot marks what it has written with the odd number after the frozen epoch, so that
 *     nothing is written twice.
 * T5. A delta holds what has changed since the last base or delta, whatever savepoints were taken in between.
 * T6. After a base or delta that was abandoned the changes in it are listed nowhere: the next must be a base.
 * T7. Of a base or savepoint exactly the entries that are live at the freeze are written: `size` of them.
 * T8. What has come and gone between two deltas is in neither of them.
 *
 * The scheme is that of Flink's CopyOnWriteStateMap with the copy replaced by early writing: what changes while
 * it is being saved would have been encoded anyway, and encoding now needs no second object.
 */
import { assert } from '../base/assert.ts'
import { ChunkedList } from '../base/chunked-list.ts'
import { DELETED, type Entry } from './entry.ts'
import { FrozenEntries } from './frozen-entries.ts'

/** Receives frozen entries, in no particular order, each once, and lent for the time of the call. */
export type EntryWriter<V> = (entry: Entry<V>) => void

/**
 * `base`: everything; deltas follow it. `delta`: what has changed since the base or delta before. `savepoint`:
 * everything, and the next delta does not notice.
 */
export type SnapshotKind = 'base' | 'delta' | 'savepoint'

interface Freeze<V> {
  readonly entries: FrozenEntries<Entry<V>>
  readonly write: EntryWriter<V>
  /** Writes one of `entries`: made once, not for every call. */
  readonly writeNext: EntryWriter<V>
}

/** A table as snapshots see it. */
export interface SnapshotTable<V> {
  /** Every live entry, in any order; tolerant of changes while it is being consumed. */
  entries(): Iterable<Entry<V>>
  readonly size: number
  /** At most so many; known at once, whatever the table. */
  readonly sizeMax: number
  /** Entries that have changed or gone since the last base or delta; some may count twice. 0 unless tracked. */
  readonly changedCount: number
  /** Puts an entry read from a snapshot in place. */
  restore(entry: Entry<V>): void
  /** Removes the entry a snapshot's tombstone names; absent ones are ignored. */
  restoreDeleted(entry: Entry<V>): void
  /** From now on changes are listed. Without it there are no deltas. */
  track(): void
  /**
   * Begins a snapshot. Returns the entries removed since the last base or delta (none unless this is a delta), to be
   * consumed while records go on; the others go to `write` during the calls of {@link drain} that follow.
   */
  freeze(kind: SnapshotKind, write: EntryWriter<V>): Iterable<Entry<V>>
  /** Writes up to `count` frozen entries; true when none is left and the snapshot of this table is complete. */
  drain(count: number): boolean
  /** Gives the snapshot up that is being drained, if one is. */
  abandon(): void
  /** Whether an entry has its value since before the last freeze, and no part in the snapshot of that freeze. */
  isOlder(entry: Entry<V>): boolean
}

export abstract class StateTable<V> implements SnapshotTable<V> {
  protected epoch = 2
  #dirty = new ChunkedList<Entry<V>>()
  #deleted: Entry<V>[] = []
  /** Empty, with room in it. */
  #spare: ChunkedList<Entry<V>> | null = null
  #freeze: Freeze<V> | null = null
  #isTracking = false
  /** Of the last snapshot of any kind. */
  #frozenEpoch = 0
  /** Of the last base or delta. */
  #listedEpoch = 0

  abstract entries(): Iterable<Entry<V>>
  abstract get size(): number

  get sizeMax(): number {
    return this.size
  }

  abstract restore(entry: Entry<V>): void
  abstract restoreDeleted(entry: Entry<V>): void

  get changedCount(): number {
    return this.#dirty.length + this.#deleted.length
  }

  track(): void {
    if (this.#isTracking) return
    this.#isTracking = true
    this.#listedEpoch = this.epoch + 1
    // Or changes of entries that have changed before in this epoch would go unnoticed.
    this.epoch += 2
  }

  /** Must precede each look at a value that the looker may change in place before he puts it back. */
  protected beforeLook(entry: Entry<V>): void {
    const freeze = this.#freeze
    if (freeze !== null) writeFrozen(freeze.entries, freeze.write, entry)
  }

  /** Must precede each change of an entry's value. */
  protected beforeChange(entry: Entry<V>): void {
    if (entry.epoch !== this.epoch) this.#enterEpoch(entry)
  }

  /** Notes an entry that did not exist before. */
  protected created(entry: Entry<V>): void {
    entry.createdIn = this.epoch
    if (this.#isTracking) this.#dirty.push(entry)
  }

  /** Notes that an entry has been taken out of the table. */
  protected removed(entry: Entry<V>): void {
    this.beforeChange(entry)
    entry.value = DELETED
    if (this.#isTracking && entry.createdIn <= this.#listedEpoch) this.#deleted.push(entry)
  }

  #enterEpoch(entry: Entry<V>): void {
    const freeze = this.#freeze
    if (freeze?.entries.has(entry) === true) {
      freeze.write(entry)
      freeze.entries.pending--
    }
    entry.epoch = this.epoch
    if (this.#isTracking) this.#dirty.push(entry)
  }

  freeze(kind: SnapshotKind, write: EntryWriter<V>): readonly Entry<V>[] {
    assert(this.#freeze === null, 'one snapshot of a table at a time')
    assert(kind !== 'delta' || this.#isTracking, 'changes were tracked since the last snapshot')
    const isDelta = kind === 'delta'
    const deleted = isDelta ? this.#deleted : []
    const all = isDelta ? null : this.entries()[Symbol.iterator]()
    const afterEpoch = isDelta ? this.#listedEpoch : Number.NEGATIVE_INFINITY
    const dirty = kind === 'savepoint' ? null : this.#dirty
    const { epoch, size: pending } = this
    const entries = new FrozenEntries({ afterEpoch, epoch, dirty, all, pending })
    this.#freeze = { entries, write, writeNext: (entry) => writeFrozen(entries, write, entry) }
    this.#frozenEpoch = this.epoch
    if (kind !== 'savepoint') {
      // Odd: what a snapshot has written and marked so has not changed since.
      this.#listedEpoch = this.epoch + 1
      this.#dirty = this.#spare ?? new ChunkedList()
      this.#spare = null
      this.#deleted = []
    }
    this.epoch += 2
    return deleted
  }

  drain(count: number): boolean {
    const freeze = this.#freeze
    if (freeze === null) return true
    if (!freeze.entries.drain(count, freeze.writeNext)) return false
    this.#spare = freeze.entries.emptied() ?? this.#spare
    this.#freeze = null
    return true
  }

  abandon(): void {
    this.#freeze = null
  }

  isOlder(entry: Entry<V>): boolean {
    return entry.epoch <= this.#frozenEpoch && entry.value !== DELETED
  }
}

/** After this an entry counts as written and unchanged. */
function writeFrozen<V>(entries: FrozenEntries<Entry<V>>, write: EntryWriter<V>, entry: Entry<V>): void {
  // It may have been listed twice.
  if (!entries.has(entry)) return
  if (entry.value !== DELETED) {
    write(entry)
    entries.pending--
  }
  entry.epoch = entries.epoch + 1
}
