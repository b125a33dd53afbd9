/**
 * Gets a nats-server without administrator's rights. Debian and its descendants: the distribution's own package
 * is downloaded and unpacked into Sluice's cache; nothing is installed and no service started. Elsewhere a
 * package manager must do it, and all there is to give is the line to run. Never called unasked.
 */
import { execFile } from 'node:child_process'
import {
  accessSync,
  constants,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { delimiter, join } from 'node:path'
import { SluiceError } from '../base/errors.ts'
import { type NatsServerBinary, natsServerCacheDir, natsServerVersion } from './find-nats-server.ts'
import { isNatsVersionAtLeast, NATS_VERSION_MIN } from './nats-version.ts'

export interface InstallEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cacheDir: string
  /** As Node names it: `linux`, `darwin`, `win32`. */
  readonly platform: string
}

const COMMAND_TIMEOUT_MS = 300_000
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024

/** The one line that installs nats-server here. `sluice nats install` does the same on Debian and Ubuntu. */
export function installCommand({ env, cacheDir, platform }: InstallEnvironment): string {
  if (hasApt(env)) {
    const directory = natsServerCacheDir(cacheDir)
    return (
      `mkdir -p '${directory}/apt' && cd '${directory}/apt' && apt-get download nats-server && ` +
      'dpkg-deb -x nats-server_*.deb . && ln -sf usr/sbin/nats-server nats-server'
    )
  }
  if (platform === 'darwin') return 'brew install nats-server'
  return 'go install github.com/nats-io/nats-server/v2@latest'
}

/** Downloads and unpacks. Throws NATS_SERVER_MISSING with the command to run by hand when that is not possible. */
export async function installNatsServer(environment: InstallEnvironment): Promise<NatsServerBinary> {
  if (!hasApt(environment.env)) {
    throw new SluiceError(
      'NATS_SERVER_MISSING',
      `cannot install nats-server here; run: ${installCommand(environment)}`,
    )
  }
  const cache = natsServerCacheDir(environment.cacheDir)
  mkdirSync(cache, { recursive: true })
  const scratch = mkdtempSync(join(cache, '.download-'))
  try {
    await downloadPackage(scratch, environment)
    const archive = readdirSync(scratch).find((name) => name.endsWith('.deb'))
    if (archive === undefined) throw new Error('apt-get reported success but left no package')
    await run('dpkg-deb', ['-x', archive, 'unpacked'], scratch, environment.env)
    return await keep(join(scratch, 'unpacked', 'usr', 'sbin', 'nats-server'), cache)
  } catch (error) {
    if (error instanceof SluiceError) throw error
    throw new SluiceError(
      'NATS_SERVER_MISSING',
      `downloading nats-server failed; as administrator run: apt-get update && apt-get install nats-server`,
      { cause: error },
    )
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** With the system's package lists if it has any, else with lists fetched for this one download. */
async function downloadPackage(directory: string, { env }: InstallEnvironment): Promise<void> {
  try {
    await run('apt-get', ['download', 'nats-server'], directory, env)
  } catch {
    mkdirSync(join(directory, 'lists', 'partial'), { recursive: true })
    mkdirSync(join(directory, 'cache', 'archives', 'partial'), { recursive: true })
    const own = [
      '-o',
      `Dir::State::lists=${join(directory, 'lists')}`,
      '-o',
      `Dir::Cache=${join(directory, 'cache')}`,
    ]
    await run('apt-get', [...own, 'update'], directory, env)
    await run('apt-get', [...own, 'download', 'nats-server'], directory, env)
  }
}

/** Moves the program to `<cache>/<version>/`, in one step, so that nobody finds half of it. */
async function keep(program: string, cache: string): Promise<NatsServerBinary> {
  const version = await natsServerVersion(program)
  if (version === undefined) throw new Error('the downloaded program does not run on this machine')
  if (!isNatsVersionAtLeast(version, NATS_VERSION_MIN)) {
    throw new SluiceError(
      'NATS_SERVER_UNSUITABLE',
      `expected nats-server ${NATS_VERSION_MIN} or later, this distribution has ${version}`,
    )
  }
  const directory = join(cache, version)
  mkdirSync(directory, { recursive: true })
  const path = join(directory, 'nats-server')
  copyFileSync(program, `${path}.new`)
  renameSync(`${path}.new`, path)
  return { path, version, origin: 'cache' }
}

function hasApt(env: InstallEnvironment['env']): boolean {
  return isOnPath('apt-get', env) && isOnPath('dpkg-deb', env)
}

function isOnPath(program: string, env: InstallEnvironment['env']): boolean {
  return (env.PATH ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK)
      return directory !== ''
    } catch {
      return false
    }
  })
}

function run(
  program: string,
  args: readonly string[],
  cwd: string,
  env: InstallEnvironment['env'],
): Promise<void> {
  const options = { cwd, env: { ...env }, timeout: COMMAND_TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX }
  return new Promise((resolve, reject) => {
    execFile(program, args, options, (error, _stdout, stderr) => {
      if (error === null) resolve()
      else reject(new Error(`${program} ${args.join(' ')}: ${stderr.trim().slice(-2000) || error.message}`))
    })
  })
}
