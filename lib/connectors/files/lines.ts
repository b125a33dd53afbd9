/**
 * Each line is a record, a string without its line end (LF or CRLF). Empty lines are records too. Bytes that are not
 * UTF-8 become U+FFFD. Strings that contain line ends are written as they are, and so come back as several records.
 */
import { t } from '../../types/t.ts'
import { type FileFormat, type RecordDecoder, trimLineEnd } from './file-format.ts'

export function lines(): FileFormat<string> {
  return {
    name: 'lines',
    type: t.string,
    isSplittable: true,
    hasHeader: false,
    newDecoder: () => new LineDecoder(),
    newEncoder: () => ({ header: null, encode: (value) => value }),
  }
}

/**
 * Lines are substrings, of which V8 points into the text from 13 characters on: fast, and whoever keeps them detaches
 * them (see type.ts).
 */
class LineDecoder implements RecordDecoder<string> {
  position = 0
  value = ''
  readonly isBlank = false
  #text = ''
  #isLast = false

  begin(text: string, isLast: boolean): void {
    this.#text = text
    this.#isLast = isLast
    this.position = 0
  }

  read(): boolean {
    const text = this.#text
    const from = this.position
    let end = text.indexOf('\n', from)
    if (end >= 0) this.position = end + 1
    else {
      if (!this.#isLast || from >= text.length) return false
      end = text.length
      this.position = end
    }
    this.value = text.slice(from, trimLineEnd(text, from, end))
    return true
  }
}
