/** Makes names durable: a file that survives a power failure is lost all the same if its directory forgets it. */
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errorCode, fileError } from './file-error.ts'

/** Systems that cannot open or sync a directory need not: their file systems log names themselves. */
const UNSUPPORTED: ReadonlySet<string | undefined> = new Set([
  'EISDIR',
  'EPERM',
  'EINVAL',
  'ENOTSUP',
  'EACCES',
])

/** Syncs each directory once. */
export async function syncDirectories(directories: Iterable<string>): Promise<void> {
  await Promise.all([...new Set(directories)].map(syncDirectory))
}

/** The directory and those above it, up to the one that holds `base`: all that may be new. */
export function directoriesUpTo(base: string, directory: string): string[] {
  if (directory.length <= base.length) return [directory, dirname(directory)]
  return [directory, ...directoriesUpTo(base, dirname(directory))]
}

async function syncDirectory(path: string): Promise<void> {
  try {
    const handle = await open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (!UNSUPPORTED.has(errorCode(error))) throw fileError('sync', path, error)
  }
}
