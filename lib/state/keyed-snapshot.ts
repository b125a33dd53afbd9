/**
 * Keyed state as bytes. A snapshot is a list of chunks, each with rows of one table: the removed entries first, then
 * the others. Snapshots apply one on top of the other, a full one and the deltas after it. Rows begin with their key
 * group, so that any subtask can pick out its own, and chunks name their table and its type, so that they can be read
 * without the code that wrote them, and by any backend.
 *
 *     row: u16 key group, key, [sub-key], [timer: f64 timestamp, u8 has namespace, [namespace]], [value]
 */
import { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { Entry } from './entry.ts'
import { type KeyGroupRange, keyGroupOf } from './key-group.ts'
import type { KeyedStateBackend } from './keyed-state-backend.ts'
import { fromMapKey, type MapKey, readMapKey, writeMapKey } from './map-key.ts'
import { rowReader } from './row-reader.ts'
import type { RegisteredTable, StateChunk, TableLayout } from './state-chunk.ts'
import { Timer } from './timer-table.ts'

/** A chunk is closed when it has about this many bytes. */
const CHUNK_BYTES = 256 * 1024
/** One row holds one value, which may be large. */
const CHUNK_BYTES_MAX = 512 * 1024 * 1024

/** Collects rows of one table into chunks. */
class ChunkWriter {
  readonly #registered: RegisteredTable
  readonly #maxParallelism: number
  readonly #isDeletion: boolean
  readonly #emit: (chunk: StateChunk) => void
  readonly #out = new ByteWriter(1024, CHUNK_BYTES_MAX)
  #rowCount = 0

  constructor(
    registered: RegisteredTable,
    maxParallelism: number,
    isDeletion: boolean,
    emit: (chunk: StateChunk) => void,
  ) {
    this.#registered = registered
    this.#maxParallelism = maxParallelism
    this.#isDeletion = isDeletion
    this.#emit = emit
  }

  write(entry: Entry<unknown>): void {
    const out = this.#out
    const { layout, type } = this.#registered
    if (entry.keyGroup < 0) entry.keyGroup = keyGroupOf(fromMapKey(entry.key), this.#maxParallelism)
    out.u16(entry.keyGroup)
    writeMapKey(out, entry.key)
    if (layout === 'timers') writeTimer(out, entry as Timer)
    else if (layout !== 'flat') writeMapKey(out, entry.sub as MapKey)
    if (!this.#isDeletion && type !== null) type.row.write(out, entry.value)
    this.#rowCount++
    if (out.length >= CHUNK_BYTES) this.flush()
  }

  flush(): void {
    if (this.#rowCount === 0) return
    const { name, layout, type } = this.#registered
    this.#emit({
      table: name,
      layout,
      schema: type?.schema ?? null,
      isDeletion: this.#isDeletion,
      rowCount: this.#rowCount,
      rows: this.#out.toUint8Array(),
    })
    this.#out.reset()
    this.#rowCount = 0
  }
}

function writeTimer(out: ByteWriter, timer: Timer): void {
  out.f64(timer.timestamp)
  out.u8(timer.sub === undefined ? 0 : 1)
  if (timer.sub !== undefined) writeMapKey(out, timer.sub)
}

/** A snapshot being taken: frozen at once, written out bit by bit. */
export class KeyedSnapshot {
  readonly #tables: { readonly registered: RegisteredTable; readonly writer: ChunkWriter }[]
  #next = 0

  /** Freezes the backend. `emit` gets the chunks, in the order in which they have to be applied. */
  constructor(backend: KeyedStateBackend, isFull: boolean, emit: (chunk: StateChunk) => void) {
    const { maxParallelism } = backend.context
    if (isFull) for (const chunk of backend.undeclared()) emit(chunk)
    this.#tables = [...backend.tables()].map((registered) => {
      const writer = new ChunkWriter(registered, maxParallelism, false, emit)
      const deleted = registered.table.freeze(isFull, (entry) => writer.write(entry))
      const deletions = new ChunkWriter(registered, maxParallelism, true, emit)
      for (const entry of deleted) deletions.write(entry)
      deletions.flush()
      return { registered, writer }
    })
  }

  /** Writes up to `entryCount` entries; true when the snapshot is complete. */
  drain(entryCount: number): boolean {
    const current = this.#tables[this.#next]
    if (current === undefined) return true
    if (!current.registered.table.drain(entryCount)) return false
    current.writer.flush()
    this.#next++
    return this.#next === this.#tables.length
  }
}

/**
 * Puts what a backend was given to restore into the tables that have been declared, `rowsPerStep` rows at a time. To be
 * run before operators are opened, and again after, since functions declare their state when they are.
 */
export function* loadRestored(backend: KeyedStateBackend, rowsPerStep: number): Generator<void, void, void> {
  for (const registered of backend.tables()) {
    for (const chunk of backend.takeRestored(registered.name)) {
      yield* applyChunk(chunk, registered, backend.keyGroups, rowsPerStep)
    }
  }
}

/** Puts the rows of a chunk that belong to `keyGroups` into a table; yields after every `rowsPerStep`. */
function* applyChunk(
  chunk: StateChunk,
  { table, type, layout, name }: RegisteredTable,
  keyGroups: KeyGroupRange,
  rowsPerStep: number,
): Generator<void, void, void> {
  const input = new ByteReader(chunk.rows)
  const hasValue = !chunk.isDeletion && type !== null && chunk.schema !== null
  const readValue = hasValue ? rowReader(chunk.schema!, type, name) : () => null
  for (let i = 0; i < chunk.rowCount; i++) {
    const keyGroup = input.u16()
    const key = readMapKey(input)
    const entry =
      layout === 'timers' ? readTimer(input, key, keyGroup) : readEntry(input, layout, key, keyGroup)
    entry.value = readValue(input)
    if (keyGroup >= keyGroups.first && keyGroup <= keyGroups.last) {
      if (chunk.isDeletion) table.restoreDeleted(entry)
      else table.restore(entry)
    }
    if ((i + 1) % rowsPerStep === 0) yield
  }
}

function readEntry(input: ByteReader, layout: TableLayout, key: MapKey, keyGroup: number): Entry<unknown> {
  const sub = layout === 'flat' ? undefined : readMapKey(input)
  return new Entry<unknown>(key, sub, keyGroup, 0, null)
}

function readTimer(input: ByteReader, key: MapKey, keyGroup: number): Entry<unknown> {
  const timestamp = input.f64()
  const namespace = input.u8() === 0 ? undefined : readMapKey(input)
  return new Timer(timestamp, namespace, key, keyGroup, 0) as Entry<unknown>
}
