/**
 * Takes CSV text apart. Most lines have no quotes; where the next one is, is looked up once and remembered, and lines
 * before it are cut at the delimiters without looking at characters.
 */
import { type CellReader, UNREADABLE } from './csv-cell.ts'
import { MalformedRecord, type RecordDecoder, shownText, trimLineEnd } from './file-format.ts'

/** A column that is a field. */
export interface CsvColumn {
  readonly name: string
  /** Of the field. */
  readonly index: number
  readonly read: CellReader
  readonly expected: string
}

const QUOTE = 34
const LINE_FEED = 10
const CARRIAGE_RETURN = 13

export class CsvDecoder<T> implements RecordDecoder<T> {
  position = 0
  value!: T
  isBlank = false
  readonly #columns: readonly (CsvColumn | null)[]
  readonly #build: (values: readonly unknown[]) => T
  /** Per field, its value if no column is for it. */
  readonly #missing: readonly ((() => unknown) | null)[]
  readonly #delimiter: string
  readonly #hasQuotes: boolean
  readonly #cells: string[] = []
  readonly #isQuoted: boolean[] = []
  readonly #values: unknown[]
  #cellCount = 0
  #text = ''
  #isLast = false
  /** Of the next quote and the next delimiter, as last looked up; the text's length if there is none. */
  #quoteIndex = 0
  #delimiterIndex = 0

  constructor(
    columns: readonly (CsvColumn | null)[],
    build: (values: readonly unknown[]) => T,
    missing: readonly ((() => unknown) | null)[],
    delimiter: string,
    hasQuotes: boolean,
  ) {
    this.#columns = columns
    this.#build = build
    this.#missing = missing
    this.#delimiter = delimiter
    this.#hasQuotes = hasQuotes
    this.#values = new Array(missing.length).fill(undefined)
  }

  /** The cells of a line as they are. */
  static cellsOf(line: string, delimiter: string, hasQuotes: boolean): readonly string[] {
    const decoder = new CsvDecoder([], () => null, [], delimiter, hasQuotes)
    decoder.begin(line, true)
    if (decoder.#quoteIndex < line.length) decoder.#splitQuoted(0)
    else decoder.#splitPlain(0, line.length)
    return decoder.#cells.slice(0, decoder.#cellCount)
  }

  begin(text: string, isLast: boolean): void {
    this.#text = text
    this.#isLast = isLast
    this.position = 0
    this.#quoteIndex = this.#hasQuotes ? this.#find('"', 0) : text.length
    this.#delimiterIndex = this.#find(this.#delimiter, 0)
  }

  read(): boolean {
    const text = this.#text
    const from = this.position
    if (from >= text.length) return false
    if (this.#quoteIndex < from) this.#quoteIndex = this.#find('"', from)
    const lineEnd = text.indexOf('\n', from)
    if (lineEnd < 0 && !this.#isLast) return false
    const end = lineEnd < 0 ? text.length : lineEnd
    if (this.#quoteIndex < end) {
      if (!this.#splitQuoted(from)) return false
    } else {
      this.position = lineEnd < 0 ? end : end + 1
      const contentEnd = trimLineEnd(text, from, end)
      this.isBlank = contentEnd === from && this.#columns.length > 1
      if (this.isBlank) return true
      this.#splitPlain(from, contentEnd)
    }
    this.value = this.#record()
    return true
  }

  #find(character: string, from: number): number {
    const index = this.#text.indexOf(character, from)
    return index < 0 ? this.#text.length : index
  }

  /** Remembered, since looking it up from every line of a text without any would read the text again and again. */
  #findDelimiter(from: number): number {
    if (this.#delimiterIndex < from) this.#delimiterIndex = this.#find(this.#delimiter, from)
    return this.#delimiterIndex
  }

  #splitPlain(from: number, end: number): void {
    const text = this.#text
    let count = 0
    for (;;) {
      const next = this.#findDelimiter(from)
      this.#isQuoted[count] = false
      if (next >= end) {
        this.#cells[count++] = text.slice(from, end)
        break
      }
      this.#cells[count++] = text.slice(from, next)
      from = next + 1
    }
    this.#cellCount = count
  }

  /** False if the text ends within a quoted cell and more is to come. */
  #splitQuoted(from: number): boolean {
    const text = this.#text
    let at = from
    this.#cellCount = 0
    this.isBlank = false
    for (;;) {
      at = text.charCodeAt(at) === QUOTE ? this.#quotedCell(at) : this.#plainCell(at)
      if (at < 0) return false
      const code = text.charCodeAt(at)
      if (code === LINE_FEED || at >= text.length) {
        this.position = Math.min(at + 1, text.length)
        return true
      }
      at++
    }
  }

  /** Adds the cell without quotes that begins at `from`; returns where it ends. */
  #plainCell(from: number): number {
    const text = this.#text
    const next = this.#findDelimiter(from)
    const limit = this.#find('\n', from)
    const isLastCell = next >= limit
    const end = isLastCell ? limit : next
    this.#addCell(text.slice(from, isLastCell ? trimLineEnd(text, from, end) : end), false)
    return end
  }

  /** Adds the quoted cell that begins at `from`; returns where it ends, or -1 if the text ends first. */
  #quotedCell(from: number): number {
    const text = this.#text
    let close = text.indexOf('"', from + 1)
    let isEscaped = false
    while (close >= 0 && text.charCodeAt(close + 1) === QUOTE) {
      isEscaped = true
      close = text.indexOf('"', close + 2)
    }
    if (close < 0) {
      if (!this.#isLast) return -1
      this.position = text.length
      throw new MalformedRecord(`a quote is opened and never closed: ${shownText(text.slice(from))}`)
    }
    const content = text.slice(from + 1, close)
    this.#addCell(isEscaped ? content.replaceAll('""', '"') : content, true)
    let end = close + 1
    if (
      text.charCodeAt(end) === CARRIAGE_RETURN &&
      (end + 1 >= text.length || text.charCodeAt(end + 1) === LINE_FEED)
    )
      end++
    if (end >= text.length || text.charCodeAt(end) === LINE_FEED || text[end] === this.#delimiter) return end
    this.#skipLine(end)
    throw new MalformedRecord(
      `expected a delimiter after a closing quote, found ${shownText(text.slice(close, close + 20))}`,
    )
  }

  #addCell(text: string, isQuoted: boolean): void {
    this.#cells[this.#cellCount] = text
    this.#isQuoted[this.#cellCount++] = isQuoted
  }

  #skipLine(from: number): void {
    const lineEnd = this.#text.indexOf('\n', from)
    this.position = lineEnd < 0 ? this.#text.length : lineEnd + 1
  }

  #record(): T {
    const columns = this.#columns
    const values = this.#values
    if (this.#cellCount !== columns.length) {
      throw new MalformedRecord(`expected ${columns.length} columns, found ${this.#cellCount}`)
    }
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i]
      if (column === null || column === undefined) continue
      const value = column.read(this.#cells[i]!, this.#isQuoted[i]!)
      if (value === UNREADABLE) {
        throw new MalformedRecord(
          `column "${column.name}": expected ${column.expected}, found ${shownText(this.#cells[i]!)}`,
        )
      }
      values[column.index] = value
    }
    const missing = this.#missing
    for (let i = 0; i < missing.length; i++) {
      const value = missing[i]
      if (value !== null && value !== undefined) values[i] = value()
    }
    return this.#build(values)
  }
}
