/** Rows of a snapshot on their way back: into a table, or on into the next snapshot. */
import { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { SluiceError } from '../base/errors.ts'
import { readKey } from '../types/key-codec.ts'
import { schemaToType } from '../types/schema-type.ts'
import { Entry } from './entry.ts'
import type { KeyContext } from './key-context.ts'
import type { KeyGroupRange } from './key-group.ts'
import { type MapKey, readMapKey } from './map-key.ts'
import { rowReader } from './row-reader.ts'
import type { RegisteredTable, StateChunk, TableLayout } from './state-chunk.ts'
import { Timer } from './timer-table.ts'

/** Puts the rows of a chunk that belong to `keyGroups` into a table; yields after every `rowsPerStep`. */
export function* restoreChunk(
  chunk: StateChunk,
  { table, type, layout, name, expiry }: RegisteredTable,
  context: KeyContext,
  keyGroups: KeyGroupRange,
  rowsPerStep: number,
): Generator<void, void, void> {
  if (chunk.layout !== layout) throw layoutMismatch(chunk, layout)
  const input = new ByteReader(chunk.rows)
  const hasValue = !chunk.isDeletion && type !== null && chunk.schema !== null
  const readValue = hasValue ? rowReader(chunk.schema!, type, name) : () => null
  for (let i = 0; i < chunk.rowCount; i++) {
    const keyGroup = input.u16()
    const entry = readEntry(input, layout, context.restored(readKey(input)), keyGroup)
    entry.value = readValue(input)
    if (keyGroup >= keyGroups.first && keyGroup <= keyGroups.last) {
      // What has expired must not leave an older value in place that was loaded just before it did.
      if (chunk.isDeletion || (expiry !== null && !expiry.retain(entry))) table.restoreDeleted(entry)
      else table.restore(entry)
    }
    if ((i + 1) % rowsPerStep === 0) yield
  }
}

function layoutMismatch({ table, layout: written }: StateChunk, current: TableLayout): SluiceError {
  const reason = 'another kind of state'
  return new SluiceError(
    'STATE_INCOMPATIBLE',
    `state "${table}" was saved as ${written} state and is declared as ${current} state (${reason})`,
    { details: { state: table, mismatches: [{ path: '', written, current, reason }] } },
  )
}

/** The part of a chunk that belongs to `keyGroups`, without knowing the state: its rows are copied as they are. */
export function restrictChunk(chunk: StateChunk, { first, last }: KeyGroupRange): StateChunk {
  const input = new ByteReader(chunk.rows)
  const out = new ByteWriter(1024)
  const type = chunk.isDeletion || chunk.schema === null ? null : schemaToType(chunk.schema)
  let rowCount = 0
  for (let i = 0; i < chunk.rowCount; i++) {
    const start = input.offset
    const keyGroup = input.u16()
    readKey(input)
    readEntry(input, chunk.layout, '', keyGroup)
    type?.row.read(input)
    if (keyGroup < first || keyGroup > last) continue
    out.raw(chunk.rows.subarray(start, input.offset))
    rowCount++
  }
  return rowCount === chunk.rowCount ? chunk : { ...chunk, rowCount, rows: out.toUint8Array() }
}

/** What follows the key of a row, but for the value. */
function readEntry(input: ByteReader, layout: TableLayout, key: MapKey, keyGroup: number): Entry<unknown> {
  if (layout === 'timers') {
    const timestamp = input.f64()
    const namespace = input.u8() === 0 ? undefined : readMapKey(input)
    return new Timer(timestamp, namespace, key, keyGroup, 0) as Entry<unknown>
  }
  const sub = layout === 'flat' ? undefined : readMapKey(input)
  return new Entry<unknown>(key, sub, keyGroup, 0, null)
}
