/** Removes the hidden files of attempts that failed, which no snapshot knows and nobody will ever finish. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from './file-error.ts'
import type { PartNames, PartOrigin } from './part-path.ts'

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
