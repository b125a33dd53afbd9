/**
 * What turns the text of a file into records and back. Formats know nothing of files: the reader gives them text that
 * begins at the beginning of a record, the sink gives them records and takes the text of each.
 */
import type { Type } from '../../types/type.ts'

export interface FileFormat<T> {
  /** For names and messages: `csv`. */
  readonly name: string
  readonly type: Type<T>
  /** Every line end is the end of a record: a file can be cut there and its parts read on their own. */
  readonly isSplittable: boolean
  /** The first line of a file says what the others are. */
  readonly hasHeader: boolean
  /** `header`: the file's first line, without its end; null unless `hasHeader`. May throw {@link MalformedRecord}. */
  newDecoder(header: string | null): RecordDecoder<T>
  newEncoder(): RecordEncoder<T>
}

/**
 * Reads one record after the other out of a text. Results are fields and not a return value, so that reading a record
 * allocates nothing but the record.
 */
export interface RecordDecoder<T> {
  /** Starts on another text. `isLast`: what is left after its last line end is a record too. */
  begin(text: string, isLast: boolean): void
  /**
   * Reads the record at `position`; false if the text ends before the record does. Throws {@link MalformedRecord} for
   * text that is not a record; `position` is then after it, and reading may go on.
   */
  read(): boolean
  /** Where in the text the next record begins. */
  readonly position: number
  /** What was read is no record: an empty line. */
  readonly isBlank: boolean
  readonly value: T
}

export interface RecordEncoder<T> {
  /** What precedes the first record of a file, without the line end. */
  readonly header: string | null
  /** The text of a record, without the line end. */
  encode(value: T): string
}

/** Text that is no record. The reader adds file and line. */
export class MalformedRecord extends Error {
  override readonly name = 'MalformedRecord'
}

const TEXT_SHOWN_MAX = 80

/** Text as messages show it. */
export function shownText(text: string): string {
  return text.length > TEXT_SHOWN_MAX
    ? `${JSON.stringify(text.slice(0, TEXT_SHOWN_MAX))}...`
    : JSON.stringify(text)
}

/** The end of a line that ends before `end`, without a carriage return. */
export function trimLineEnd(text: string, from: number, end: number): number {
  return end > from && text.charCodeAt(end - 1) === 13 ? end - 1 : end
}
