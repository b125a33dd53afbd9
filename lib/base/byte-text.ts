/**
 * Strings to and from raw bytes without going through `Buffer#toString`, which checks its arguments anew on
 * every call and exists only on `Buffer`. The calls below are the primitives underneath it: undocumented, in
 * every Node release since 0.12, and usable on any `Uint8Array`. Only ByteWriter, ByteReader and the string
 * columns call them.
 */

interface TextPrimitives {
  latin1Slice(start: number, end: number): string
  ucs2Slice(start: number, end: number): string
  utf8Slice(start: number, end: number): string
  latin1Write(text: string, offset: number): number
  ucs2Write(text: string, offset: number): number
  utf8Write(text: string, offset: number): number
}

const primitives = Buffer.prototype as unknown as TextPrimitives

/**
 * Whether a text has a character that one byte cannot hold. V8 knows which strings are stored with one byte
 * per character and answers for those without looking at them.
 */
export const WIDE_CHARACTER = /[\u0100-\uffff]/

/** Characters in one string, at most. V8 stops a little below 2^29; the rest is left for what is built on it. */
export const TEXT_LENGTH_MAX = 2 ** 28

export function latin1Slice(bytes: Uint8Array, start: number, end: number): string {
  return primitives.latin1Slice.call(bytes, start, end)
}

/** UTF-16, little endian on every machine Node runs Sluice on (byte-writer.ts checks). */
export function utf16Slice(bytes: Uint8Array, start: number, end: number): string {
  return primitives.ucs2Slice.call(bytes, start, end)
}

export function utf8Slice(bytes: Uint8Array, start: number, end: number): string {
  return primitives.utf8Slice.call(bytes, start, end)
}

/** Characters above 255 would be cut: test {@link WIDE_CHARACTER} first. Returns the bytes written. */
export function latin1Write(bytes: Uint8Array, text: string, offset: number): number {
  return primitives.latin1Write.call(bytes, text, offset)
}

export function utf16Write(bytes: Uint8Array, text: string, offset: number): number {
  return primitives.ucs2Write.call(bytes, text, offset)
}

export function utf8Write(bytes: Uint8Array, text: string, offset: number): number {
  return primitives.utf8Write.call(bytes, text, offset)
}
