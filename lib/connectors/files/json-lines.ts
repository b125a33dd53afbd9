/** Each line is a JSON value. Empty lines are skipped. How values look in JSON is json-value.ts's matter. */
import { asError } from '../../base/errors.ts'
import { t } from '../../types/t.ts'
import type { Type } from '../../types/type.ts'
import {
  type FileFormat,
  MalformedRecord,
  type RecordDecoder,
  shownText,
  trimLineEnd,
} from './file-format.ts'
import { jsonReader, toJsonText } from './json-value.ts'

/** Without a type, records are what JSON.parse gives. Throws UNSUPPORTED for types that JSON cannot carry. */
export function jsonLines<T = unknown>(type: Type<T> = t.any as Type<T>): FileFormat<T> {
  const fromJson = jsonReader(type)
  return {
    name: 'json',
    type,
    isSplittable: true,
    hasHeader: false,
    newDecoder: () => new JsonLineDecoder(fromJson),
    newEncoder: () => ({ header: null, encode: toJsonText }),
  }
}

class JsonLineDecoder<T> implements RecordDecoder<T> {
  position = 0
  value!: T
  isBlank = false
  #text = ''
  #isLast = false
  readonly #fromJson: (json: unknown) => T

  constructor(fromJson: (json: unknown) => T) {
    this.#fromJson = fromJson
  }

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
    this.isBlank = trimLineEnd(text, from, end) === from
    if (!this.isBlank) this.#parse(text.slice(from, end))
    return true
  }

  #parse(line: string): void {
    try {
      this.value = this.#fromJson(JSON.parse(line))
    } catch (error) {
      this.isBlank = line.trim() === ''
      if (this.isBlank) return
      throw new MalformedRecord(`${asError(error).message}, in ${shownText(line)}`, { cause: error })
    }
  }
}
