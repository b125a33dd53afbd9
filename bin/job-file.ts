/** A job's file, as named on the command line. Throws USAGE if there is none, with the name that was perhaps meant. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { SluiceError } from '../lib/base/errors.ts'
import { nearestName } from '../lib/base/nearest-name.ts'

export function jobPath(path: string): string {
  const absolute = resolve(path)
  if (existsSync(absolute) && statSync(absolute).isFile()) return absolute
  const near = nearestName(basename(path), listDirectory(dirname(absolute)))
  const hint = near === undefined ? '' : ` Did you mean "${join(dirname(path), near)}"?`
  throw new SluiceError('USAGE', `there is no file ${path}.${hint}`)
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
