/** Removes the hidden files of attempts that failed, which no snapshot knows and nobody will ever finish. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from './file-error.ts'
import type { PartNames, PartOrigin } from './part-path.ts'

/** What a snapshot knows of the parts of the subtask that it was taken by. */
export interface KnownParts {
  readonly subtask: number
  /** In which it was taken. */
  readonly attempt: number
  /** The number of the first part of that attempt that was begun later. */
  readonly nextPart: number
}

/**
 * Whether a hidden part is of no use to an attempt that begins with the given snapshots: a part of one of their
 * subtasks, begun after the snapshot, in its attempt or in one that failed since. Parts of earlier attempts are in the
 * snapshot, or in the sink's list of what is to be committed.
 */
export function isLeftOver(part: PartOrigin, known: readonly KnownParts[], currentAttempt: number): boolean {
  if (part.attempt >= currentAttempt) return false
  return known.some(
    ({ subtask, attempt, nextPart }) =>
      part.subtask === subtask &&
      (part.attempt > attempt || (part.attempt === attempt && part.number >= nextPart)),
  )
}

/** Removes what is the sink's own and `isLeftOver`, below `directory`; resolves with the number of files removed. */
export async function removeLeftOverParts(
  directory: string,
  names: PartNames,
  isLeftOver: (origin: PartOrigin) => boolean,
): Promise<number> {
  let removed = 0
  for (const entry of await entriesOf(directory)) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) removed += await removeLeftOverParts(path, names, isLeftOver)
    else {
      const origin = names.parseHidden(entry.name)
      if (origin === null || !isLeftOver(origin)) continue
      await rm(path, { force: true })
      removed++
    }
  }
  return removed
}

async function entriesOf(directory: string) {
  try {
    return await readdir(directory, { withFileTypes: true })
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}
