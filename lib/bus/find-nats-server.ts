/**
 * Where a nats-server program may be found, in this order: `SLUICE_NATS_SERVER_BIN`, what `sluice nats install`
 * put into the cache, PATH, and the directories packages install into that are not on everybody's PATH (Debian
 * uses /usr/sbin). What is too old is passed over.
 */
import { execFile } from 'node:child_process'
import { accessSync, constants, readdirSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { SluiceError } from '../base/errors.ts'
import { compareNatsVersions, isNatsVersionAtLeast, NATS_VERSION_MIN } from './nats-version.ts'

export interface NatsServerBinary {
  readonly path: string
  /** Such as `2.9.10`. */
  readonly version: string
  readonly origin: 'environment' | 'cache' | 'path'
}

export interface NatsServerPlaces {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Sluice's cache directory; servers live under `nats-server/<version>/`. */
  readonly cacheDir: string
  /** Directories searched after PATH. */
  readonly extraDirs?: readonly string[]
}

const NATS_SERVER_BIN_VARIABLE = 'SLUICE_NATS_SERVER_BIN'
const VERSION_TIMEOUT_MS = 5000

/**
 * The first suitable one, or undefined when there is none at all. Throws NATS_SERVER_MISSING when the variable
 * names something that does not run, NATS_SERVER_UNSUITABLE when all that was found is too old.
 */
export async function findNatsServer(places: NatsServerPlaces): Promise<NatsServerBinary | undefined> {
  const explicit = places.env[NATS_SERVER_BIN_VARIABLE]
  if (explicit !== undefined && explicit !== '') return checkExplicit(explicit)
  const tooOld: string[] = []
  for (const [path, origin] of candidates(places)) {
    const version = await natsServerVersion(path)
    if (version === undefined) continue
    if (isNatsVersionAtLeast(version, NATS_VERSION_MIN)) return { path, version, origin }
    tooOld.push(`${path} is ${version}`)
  }
  if (tooOld.length === 0) return undefined
  throw unsuitable(tooOld.join(', '))
}

/** `<cacheDir>/nats-server`: one directory per version in it. */
export function natsServerCacheDir(cacheDir: string): string {
  return join(cacheDir, 'nats-server')
}

/** The version a program reports, or undefined when it is not a nats-server that runs here. */
export function natsServerVersion(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(path, ['--version'], { timeout: VERSION_TIMEOUT_MS }, (error, stdout) => {
      resolve(error === null ? /nats-server: v?(\S+)/.exec(stdout)?.[1] : undefined)
    })
  })
}

async function checkExplicit(path: string): Promise<NatsServerBinary> {
  const version = await natsServerVersion(path)
  if (version === undefined) {
    throw new SluiceError(
      'NATS_SERVER_MISSING',
      `${NATS_SERVER_BIN_VARIABLE} is ${path}, which is no nats-server`,
    )
  }
  if (!isNatsVersionAtLeast(version, NATS_VERSION_MIN)) throw unsuitable(`${path} is ${version}`)
  return { path, version, origin: 'environment' }
}

function* candidates({ env, cacheDir, extraDirs }: NatsServerPlaces): Generator<[string, 'cache' | 'path']> {
  const program = env.OS === 'Windows_NT' ? 'nats-server.exe' : 'nats-server'
  const cache = natsServerCacheDir(cacheDir)
  const versions = listDirectory(cache).sort(compareNatsVersions).reverse()
  for (const version of versions) {
    const path = join(cache, version, program)
    if (isExecutable(path)) yield [path, 'cache']
  }
  const searched = (env.PATH ?? '').split(delimiter).filter((directory) => directory !== '')
  for (const directory of new Set([...searched, ...(extraDirs ?? usualDirs(env))])) {
    const path = join(directory, program)
    if (isExecutable(path)) yield [path, 'path']
  }
}

function usualDirs(env: NatsServerPlaces['env']): string[] {
  const fixed = [
    '/usr/sbin',
    '/usr/local/sbin',
    '/usr/local/bin',
    '/opt/homebrew/bin',
    '/opt/homebrew/sbin',
    '/snap/bin',
  ]
  const home = env.HOME === undefined ? [] : [join(env.HOME, 'go', 'bin')]
  const windows = env.ProgramFiles === undefined ? [] : [join(env.ProgramFiles, 'nats-server')]
  return [...fixed, ...home, ...windows]
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

function unsuitable(found: string): SluiceError {
  return new SluiceError(
    'NATS_SERVER_UNSUITABLE',
    `expected nats-server ${NATS_VERSION_MIN} or later, found: ${found}`,
  )
}
