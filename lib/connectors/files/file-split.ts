/** A file, or a range of one, and how far it has been read. */
import type { Split } from '../../function/source.ts'
import { t } from '../../types/t.ts'
import type { Type } from '../../types/type.ts'
import type { ListedFile } from './file-listing.ts'

export interface FileSplit extends Split {
  readonly id: string
  /** Absolute. */
  readonly path: string
  /** In bytes; of compressed files, after decompression. */
  readonly position: number
  /**
   * Records that begin before it belong to the split, records that begin at it to the next one. END_UNKNOWN for
   * compressed files.
   */
  readonly end: number
  /** A record begins at `position`. Otherwise it is where the file was cut, and the split begins with the next line. */
  readonly isAligned: boolean
}

export const END_UNKNOWN = Number.MAX_SAFE_INTEGER

export const FILE_SPLIT: Type<FileSplit> = t.object({
  id: t.string,
  path: t.string,
  position: t.int64,
  end: t.int64,
  isAligned: t.boolean,
})

export function isCompressed(path: string): boolean {
  return path.endsWith('.gz')
}

/** The splits of a file: itself, or ranges of `splitBytes` each; none if it is empty. */
export function splitsOf({ path, sizeBytes }: ListedFile, splitBytes: number): FileSplit[] {
  if (isCompressed(path)) return [{ id: path, path, position: 0, end: END_UNKNOWN, isAligned: true }]
  const splits: FileSplit[] = []
  for (let position = 0; position < sizeBytes; position += splitBytes) {
    const end = Math.min(position + splitBytes, sizeBytes)
    const id = position === 0 ? path : `${path}:${position}`
    splits.push({ id, path, position, end, isAligned: position === 0 })
  }
  return splits
}
