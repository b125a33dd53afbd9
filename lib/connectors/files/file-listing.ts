/**
 * Which files a path means: one file, all files of a directory and the directories in it, or a pattern where `*` and
 * `?` stand for parts of a name and `**` for any number of directories. Names that begin with `.` or `_` are passed
 * over, as Flink and Hadoop do: that is how files under construction are called.
 */
import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { SluiceError } from '../../base/errors.ts'
import { errorCode, fileError } from './file-error.ts'

export interface ListedFile {
  /** Absolute. */
  readonly path: string
  readonly sizeBytes: number
}

/** Directories deeper than this are refused: links that lead in a circle end here. */
const DEPTH_MAX = 64
/** What the file system says of a path that is not there. */
const MISSING = Object.assign(new Error('ENOENT'), { code: 'ENOENT' })

/**
 * The files, sorted by path. Throws CONNECTOR_FAILED for a path that does not exist, for a pattern whose fixed part
 * does not exist, and for more than `filesMax` files.
 */
export async function listFiles(path: string, filesMax: number): Promise<ListedFile[]> {
  const files: ListedFile[] = []
  for await (const found of matches(path)) {
    if (files.length >= filesMax) {
      throw new SluiceError(
        'CONNECTOR_FAILED',
        `${path} has more than ${filesMax} files: move away those that are done with, or raise filesMax`,
      )
    }
    const sizeBytes = await sizeOf(found)
    if (sizeBytes !== null) files.push({ path: found, sizeBytes })
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
}

/** Whether a path has the characters of a pattern; one that exists as it stands is none all the same. */
export function isPattern(path: string): boolean {
  return /[*?]/.test(path)
}

async function* matches(path: string): AsyncGenerator<string> {
  const kind = await kindOf(path)
  if (kind === 'file') yield path
  else if (kind === 'directory') yield* filesUnder(path, 0)
  else if (!isPattern(path)) throw fileError('read', path, MISSING)
  else {
    const names = path.split(sep)
    const fixed = names.findIndex(isPattern)
    const root = names.slice(0, fixed).join(sep) || sep
    if ((await kindOf(root)) !== 'directory') throw fileError('read', root, MISSING)
    yield* matchNames(root, names.slice(fixed), 0)
  }
}

/** Files under `directory` whose path from there fits the rest of the pattern. */
async function* matchNames(
  directory: string,
  names: readonly string[],
  depth: number,
): AsyncGenerator<string> {
  const [name = '', ...rest] = names
  if (name === '**') {
    if (rest.length === 0) yield* filesUnder(directory, depth)
    else {
      yield* matchNames(directory, rest, depth)
      for (const entry of await entriesOf(directory, depth)) {
        if (entry.isDirectory()) yield* matchNames(join(directory, entry.name), names, depth + 1)
      }
    }
    return
  }
  const pattern = patternOf(name)
  for (const entry of await entriesOf(directory, depth)) {
    if (!pattern.test(entry.name)) continue
    const path = join(directory, entry.name)
    const kind = await kindOfEntry(entry, path)
    if (rest.length === 0 && kind === 'file') yield path
    else if (rest.length > 0 && kind === 'directory') yield* matchNames(path, rest, depth + 1)
  }
}

async function* filesUnder(directory: string, depth: number): AsyncGenerator<string> {
  for (const entry of await entriesOf(directory, depth)) {
    const path = join(directory, entry.name)
    const kind = await kindOfEntry(entry, path)
    if (kind === 'file') yield path
    else if (kind === 'directory') yield* filesUnder(path, depth + 1)
  }
}

async function entriesOf(directory: string, depth: number): Promise<Dirent[]> {
  if (depth > DEPTH_MAX) {
    throw new SluiceError(
      'CONNECTOR_FAILED',
      `${directory}: expected at most ${DEPTH_MAX} directories within each other`,
    )
  }
  try {
    const entries = await readdir(directory, { withFileTypes: true })
    return entries.filter(({ name }) => !/^[._]/.test(name))
  } catch (error) {
    if (errorCode(error) === 'ENOENT' && depth > 0) return [] // removed while we were looking
    throw fileError('list', directory, error)
  }
}

function patternOf(name: string): RegExp {
  const escaped = name.replace(/[\\^$.|+()[\]{}]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's')
}

/** Null for pipes, sockets and the like. Links are followed. */
async function kindOfEntry(entry: Dirent, path: string): Promise<'file' | 'directory' | null> {
  return entry.isFile() ? 'file' : entry.isDirectory() ? 'directory' : kindOf(path)
}

async function kindOf(path: string): Promise<'file' | 'directory' | null> {
  try {
    const stats = await stat(path)
    return stats.isDirectory() ? 'directory' : stats.isFile() ? 'file' : null
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return null
    throw fileError('read', path, error)
  }
}

/** Null if the file has gone since it was listed. */
async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw fileError('read', path, error)
  }
}
