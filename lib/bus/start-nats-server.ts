/**
 * Runs a nats-server as a child: on a free port, with the limits Sluice wants (frames of up to 8 MB, and
 * patience with a client whose event loop is busy), and never left behind.
 *
 * S1. The server ends with this process, however that ends: the small shell that starts it reads a pipe from
 *     here, and takes the end of that pipe as the order to stop the server. (On Windows: killed on exit.)
 * S2. Two servers never share a store directory: one that still answers there is found by the files it wrote.
 * S3. Passwords are in a file only this user can read, not on a command line.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { type Clock, sleep } from '../base/clock.ts'
import { SluiceError } from '../base/errors.ts'
import { PAYLOAD_BYTES_MAX } from './bus.ts'

export interface NatsServerOptions {
  /** The program, from {@link findNatsServer}. */
  readonly binary: string
  /** For JetStream and the server's own files; created if missing. */
  readonly storeDir: string
  readonly clock: Clock
  /** 0, the default, takes a free one. */
  readonly port?: number
  /** Default 127.0.0.1: reachable from this host only. */
  readonly host?: string
  /** Default true. */
  readonly jetstream?: boolean
  /** Default 8 MB. */
  readonly maxPayloadBytes?: number
  readonly user?: string
  readonly password?: string
  /** PEM files. With `caFile` clients must show a certificate of that authority. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly caFile?: string }
  /** A configuration of one's own instead of all the options above; without `handshake_first`. */
  readonly configFile?: string
  /** Default 10 000. */
  readonly startTimeoutMs?: number
  /** Stops the server, or its start, when aborted. */
  readonly signal?: AbortSignal
}

export interface NatsServerProcess {
  readonly url: string
  readonly pid: number
  /** Idempotent: asks, waits 5 s, then kills. */
  stop(): Promise<void>
  /** Resolves when the server has ended, whoever ended it, with the last of what it wrote. */
  readonly exited: Promise<{ readonly code: number | null; readonly output: string }>
}

const START_TIMEOUT_MS = 10_000
const STOP_TIMEOUT_MS = 5000
const POLL_MS = 10
const GREETING_TIMEOUT_MS = 1000
/** Of what the server wrote, the last part: for the message when it dies. */
const OUTPUT_CHARS_MAX = 8192

/** Resolves once the server greets clients. Throws CANNOT_CONNECT with its last words when it does not start. */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServerProcess> {
  const directory = resolve(options.storeDir)
  mkdirSync(directory, { recursive: true })
  await refuseSharedStore(directory, options.clock)
  const configFile = options.configFile ?? writeConfig(directory, options)
  const pidFile = join(directory, 'nats-server.pid')
  const child = launch(options.binary, ['-c', configFile, '-P', pidFile, '--ports_file_dir', directory])
  const server = superviseChild(child, pidFile, options.clock)
  options.signal?.addEventListener('abort', server.stop, { once: true })
  void server.exited.then(() => options.signal?.removeEventListener('abort', server.stop))
  try {
    const { url, pid } = await awaitGreeting(directory, pidFile, server, options)
    return { url, pid, stop: server.stop, exited: server.exited }
  } catch (error) {
    await server.stop()
    throw error
  }
}

type Supervised = Pick<NatsServerProcess, 'stop' | 'exited'> & { readonly isRunning: () => boolean }

/** Starts the server in the background, then ends it when standard input ends or a signal comes. */
const KEEPER = `
exec 3<&0
"$0" "$@" 3<&- </dev/null &
server=$!
( while read -r line <&3; do :; done; kill -TERM $server 2>/dev/null ) &
watcher=$!
trap 'kill -TERM $server 2>/dev/null' TERM INT HUP
wait $server; code=$?
while kill -0 $server 2>/dev/null; do wait $server; code=$?; done
kill $watcher 2>/dev/null
exit $code
`

function launch(binary: string, args: readonly string[]): ChildProcess {
  const stdio: ('pipe' | 'ignore')[] = ['pipe', 'ignore', 'pipe']
  return process.platform === 'win32'
    ? spawn(binary, args, { stdio })
    : spawn('/bin/sh', ['-c', KEEPER, binary, ...args], { stdio, detached: true })
}

function superviseChild(child: ChildProcess, pidFile: string, clock: Clock): Supervised {
  let output = ''
  let isRunning = true
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-OUTPUT_CHARS_MAX)
  })
  child.stdin?.on('error', () => {})
  const onExit = () => child.kill('SIGTERM')
  process.once('exit', onExit)
  const exited = new Promise<{ code: number | null; output: string }>((resolveExited) => {
    const ended = (code: number | null) => {
      isRunning = false
      process.off('exit', onExit)
      resolveExited({ code, output: output.trim() })
    }
    child.once('error', (error) => {
      output += error.message
      ended(null)
    })
    child.once('close', ended)
  })
  let stopping: Promise<void> | undefined
  const stop = () => {
    stopping ??= stopChild(child, pidFile, exited, clock)
    return stopping
  }
  return { stop, exited, isRunning: () => isRunning }
}

async function stopChild(
  child: ChildProcess,
  pidFile: string,
  exited: Promise<unknown>,
  clock: Clock,
): Promise<void> {
  child.stdin?.end()
  if (process.platform === 'win32') child.kill()
  const timer = clock.schedule(STOP_TIMEOUT_MS, () => {
    const pid = readPid(pidFile)
    if (pid !== undefined) kill(pid, 'SIGKILL')
    child.kill('SIGKILL')
  })
  await exited
  timer.cancel()
}

/** Waits for the files the server writes, then for the greeting on its port. */
async function awaitGreeting(
  directory: string,
  pidFile: string,
  server: Supervised,
  { clock, signal, startTimeoutMs }: NatsServerOptions,
): Promise<{ url: string; pid: number }> {
  const deadline = clock.monotonic() + (startTimeoutMs ?? START_TIMEOUT_MS)
  while (server.isRunning() && signal?.aborted !== true && clock.monotonic() < deadline) {
    const url = readPorts(directory)[0]
    const pid = readPid(pidFile)
    if (url !== undefined && pid !== undefined && (await greets(url, clock))) return { url, pid }
    await sleep(clock, POLL_MS)
  }
  if (signal?.aborted === true) throw new SluiceError('CANNOT_CONNECT', 'starting nats-server was aborted')
  if (server.isRunning())
    throw new SluiceError('CANNOT_CONNECT', 'nats-server was started but does not answer')
  const { code, output } = await server.exited
  throw new SluiceError(
    'CANNOT_CONNECT',
    `nats-server ended at start with code ${code}: ${lastWords(output)}`,
  )
}

/** What it called fatal or an error; failing that, its last lines. */
function lastWords(output: string): string {
  const lines = output.split('\n')
  const errors = lines.filter((line) => /\[(FTL|ERR)\]/.test(line))
  return (errors.length > 0 ? errors : lines.slice(-5)).join('\n')
}

async function refuseSharedStore(directory: string, clock: Clock): Promise<void> {
  for (const url of readPorts(directory)) {
    if (!(await greets(url, clock))) continue
    throw new SluiceError(
      'STORAGE_UNUSABLE',
      `another nats-server, at ${url}, uses ${directory}; stop it or use another`,
    )
  }
  for (const name of portsFiles(directory)) rmSync(join(directory, name), { force: true })
}

/** Whether something says `INFO` there, as NATS servers do before anything else. */
function greets(url: string, clock: Clock): Promise<boolean> {
  const { hostname, port } = new URL(url)
  return new Promise((resolveGreets) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) })
    const finish = (isGreeting: boolean) => {
      timer.cancel()
      socket.destroy()
      resolveGreets(isGreeting)
    }
    const timer = clock.schedule(GREETING_TIMEOUT_MS, () => finish(false))
    socket.once('data', (chunk) => finish(chunk.subarray(0, 5).toString('latin1') === 'INFO '))
    socket.once('error', () => finish(false))
    socket.once('end', () => finish(false))
  })
}

function portsFiles(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.endsWith('.ports'))
}

function readPorts(directory: string): string[] {
  return portsFiles(directory).flatMap((name) => {
    try {
      const ports = JSON.parse(readFileSync(join(directory, name), 'utf8')) as { nats?: string[] }
      return ports.nats ?? []
    } catch {
      return [] // being written, or removed by a server that ends
    }
  })
}

function readPid(pidFile: string): number | undefined {
  try {
    return Number(readFileSync(pidFile, 'utf8').trim()) || undefined
  } catch {
    return undefined
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // it has ended meanwhile
  }
}

function writeConfig(directory: string, options: NatsServerOptions): string {
  const { user, password, tls } = options
  if ((user === undefined) !== (password === undefined)) {
    throw new SluiceError('CONFIG_INVALID', 'a NATS server needs user and password, or neither')
  }
  const text = JSON.stringify
  const lines = [
    `host: ${text(options.host ?? '127.0.0.1')}`,
    `port: ${options.port || -1}`,
    `max_payload: ${options.maxPayloadBytes ?? PAYLOAD_BYTES_MAX}`,
    'max_pending: 268435456',
    'write_deadline: "30s"',
    ...(options.jetstream === false ? [] : [`jetstream { store_dir: ${text(directory)} }`]),
    ...(user === undefined ? [] : [`authorization { user: ${text(user)}, password: ${text(password)} }`]),
    ...(tls === undefined ? [] : [tlsBlock(tls)]),
  ]
  const path = join(directory, 'nats-server.conf')
  rmSync(path, { force: true })
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 })
  return path
}

function tlsBlock({ certFile, keyFile, caFile }: NonNullable<NatsServerOptions['tls']>): string {
  const path = (file: string) => JSON.stringify(resolve(file))
  const verify = caFile === undefined ? '' : `, ca_file: ${path(caFile)}, verify: true`
  return `tls { cert_file: ${path(certFile)}, key_file: ${path(keyFile)}${verify} }`
}
