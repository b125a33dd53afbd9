/**
 * Keys as JavaScript Maps can hold them. Primitives stand for themselves; a tuple, which a Map would compare
 * by identity, becomes a string that no well-formed text starts like: a marker and its elements as text, each with a
 * letter for its type. Text because it is made for every record: the key codec's bytes would have to become a string
 * first, which takes twice as long. Two integers, ids mostly, become another marker and their halves as code units,
 * which takes a fifth of the time.
 */

import type { ByteReader } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import { type Key, notAKey } from '../base/hash.ts'
import { KEY_DEPTH_MAX, readKey, writeKey } from '../types/key-codec.ts'
import { mismatch } from '../types/mismatch.ts'

export type MapKey = string | number | bigint | boolean

/** Low surrogates first: ill-formed Unicode, so ordinary strings never collide; others are escaped. */
const MARKER_CODE = 0xdfff
const PAIR_CODE = 0xdffe
const TUPLE_MARKER = '\udfffT'
const STRING_MARKER = '\udfffS'

export function toMapKey(key: Key): MapKey {
  if (typeof key === 'number') return key
  if (typeof key === 'string') return isMarked(key) ? STRING_MARKER + key : key
  if (typeof key === 'bigint' || typeof key === 'boolean') return key
  // Key selectors return what they find: `undefined` where a field is missing.
  if (!Array.isArray(key)) throw notAKey(key)
  const [a, b] = key as readonly Key[]
  if (key.length === 2 && isInt32(a) && isInt32(b)) {
    return String.fromCharCode(PAIR_CODE, a >>> 16, a & 0xffff, b >>> 16, b & 0xffff)
  }
  return TUPLE_MARKER + textOf(key, 0)
}

export function fromMapKey(mapKey: MapKey): Key {
  if (typeof mapKey !== 'string' || !isMarked(mapKey)) return mapKey
  if (mapKey.charCodeAt(0) === PAIR_CODE) return [intAt(mapKey, 1), intAt(mapKey, 3)]
  if (mapKey.startsWith(STRING_MARKER)) return mapKey.slice(STRING_MARKER.length)
  return new TupleText(mapKey, TUPLE_MARKER.length).elements()
}

function isMarked(text: string): boolean {
  const code = text.charCodeAt(0)
  return code === MARKER_CODE || code === PAIR_CODE
}

function isInt32(value: Key | undefined): value is number {
  return typeof value === 'number' && (value | 0) === value
}

function intAt(text: string, at: number): number {
  return (text.charCodeAt(at) << 16) | text.charCodeAt(at + 1)
}

/** Writes what `writeKey` writes for the key. */
export function writeMapKey(out: ByteWriter, mapKey: MapKey): void {
  writeKey(out, fromMapKey(mapKey))
}

export function readMapKey(input: ByteReader): MapKey {
  return toMapKey(readKey(input))
}

/** `n1;s1:ai2;yz(n3;)` for [1, 'a', 2n, true, false, [3]]: texts behind their length, so that they may be anything. */
function textOf(tuple: readonly Key[], depth: number): string {
  if (depth === KEY_DEPTH_MAX) throw mismatch('key', `tuples nested at most ${KEY_DEPTH_MAX} deep`, tuple)
  let text = ''
  for (let i = 0; i < tuple.length; i++) {
    const element = tuple[i]!
    switch (typeof element) {
      case 'number':
        // 0 for -0, which equals it.
        text += `n${element + 0};`
        break
      case 'string':
        text += `s${element.length}:${element}`
        break
      case 'bigint':
        text += `i${element};`
        break
      case 'boolean':
        text += element ? 'y' : 'z'
        break
      default:
        if (!Array.isArray(element)) throw notAKey(element)
        text += `(${textOf(element, depth + 1)})`
    }
  }
  return text
}

/** What `textOf` wrote, read from a place on. */
class TupleText {
  readonly #text: string
  #at: number

  constructor(text: string, at: number) {
    this.#text = text
    this.#at = at
  }

  elements(): Key[] {
    const elements: Key[] = []
    while (this.#at < this.#text.length) {
      const letter = this.#text[this.#at++]
      if (letter === ')') break
      elements.push(this.#element(letter))
    }
    return elements
  }

  #element(letter: string | undefined): Key {
    switch (letter) {
      case 'n':
        return Number(this.#until(';'))
      case 's': {
        const length = Number(this.#until(':'))
        this.#at += length
        return this.#text.slice(this.#at - length, this.#at)
      }
      case 'i':
        return BigInt(this.#until(';'))
      case '(':
        return this.elements()
      default:
        return letter === 'y'
    }
  }

  /** The text up to `end`, which is passed over. */
  #until(end: string): string {
    const begin = this.#at
    const found = this.#text.indexOf(end, begin)
    this.#at = found + 1
    return this.#text.slice(begin, found)
  }
}
