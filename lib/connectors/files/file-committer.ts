/** Makes finished parts visible by renaming them, and marks finished buckets. Doing it again does nothing. */
import { access, mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SluiceError } from '../../base/errors.ts'
import type { Committer } from '../../function/sink.ts'
import { t } from '../../types/t.ts'
import type { Type } from '../../types/type.ts'
import { errorCode, fileError } from './file-error.ts'
import { hiddenPath } from './part-path.ts'
import { syncDirectories } from './sync-directories.ts'

/** A part that is complete and on disk under its hidden name; or a marker, to be made after the parts before it. */
export interface PendingFile {
  /** Absolute. */
  readonly finalPath: string
  readonly isMarker: boolean
}

export const PENDING_FILE: Type<PendingFile> = t.object({
  finalPath: t.string,
  isMarker: t.defaulted(t.boolean, false),
})

export function fileCommitter(): Committer<PendingFile> {
  return {
    async commit(pending) {
      for (const { finalPath, isMarker } of pending) await (isMarker ? mark(finalPath) : publish(finalPath))
      await syncDirectories(pending.map(({ finalPath }) => dirname(finalPath)))
    },
  }
}

async function mark(path: string): Promise<void> {
  try {
    // A job that goes on from a savepoint may write elsewhere, where the bucket is not known yet.
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, '')
  } catch (error) {
    throw fileError('write', path, error)
  }
}

async function publish(finalPath: string): Promise<void> {
  const hidden = hiddenPath(finalPath)
  try {
    await rename(hidden, finalPath)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw fileError('rename', hidden, error)
    if (await exists(finalPath)) return
    throw new SluiceError(
      'CONNECTOR_FAILED',
      `a finished part is gone: neither ${hidden} nor ${finalPath} exists; was it removed by hand?`,
      { cause: error, details: { path: finalPath } },
    )
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
