/**
 * Makes a fresh clone ready to run: what `npm start` and `npm test` call first. Plain Node without dependencies, since
 * none may be there yet. With nothing to do it takes a few milliseconds, so it is called every time.
 *
 *     node bin/setup.mjs          installs the dependencies, and has tap built with the plugins of .taprc
 *     node bin/setup.mjs --nats   and makes sure that there is a nats-server to test with
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, isAbsolute, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const NODE_MIN = [20, 11]
const root = fileURLToPath(new URL('..', import.meta.url))

class SetupError extends Error {}

/** What npm wrote of the last installation: exact versions, as in package-lock.json. */
function isInstalled() {
  const installed = join(root, 'node_modules', '.package-lock.json')
  const wanted = join(root, 'package-lock.json')
  if (!existsSync(installed)) return false
  // A checkout changes times; whether anything is to be installed, only the contents say.
  return statSync(installed).mtimeMs >= statSync(wanted).mtimeMs || hasSamePackages(installed, wanted)
}

function hasSamePackages(installed, wanted) {
  const read = (path) => JSON.parse(readFileSync(path, 'utf8')).packages
  const [have, want] = [read(installed), read(wanted)]
  const isEqual = (path) => have[path]?.version === want[path]?.version
  const isNeeded = ([path, { optional, peer, devOptional }]) =>
    path !== '' && !optional && !peer && !devOptional
  return (
    Object.keys(have).every(isEqual) &&
    Object.entries(want)
      .filter(isNeeded)
      .every(([path]) => isEqual(path))
  )
}

/** `npm ci` refuses a lock file without the packages of every platform; a registry that lacks some makes such files. */
function installPackages() {
  const isWindows = process.platform === 'win32'
  const { status } = spawnSync('npm', ['ci', '--dry-run'], { cwd: root, stdio: 'ignore', shell: isWindows })
  const command = status === 0 ? ['ci'] : ['install', '--no-save']
  say(`installing dependencies (npm ${command.join(' ')}) ...`)
  run('npm', [...command, '--no-audit', '--no-fund'])
}

/** tap has its class compiled for the plugins in use; the first run after an installation would use the old one. */
function isTapBuilt() {
  const built = join(root, 'node_modules', '@tapjs', 'test', 'test-built', 'node_modules')
  return existsSync(built) || !existsSync(join(root, 'node_modules', 'tap'))
}

/** The places lib/bus/find-nats-server.ts looks at, without asking what is found there for its version. */
function hasNatsServer(cacheDir) {
  const { env } = process
  if (env.SLUICE_NATS_SERVER_BIN) return true
  const program = process.platform === 'win32' ? 'nats-server.exe' : 'nats-server'
  const cache = join(cacheDir, 'nats-server')
  const cached = existsSync(cache) ? readdirSync(cache).map((version) => join(cache, version)) : []
  const usual = [
    '/usr/sbin',
    '/usr/local/sbin',
    '/usr/local/bin',
    '/opt/homebrew/bin',
    '/opt/homebrew/sbin',
    '/snap/bin',
  ]
  const onPath = (env.PATH ?? '').split(delimiter).filter((directory) => directory !== '')
  return [...cached, ...onPath, ...usual, join(homedir(), 'go', 'bin')].some((directory) =>
    isExecutable(join(directory, program)),
  )
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

async function installNatsServer(cacheDir) {
  say('no nats-server found, fetching the one of this distribution ...')
  await import('../lib/api/register-loader.mjs')
  const { installNatsServer: install } = await import(
    pathToFileURL(join(root, 'lib/bus/install-nats-server.ts')).href
  )
  try {
    const { path, version } = await install({ env: process.env, cacheDir, platform: process.platform })
    say(`nats-server ${version} is in ${path}`)
  } catch (error) {
    throw new SetupError(
      `the tests need a nats-server: ${error.message}\nthen try again; SLUICE_NATS_SERVER_BIN=/path/to/nats-server names one elsewhere`,
    )
  }
}

function cacheDirectory() {
  const base = process.env.XDG_CACHE_HOME ?? ''
  return join(isAbsolute(base) ? base : join(homedir(), '.cache'), 'sluice')
}

function run(program, args) {
  const isWindows = process.platform === 'win32'
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit', shell: isWindows })
  if (error !== undefined) throw new SetupError(`cannot run ${program}: ${error.message}`)
  if (status !== 0) throw new SetupError(`\`${[program, ...args].join(' ')}\` failed; what it said is above`)
}

function say(text) {
  process.stderr.write(`setup: ${text}\n`)
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return
  throw new SetupError(
    `Sluice needs Node ${NODE_MIN.join('.')} or later, this is ${process.versions.node}: see https://nodejs.org`,
  )
}

async function main(args) {
  checkNode()
  const unknown = args.find((arg) => arg !== '--nats')
  if (unknown !== undefined) throw new SetupError(`unknown argument ${unknown}; there is --nats`)
  if (!isInstalled()) installPackages()
  if (!isTapBuilt()) {
    say('building tap with the plugins of .taprc ...')
    run(process.execPath, [join('node_modules', 'tap', 'dist', 'esm', 'run.mjs'), 'build'])
  }
  const cacheDir = cacheDirectory()
  if (args.includes('--nats') && !hasNatsServer(cacheDir)) await installNatsServer(cacheDir)
}

main(process.argv.slice(2)).catch((error) => {
  say(error instanceof SetupError ? error.message : error.stack)
  process.exitCode = 1
})
