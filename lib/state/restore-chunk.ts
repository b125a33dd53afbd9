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
import type { RegisteredTable, StateChunk, TableLayout } from './state-chunk.ts'
import { Timer } from './timer-table.ts'
import { batchReader } from './value-reader.ts'

/** Puts the rows of a chunk that belong to `keyGroups` into a table; yields after every `rowsPerStep`. */
export function* restoreChunk(
  chunk: StateChunk,
  { table, type, layout, name, expiry }: RegisteredTable,
  context: KeyContext,
  keyGroups: KeyGroupRange,
  rowsPerStep: number,
): Generator<void, void, void> {
  if (chunk.layout !== layout) throw layoutMismatch(chunk, layout)
  const input = readerOf(chunk)
  const hasValue = !chunk.isDeletion && type !== null && chunk.schema !== null
  const readValues = hasValue ? batchReader(chunk.schema!, type, name) : null
  // Without rows it only has to be found out whether they could be read.
  if (chunk.rowCount === 0) return
  const values = readValues === null ? null : readValues(input, chunk.rowCount)
  for (let i = 0; i < chunk.rowCount; i++) {
    const keyGroup = input.u16()
    const entry = readEntry(input, layout, context.restored(readKey(input)), keyGroup)
    if (values !== null) entry.value = values[i]
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

/** The part of a chunk that belongs to `keyGroups`, without knowing the state. */
export function restrictChunk(chunk: StateChunk, { first, last }: KeyGroupRange): StateChunk {
  const input = readerOf(chunk)
  const type = chunk.isDeletion || chunk.schema === null ? null : schemaToType(chunk.schema)
  const values: unknown[] = []
  type?.newBatchDecoder().decode(input, chunk.rowCount, values)
  const kept = type?.newBatchEncoder()
  const rows = new ByteWriter(1024)
  let rowCount = 0
  for (let i = 0; i < chunk.rowCount; i++) {
    const start = input.offset
    const keyGroup = input.u16()
    readKey(input)
    readEntry(input, chunk.layout, '', keyGroup)
    if (keyGroup < first || keyGroup > last) continue
    kept?.write(values[i])
    rows.raw(chunk.rows.subarray(start, input.offset))
    rowCount++
  }
  if (rowCount === chunk.rowCount) return chunk
  const out = new ByteWriter(1024)
  kept?.finish(out)
  out.raw(rows.view())
  return { ...chunk, rowCount, rows: out.toUint8Array() }
}

function readerOf({ rows, rowCount }: StateChunk): ByteReader {
  const input = new ByteReader(rows)
  // Each has a key group and a key.
  if (rowCount > rows.length) input.fail(`expected ${rowCount} rows, found ${rows.length} bytes`)
  return input
}

/** What follows the key of a row. */
function readEntry(input: ByteReader, layout: TableLayout, key: MapKey, keyGroup: number): Entry<unknown> {
  if (layout === 'timers') {
    const timestamp = input.f64()
    const namespace = input.u8() === 0 ? undefined : readMapKey(input)
    return new Timer(timestamp, namespace, key, keyGroup, 0) as Entry<unknown>
  }
  const sub = layout === 'flat' ? undefined : readMapKey(input)
  return new Entry<unknown>(key, sub, keyGroup, 0, null)
}
