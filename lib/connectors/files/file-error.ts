/** Errors of the file system as people need them: what was tried, on which path, why it failed, what to do. */
import { asError, SluiceError } from '../../base/errors.ts'

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied; let the user that runs the job have access',
  EPERM: 'permission denied; let the user that runs the job have access',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full; free some space or choose another path',
  EDQUOT: 'the disk quota is used up; free some space or choose another path',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is a file, not a directory',
  EMFILE: 'too many open files; raise the limit (ulimit -n) or open fewer buckets',
  ENFILE: 'too many open files on this host',
  ENAMETOOLONG: 'the name is too long',
}

/** `action` completes "cannot": `write`, `read`. */
export function fileError(action: string, path: string, thrown: unknown): SluiceError {
  if (thrown instanceof SluiceError) return thrown
  const code = errorCode(thrown)
  const reason = (code === undefined ? undefined : REASONS[code]) ?? asError(thrown).message
  return new SluiceError('CONNECTOR_FAILED', `cannot ${action} ${path}: ${reason}`, {
    cause: thrown,
    details: { path, ...(code === undefined ? {} : { code }) },
  })
}

/** `ENOENT` and the like; undefined for errors that come from elsewhere. */
export function errorCode(thrown: unknown): string | undefined {
  const code = (thrown as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : undefined
}
