/**
 * Keyed state as bytes. A snapshot is a list of chunks, each with rows of one table: the removed entries first, then
 * the others. Snapshots apply one on top of the other, a base and the deltas after it. Rows begin with their key
 * group, so that any subtask can pick out its own, and chunks name their table and its type, so that they can be read
 * without the code that wrote them, and by any backend. Values are columns, as in channels: the texts of a chunk are
 * put together before they are copied, which costs half of what copying them one by one does.
 *
 * To take one is to freeze (constant time per table) and then to drain, as slowly as one likes, while records go on
 * changing the state.
 *
 *     chunk: [a batch of the values] row...
 *     row:   u16 key group, key, [sub-key], [timer: f64 timestamp, u8 has namespace, [namespace]]
 */
import { ByteWriter } from '../base/byte-writer.ts'
import { nextSizeCheck } from '../types/batch-size.ts'
import { writeKey } from '../types/key-codec.ts'
import type { BatchEncoder } from '../types/type.ts'
import type { Entry } from './entry.ts'
import type { KeyContext } from './key-context.ts'
import { keyGroupOf } from './key-group.ts'
import type { KeyedStateBackend } from './keyed-state-backend.ts'
import type { KeyedWalk } from './keyed-walk.ts'
import { type MapKey, writeMapKey } from './map-key.ts'
import { restoreChunk } from './restore-chunk.ts'
import { copyOfChunk, type RegisteredTable, type StateChunk } from './state-chunk.ts'
import type { SnapshotKind } from './state-table.ts'
import type { Timer } from './timer-table.ts'

/** A chunk is closed when it has about this many bytes. */
const CHUNK_BYTES = 64 * 1024
/** One row holds one value, which may be large. */
const CHUNK_BYTES_MAX = 512 * 1024 * 1024

/** Collects rows of one table into chunks. */
class ChunkWriter {
  readonly #registered: RegisteredTable
  readonly #context: KeyContext
  readonly #isDeletion: boolean
  readonly #isFlat: boolean
  /** Null: rows have no values. */
  readonly #values: BatchEncoder<unknown> | null
  readonly #emit: (chunk: StateChunk) => void
  readonly #rows = new ByteWriter(1024, CHUNK_BYTES_MAX)
  readonly #out = new ByteWriter(1024, CHUNK_BYTES_MAX)
  #rowCount = 0
  /** Number of rows after which the size of the chunk is looked at. */
  #sizeCheckAt = 1

  constructor(
    registered: RegisteredTable,
    context: KeyContext,
    isDeletion: boolean,
    emit: (chunk: StateChunk) => void,
  ) {
    this.#registered = registered
    this.#context = context
    this.#isDeletion = isDeletion
    this.#isFlat = registered.layout === 'flat'
    this.#values = isDeletion || registered.type === null ? null : registered.type.newBatchEncoder()
    this.#emit = emit
  }

  write(entry: Entry<unknown>): void {
    const rows = this.#rows
    const key = this.#context.keyOf(entry.key)
    if (entry.keyGroup < 0) entry.keyGroup = keyGroupOf(key, this.#context.maxParallelism)
    this.#values?.write(entry.value)
    rows.u16(entry.keyGroup)
    writeKey(rows, key)
    if (!this.#isFlat) this.#writeSubKey(entry)
    this.#rowCount++
    if (this.#rowCount === this.#sizeCheckAt) this.#checkSize()
  }

  #checkSize(): void {
    const byteLength = this.#rows.length + (this.#values?.byteLength ?? 0)
    if (byteLength >= CHUNK_BYTES) this.flush()
    else this.#sizeCheckAt = nextSizeCheck(this.#rowCount, byteLength, CHUNK_BYTES)
  }

  #writeSubKey(entry: Entry<unknown>): void {
    if (this.#registered.layout === 'timers') writeTimer(this.#rows, entry as Timer)
    else writeMapKey(this.#rows, entry.sub as MapKey)
  }

  flush(): void {
    if (this.#rowCount === 0) return
    const { name, layout, type } = this.#registered
    const out = this.#out
    out.reset()
    this.#values?.finish(out)
    out.raw(this.#rows.view())
    this.#emit({
      table: name,
      layout,
      schema: type?.schema ?? null,
      isDeletion: this.#isDeletion,
      rowCount: this.#rowCount,
      rows: out.view(),
    })
    this.#rows.reset()
    this.#rowCount = 0
    this.#sizeCheckAt = 1
  }
}

function writeTimer(out: ByteWriter, timer: Timer): void {
  out.f64(timer.timestamp)
  out.u8(timer.sub === undefined ? 0 : 1)
  if (timer.sub !== undefined) writeMapKey(out, timer.sub)
}

/** One table in a snapshot. */
class TableSnapshot {
  readonly registered: RegisteredTable
  readonly values: ChunkWriter
  readonly #deletions: ChunkWriter
  readonly #deleted: Iterator<Entry<unknown>>
  #hasDeletions = true
  /** Rows of values that had to be written before all removals were. */
  #held: StateChunk[] = []

  constructor(
    registered: RegisteredTable,
    context: KeyContext,
    kind: SnapshotKind,
    emit: (chunk: StateChunk) => void,
  ) {
    this.registered = registered
    this.values = new ChunkWriter(registered, context, false, (chunk) => {
      if (this.#hasDeletions) this.#held.push(copyOfChunk(chunk))
      else emit(chunk)
    })
    this.#deletions = new ChunkWriter(registered, context, true, emit)
    const deleted = registered.table.freeze(kind, (entry) => this.values.write(entry))
    this.#deleted = deleted[Symbol.iterator]()
  }

  /** Writes up to `count` removals; true when none is left. */
  drainDeletions(count: number, emit: (chunk: StateChunk) => void): boolean {
    for (let i = 0; i < count; i++) {
      const next = this.#deleted.next()
      if (next.done === true) return this.#endDeletions(emit)
      this.#deletions.write(next.value)
    }
    return false
  }

  #endDeletions(emit: (chunk: StateChunk) => void): true {
    this.#deletions.flush()
    this.#hasDeletions = false
    for (const chunk of this.#held) emit(chunk)
    this.#held = []
    return true
  }

  /** For walks. */
  writeOlder(entry: Entry<unknown>): void {
    if (this.registered.table.isOlder(entry)) this.values.write(entry)
  }

  /** Writes up to `count` values; true when none is left. */
  drainValues(count: number): boolean {
    if (!this.registered.table.drain(count)) return false
    this.values.flush()
    return true
  }
}

/** Of a walk, a step takes this share of all entries, so that it comes to an end however little changes. */
const WALK_STEPS_MAX = 32
/** Entries walked over per entry that has changed: a walk must be faster than the changes it is to catch up with. */
const WALK_PACE = 2

/** A snapshot being taken: frozen at once, written out bit by bit. */
export class KeyedSnapshot {
  readonly #emit: (chunk: StateChunk) => void
  readonly #tables: readonly TableSnapshot[]
  readonly #undeclared: Iterator<StateChunk> | null
  readonly #walk: KeyedWalk | null
  #walkLeft: number
  #walked: TableSnapshot | undefined
  #phase: 'undeclared' | 'deletions' | 'values' | 'walk' | 'done' = 'undeclared'
  /** Within the phase. */
  #next = 0

  /**
   * Freezes the backend; changes are tracked from the first base on. `emit` gets the chunks, in the order in which
   * they have to be applied; their rows are lent for the time of the call. With a delta a step of `walk` can be taken.
   */
  constructor(
    backend: KeyedStateBackend,
    kind: SnapshotKind,
    emit: (chunk: StateChunk) => void,
    walk: KeyedWalk | null = null,
  ) {
    if (kind === 'base') backend.track()
    this.#emit = emit
    this.#undeclared = kind !== 'delta' || walk?.isFresh === true ? backend.undeclared() : null
    this.#walk = walk
    this.#walkLeft = Math.max(
      1,
      WALK_PACE * backend.changedCount,
      Math.ceil(backend.sizeMax / WALK_STEPS_MAX),
    )
    this.#tables = [...backend.tables()].map(
      (registered) => new TableSnapshot(registered, backend.context, kind, emit),
    )
  }

  /** Writes up to `entryCount` entries, or one chunk; true when the snapshot is complete. */
  drain(entryCount: number): boolean {
    switch (this.#phase) {
      case 'undeclared': {
        const next = this.#undeclared?.next()
        if (next?.done === false) this.#emit(next.value)
        else this.#phase = 'deletions'
        return false
      }
      case 'deletions':
        // Those of all tables first: until then values of a table are held back.
        this.#advance((table) => table.drainDeletions(entryCount, this.#emit), 'values')
        return false
      case 'values':
        this.#advance((table) => table.drainValues(entryCount), this.#walk === null ? 'done' : 'walk')
        return this.#isDone
      case 'walk':
        if (this.#drainWalk(this.#walk!, entryCount)) this.#phase = 'done'
        return this.#isDone
      case 'done':
        return true
    }
  }

  /** What has been written so far is of no use. The next snapshot must not be a delta, unless this is a savepoint. */
  abandon(): void {
    this.#phase = 'done'
    for (const { registered } of this.#tables) registered.table.abandon()
  }

  get #isDone(): boolean {
    return this.#phase === 'done'
  }

  #advance(step: (table: TableSnapshot) => boolean, nextPhase: 'values' | 'walk' | 'done'): void {
    const table = this.#tables[this.#next]
    if (table !== undefined && !step(table)) return
    if (table !== undefined) this.#next++
    if (this.#next < this.#tables.length) return
    this.#phase = nextPhase
    this.#next = 0
  }

  /** True when the step has been taken. */
  #drainWalk(walk: KeyedWalk, entryCount: number): boolean {
    for (let i = 0; i < entryCount && this.#walkLeft > 0; i++, this.#walkLeft--) {
      const entry = walk.next()
      if (entry === null) this.#walkLeft = 0
      // A table that was declared after the freeze is not in this snapshot, and all of it in the next.
      else this.#tableOf(walk.registered)?.writeOlder(entry)
    }
    if (this.#walkLeft > 0) return false
    for (const { values } of this.#tables) values.flush()
    return true
  }

  #tableOf(registered: RegisteredTable | null): TableSnapshot | undefined {
    if (this.#walked?.registered !== registered) {
      this.#walked = this.#tables.find((table) => table.registered === registered)
    }
    return this.#walked
  }
}

/**
 * Puts what a backend was given to restore into the tables that have been declared, `rowsPerStep` rows at a time. To be
 * run before operators are opened; a table that is declared later is loaded when it is declared.
 */
export function* loadRestored(backend: KeyedStateBackend, rowsPerStep: number): Generator<void, void, void> {
  for (const registered of backend.tables()) {
    try {
      for (const chunk of backend.takeRestored(registered.name)) {
        yield* restoreChunk(chunk, registered, backend.context, backend.keyGroups, rowsPerStep)
      }
    } catch (error) {
      backend.misfits.add(error)
    }
  }
}
