/**
 * Keyed state as bytes. A snapshot is a list of chunks, each with rows of one table: the removed entries first, then
 * the others. Snapshots apply one on top of the other, a full one and the deltas after it. Rows begin with their key
 * group, so that any subtask can pick out its own, and chunks name their table and its type, so that they can be read
 * without the code that wrote them, and by any backend.
 *
 *     row: u16 key group, key, [sub-key], [timer: f64 timestamp, u8 has namespace, [namespace]], [value]
 */
import { ByteWriter } from '../base/byte-writer.ts'
import { writeKey } from '../types/key-codec.ts'
import type { Entry } from './entry.ts'
import type { KeyContext } from './key-context.ts'
import type { KeyedStateBackend } from './keyed-state-backend.ts'
import { type MapKey, writeMapKey } from './map-key.ts'
import { restoreChunk } from './restore-chunk.ts'
import type { RegisteredTable, StateChunk } from './state-chunk.ts'
import type { Timer } from './timer-table.ts'

/** A chunk is closed when it has about this many bytes. */
const CHUNK_BYTES = 256 * 1024
/** One row holds one value, which may be large. */
const CHUNK_BYTES_MAX = 512 * 1024 * 1024

/** Collects rows of one table into chunks. */
class ChunkWriter {
  readonly #registered: RegisteredTable
  readonly #context: KeyContext
  readonly #isDeletion: boolean
  readonly #emit: (chunk: StateChunk) => void
  readonly #out = new ByteWriter(1024, CHUNK_BYTES_MAX)
  #rowCount = 0

  constructor(
    registered: RegisteredTable,
    context: KeyContext,
    isDeletion: boolean,
    emit: (chunk: StateChunk) => void,
  ) {
    this.#registered = registered
    this.#context = context
    this.#isDeletion = isDeletion
    this.#emit = emit
  }

  write(entry: Entry<unknown>): void {
    const out = this.#out
    const { layout, type } = this.#registered
    if (entry.keyGroup < 0) entry.keyGroup = this.#context.groupOf(entry.key)
    out.u16(entry.keyGroup)
    writeKey(out, this.#context.keyOf(entry.key))
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
    if (isFull) for (const chunk of backend.undeclared()) emit(chunk)
    this.#tables = [...backend.tables()].map((registered) => {
      const writer = new ChunkWriter(registered, backend.context, false, emit)
      const deleted = registered.table.freeze(isFull, (entry) => writer.write(entry))
      const deletions = new ChunkWriter(registered, backend.context, true, emit)
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
 * run before operators are opened; a table that is declared later is loaded when it is declared.
 */
export function* loadRestored(backend: KeyedStateBackend, rowsPerStep: number): Generator<void, void, void> {
  for (const registered of backend.tables()) {
    for (const chunk of backend.takeRestored(registered.name)) {
      yield* restoreChunk(chunk, registered, backend.context, backend.keyGroups, rowsPerStep)
    }
  }
}
