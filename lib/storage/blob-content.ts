/** Content that comes in pieces: its size, its pieces joined, and pieces of another size cut from it. */
import type { BlobContent } from './blob-store.ts'

export function partsOf(content: BlobContent): readonly Uint8Array[] {
  return content instanceof Uint8Array ? [content] : content
}

export function byteLengthOf(parts: readonly Uint8Array[]): number {
  let byteLength = 0
  for (const part of parts) byteLength += part.length
  return byteLength
}

/** The parts in one array: the only part itself, or a copy. */
export function joinParts(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : copyParts(parts, byteLengthOf(parts))
}

export function copyParts(parts: readonly Uint8Array[], byteLength: number): Uint8Array {
  const joined = new Uint8Array(byteLength)
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

/**
 * The content cut into chunks of `chunkBytes`, the last one shorter; nothing for nothing. A chunk that lies within
 * one part is a window of it, only one that spans parts is copied: memory stays at one chunk per chunk in use.
 */
export function* chunksOf(parts: readonly Uint8Array[], chunkBytes: number): Generator<Uint8Array> {
  let gathered: Uint8Array[] = []
  let missing = chunkBytes
  for (const part of parts) {
    let offset = 0
    while (offset < part.length) {
      const piece = part.subarray(offset, offset + missing)
      gathered.push(piece)
      offset += piece.length
      missing -= piece.length
      if (missing > 0) continue
      yield joinParts(gathered)
      gathered = []
      missing = chunkBytes
    }
  }
  if (gathered.length > 0) yield joinParts(gathered)
}
