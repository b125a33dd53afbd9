/**
 * Keys as JavaScript Maps can hold them. Primitives stand for themselves; a tuple, which a Map would compare
 * by identity, becomes a string that no well-formed text starts like: a marker and the tuple's key codec bytes.
 */

import { ByteReader } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import { type Key, notAKey } from '../base/hash.ts'
import { encodeKey, readKey, writeKey } from '../types/key-codec.ts'

export type MapKey = string | number | bigint | boolean

/** A low surrogate first: ill-formed Unicode, so ordinary strings never collide; others are escaped. */
const MARKER_CODE = 0xdfff
const TUPLE_MARKER = '\udfffT'
const STRING_MARKER = '\udfffS'

export function toMapKey(key: Key): MapKey {
  if (typeof key === 'number') return key
  if (typeof key === 'string') return key.charCodeAt(0) === MARKER_CODE ? STRING_MARKER + key : key
  if (typeof key === 'bigint' || typeof key === 'boolean') return key
  // Key selectors return what they find: `undefined` where a field is missing.
  if (!Array.isArray(key)) throw notAKey(key)
  return TUPLE_MARKER + Buffer.from(encodeKey(key)).toString('latin1')
}

export function fromMapKey(mapKey: MapKey): Key {
  if (typeof mapKey !== 'string' || mapKey.charCodeAt(0) !== MARKER_CODE) return mapKey
  if (mapKey.startsWith(STRING_MARKER)) return mapKey.slice(STRING_MARKER.length)
  return readKey(new ByteReader(Buffer.from(mapKey.slice(TUPLE_MARKER.length), 'latin1')))
}

/** Writes what `writeKey` writes for the key; a tuple's bytes are there already. */
export function writeMapKey(out: ByteWriter, mapKey: MapKey): void {
  if (typeof mapKey !== 'string' || !mapKey.startsWith(TUPLE_MARKER)) writeKey(out, fromMapKey(mapKey))
  else out.raw(Buffer.from(mapKey.slice(TUPLE_MARKER.length), 'latin1'))
}

export function readMapKey(input: ByteReader): MapKey {
  return toMapKey(readKey(input))
}
