/**
 * Comma-separated values as RFC 4180 has them: cells in quotes may contain delimiters, line ends and, doubled, quotes;
 * lines end with LF or CRLF. A quote inside a cell that does not begin with one is an ordinary character.
 */
import { SluiceError } from '../../base/errors.ts'
import { didYouMean } from '../../base/nearest-name.ts'
import { Code, key } from '../../types/code.ts'
import type { FieldSchema } from '../../types/schema.ts'
import type { Type } from '../../types/type.ts'
import { absentValue, type CellCodec, cellCodec } from './csv-cell.ts'
import { type CsvColumn, CsvDecoder } from './csv-decoder.ts'
import { type FileFormat, MalformedRecord, type RecordEncoder } from './file-format.ts'

export interface CsvOptions {
  /** The first line of a file names its columns, which may come in any order. Default true. */
  readonly header?: boolean
  /** One character; default a comma. */
  readonly delimiter?: string
  /** Names of the columns, in order: of files without header, and of files written. Default: the type's fields. */
  readonly columns?: readonly string[]
  /** False: quotes are ordinary characters, cells have no line ends, large files are read in parts. Default true. */
  readonly quotes?: boolean
}

/**
 * Records are objects; fields are found by column name, further columns are ignored. Throws GRAPH_INVALID for a type
 * that is no object, for columns that do not fit it, and for an impossible delimiter.
 */
export function csv<T extends object>(type: Type<T>, options: CsvOptions = {}): FileFormat<T> {
  const { header: hasHeader = true, delimiter = ',', quotes: hasQuotes = true } = options
  if (type.schema.kind !== 'object') {
    throw new SluiceError(
      'GRAPH_INVALID',
      `csv needs the type of an object (t.object), found ${type.schema.kind}`,
    )
  }
  if (delimiter.length !== 1 || /["\r\n]/.test(delimiter)) {
    throw new SluiceError(
      'GRAPH_INVALID',
      `csv: expected a delimiter of one character, found ${JSON.stringify(delimiter)}`,
    )
  }
  const { fields } = type.schema
  const codecs = new Map(fields.map((field) => [field.name, cellCodec(field)]))
  const names = options.columns ?? fields.map(({ name }) => name)
  checkColumns(fields, names)
  const build = recordBuilder<T>(fields)
  return {
    name: 'csv',
    type,
    isSplittable: !hasQuotes,
    hasHeader,
    newDecoder: (header) => {
      const found =
        header === null ? names : CsvDecoder.cellsOf(header, delimiter, hasQuotes).map((name) => name.trim())
      return new CsvDecoder(
        columnsOf(fields, codecs, found),
        build,
        missingValues(fields, found),
        delimiter,
        hasQuotes,
      )
    },
    newEncoder: () => new CsvEncoder<T>(names, codecs, delimiter, hasQuotes, hasHeader),
  }
}

/** The object with the given values as its fields. Generated: one hidden class for all, whatever order columns have. */
function recordBuilder<T>(fields: readonly FieldSchema[]): (values: readonly unknown[]) => T {
  const properties = fields.map(({ name }, i) => `${key(name)}: v[${i}]`)
  return new Code().evaluate(`function build(v) { return { ${properties.join(', ')} } }`)
}

function checkColumns(fields: readonly FieldSchema[], columns: readonly string[]): void {
  const missing = fields.find((field) => absentValue(field) === null && !columns.includes(field.name))
  if (missing !== undefined) {
    const near = didYouMean(missing.name, columns)
    throw new SluiceError(
      'GRAPH_INVALID',
      `csv: field "${missing.name}" is not among the columns ${columns.join(', ')}.${near}`,
    )
  }
  if (
    new Set(columns).size < columns.length ||
    columns.some((name) => /[\r\n]/.test(name) || name !== name.trim())
  ) {
    throw new SluiceError(
      'GRAPH_INVALID',
      `csv: expected distinct column names of one line, found ${columns.join(', ')}`,
    )
  }
}

/** What to do with each column of a file; null for those nobody wants. */
function columnsOf(
  fields: readonly FieldSchema[],
  codecs: ReadonlyMap<string, CellCodec>,
  found: readonly string[],
): (CsvColumn | null)[] {
  const missing = fields.find((field) => absentValue(field) === null && !found.includes(field.name))
  if (missing !== undefined) {
    throw new MalformedRecord(
      `the header lacks column "${missing.name}"; it has ${found.join(', ')}.${didYouMean(missing.name, found)}`,
    )
  }
  return found.map((name, i) => {
    if (found.indexOf(name) < i) throw new MalformedRecord(`the header has column "${name}" twice`)
    const codec = codecs.get(name)
    const index = fields.findIndex((field) => field.name === name)
    return codec === undefined ? null : { name, index, read: codec.read, expected: codec.expected }
  })
}

/** Values of the fields no column is for, at the fields' places. */
function missingValues(fields: readonly FieldSchema[], found: readonly string[]): ((() => unknown) | null)[] {
  return fields.map((field) => (found.includes(field.name) ? null : absentValue(field)))
}

class CsvEncoder<T extends object> implements RecordEncoder<T> {
  readonly header: string | null
  readonly #columns: readonly (CellCodec & { readonly name: string })[]
  readonly #delimiter: string
  readonly #hasQuotes: boolean
  /** Text that would be taken apart without quotes. U+FEFF would be taken for a byte order mark. */
  readonly #special: RegExp

  constructor(
    names: readonly string[],
    codecs: ReadonlyMap<string, CellCodec>,
    delimiter: string,
    hasQuotes: boolean,
    hasHeader: boolean,
  ) {
    this.#columns = names.map((name) => ({ name, ...(codecs.get(name) ?? EMPTY_CELL) }))
    this.#delimiter = delimiter
    this.#hasQuotes = hasQuotes
    this.#special = new RegExp(
      `[\\u{${delimiter.codePointAt(0)!.toString(16)}}\\r\\n\\ufeff${hasQuotes ? '"' : ''}]`,
      'u',
    )
    this.header = hasHeader ? names.map((name) => this.#quoted(name, name)).join(delimiter) : null
  }

  encode(value: T): string {
    const columns = this.#columns
    let line = ''
    for (let i = 0; i < columns.length; i++) {
      const { name, write, isEmptyQuoted } = columns[i]!
      const text = write((value as Record<string, unknown>)[name])
      if (i > 0) line += this.#delimiter
      if (text === '') line += isEmptyQuoted && this.#hasQuotes ? '""' : ''
      else if (text !== null) line += this.#special.test(text) ? this.#quoted(text, name) : text
    }
    return line
  }

  #quoted(text: string, column: string): string {
    if (!this.#special.test(text)) return text
    if (this.#hasQuotes) return `"${text.replaceAll('"', '""')}"`
    throw new SluiceError(
      'TYPE_MISMATCH',
      `csv column "${column}": without quotes a cell cannot contain a delimiter or a line end, found ${JSON.stringify(text)}`,
    )
  }
}

const EMPTY_CELL: CellCodec = {
  read: () => undefined,
  write: () => null,
  expected: 'nothing',
  isEmptyQuoted: false,
}
