/**
 * What a stream's records and a state's values look like at run time. Users build types with `t` (t.ts);
 * everything that encodes, stores, restores or compares records knows only this interface.
 *
 * Strings decoded from a batch are windows on one long string that holds a whole column: V8 copies up to 12
 * characters but points into the long one from 13 on. That is why decoding is fast, and it means that one
 * such string kept alive keeps the text of its whole batch alive. Who keeps values beyond their batch (windows,
 * joins) calls {@link Type.detach} first. Value, list and map state do not: there a copy of every value that is put
 * costs more than the texts that stay, which go with the last value of their batch.
 */
import type { ByteReader } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import type { Schema } from './schema.ts'

export interface Type<T> {
  /** Self-describing plain data: stored in snapshots, compared for compatibility. */
  readonly schema: Schema
  /** Values are primitives: holders need not guard against mutation. */
  readonly isImmutable: boolean
  /** One value at a time, for what is stored or kept singly. Generated on first use. */
  readonly row: RowCodec<T>
  /** For channels and snapshots. The code is generated once per type; each encoder has buffers of its own. */
  newBatchEncoder(): BatchEncoder<T>
  newBatchDecoder(): BatchDecoder<T>
  /** The same value, none of its strings tied to a batch. Values without strings are returned as they are. */
  detach(value: T): T
}

/** The static type of a type: `type Trade = Infer<typeof trade>`. */
export type Infer<X> = X extends Type<infer T> ? T : never

/**
 * Takes records one by one and writes them column by column. Fields an object has beyond its type are not
 * written. Reused for ever: after `finish` it is empty again.
 */
export interface BatchEncoder<T> {
  /**
   * Throws TYPE_MISMATCH with the path of the part that does not fit. After a throw the batch is damaged:
   * only `reset` may follow.
   */
  write(value: T): void
  /** Values written since the last finish or reset. */
  readonly count: number
  /** About what finish will write: within 10 % and some kilobytes of text per column. Cheap. */
  readonly byteLength: number
  /** Writes all values and resets. After RECORD_TOO_LARGE from `out`, only `reset` may follow. */
  finish(out: ByteWriter): void
  reset(): void
}

export interface BatchDecoder<T> {
  /**
   * Decodes `count` values into `into[0..count-1]`; `count` travels beside the bytes and the caller has
   * bounded it. Throws DECODE_FAILED for bytes that are not such a batch; `into` is then partly filled.
   * Objects have all their fields in declaration order (an absent optional field is there as undefined), so
   * that all of them share one hidden class.
   */
  decode(input: ByteReader, count: number, into: T[]): void
}

export interface RowCodec<T> {
  /** Throws TYPE_MISMATCH with the path of the part that does not fit. */
  write(out: ByteWriter, value: T): void
  /** Throws DECODE_FAILED for bytes that are not such a value. */
  read(input: ByteReader): T
}
