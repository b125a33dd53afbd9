/**
 * What every kind of column has in common. A batch is its columns one after the other, in the order in which
 * the type declares them; a column is written and read as a whole, so nothing marks where it begins.
 *
 * C1  A writer's `push` takes a value already checked by the generated encoder; it only appends.
 * C2  A reader checks that the bytes for `count` values are there before it makes room for them.
 * C3  Buffers grow by doubling and are given back after a batch far larger than usual.
 */
import type { ByteReader } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'

export interface ColumnWriter {
  /** Bytes that finish will write, about. */
  readonly byteLength: number
  /** Appends the column to `out` and empties it. */
  finish(out: ByteWriter): void
  reset(): void
}

export interface ColumnReader {
  /** Reads the column of `count` values from `input`. */
  load(input: ByteReader, count: number): void
  /** Lets go of text and bytes that only the batch needed. */
  release(): void
}

/** Values a column has room for at first; doubled as needed, so always whole blocks of an int column. */
export const COLUMN_CAPACITY = 64
/** A column with room for more than this many values gives it back when it is done with a batch. */
export const COLUMN_CAPACITY_KEPT_MAX = 65_536

/** Room for `count` values at least: the present one, a doubled one, or a small one after a giant batch. */
export function roomFor(present: number, count: number): number {
  if (count > present) return Math.max(count, present * 2)
  return present > COLUMN_CAPACITY_KEPT_MAX && count * 8 < present
    ? Math.max(count, COLUMN_CAPACITY)
    : present
}
