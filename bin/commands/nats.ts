/** Starts, installs and looks at NATS servers. */
import { join } from 'node:path'
import { Option } from 'commander'
import { EXIT, SluiceError } from '../../lib/base/errors.ts'
import { formatBytes } from '../../lib/base/units.ts'
import { findNatsServer, type NatsServerBinary } from '../../lib/bus/find-nats-server.ts'
import { installCommand, installNatsServer } from '../../lib/bus/install-nats-server.ts'
import { shownServers } from '../../lib/bus/nats-options.ts'
import { type NatsServerProcess, startNatsServer } from '../../lib/bus/start-nats-server.ts'
import { natsSettings } from '../../lib/config/config-settings.ts'
import { withCluster } from '../connect.ts'
import { whenAborted } from '../interrupts.ts'
import type { CommandContext, Configured, VerbInput, VerbSpec } from '../verb.ts'

const PORT = 4222

export const natsVerb: VerbSpec = {
  verbs: [
    {
      usage: 'start',
      summary: 'run a NATS server with JetStream until it is stopped',
      description: 'For this host only. With nats.user and nats.password set, the server asks for them.',
      options: [
        new Option('--port <port>', 'port to listen on; 0 takes a free one').default(String(PORT)),
        new Option(
          '--store-dir <directory>',
          'where JetStream keeps its data; default: in the cache directory',
        ),
      ],
      examples: [['sluice nats start', 'prints its URL, and the line that makes other commands use it']],
      isService: true,
      run: start,
    },
    {
      usage: 'install',
      summary: 'get a nats-server program, if there is none',
      description:
        'On Debian and Ubuntu the distribution\u2019s package is unpacked into the cache directory: no root needed.',
      examples: [['sluice nats install', 'prints where it is']],
      run: install,
    },
    {
      usage: 'status',
      summary: 'show whether and which NATS server answers',
      examples: [['sluice nats status', '']],
      run: status,
    },
  ],
}

async function start(context: CommandContext, { options }: VerbInput): Promise<number | undefined> {
  const configured = await context.configure()
  const { config } = configured
  const port = portOf(String(options.port))
  const { path } = await requireNatsServer(configured)
  const storeDir =
    options.storeDir === undefined
      ? join(config['cache.dir'], 'nats-store', `${port}`)
      : String(options.storeDir)
  const signal = context.interrupts.listen()
  const [user, password] = [config['nats.user'], config['nats.password']]
  const server = await startNatsServer({
    binary: path,
    storeDir,
    port,
    clock: context.clock,
    signal,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
  })
  const { url, pid } = server
  context.out.data({ event: 'ready', url, pid, storeDir, binary: path }, url)
  context.out.note(
    `JetStream keeps its data in ${storeDir}\nto use this server in another terminal:\n  export NATS_URL=${url}`,
  )
  return waitForServer(server, signal)
}

/** The server is ours: it goes with us, and that it goes by itself is a failure. */
async function waitForServer(server: NatsServerProcess, signal: AbortSignal): Promise<number | undefined> {
  const ended = await Promise.race([server.exited, whenAborted(signal)])
  await server.stop()
  if (ended === undefined) return undefined
  throw new SluiceError('CANNOT_CONNECT', `nats-server ended with code ${ended.code}: ${ended.output}`)
}

async function install(context: CommandContext): Promise<number | undefined> {
  const { config } = await context.configure()
  const environment = { env: process.env, cacheDir: config['cache.dir'], platform: process.platform }
  const found = await findNatsServer(environment).catch(() => undefined)
  if (found === undefined) context.out.note('downloading nats-server ...')
  const { path, version } = found ?? (await installNatsServer(environment))
  context.out.note(
    found === undefined ? `nats-server ${version} is installed` : `nats-server ${version} is there already`,
  )
  context.out.data({ path, version }, path)
  return undefined
}

async function status(context: CommandContext): Promise<number | undefined> {
  const configured = await context.configure()
  const url = shownServers(natsSettings(configured.config, '')).join(', ')
  return withCluster(context, configured, async ({ bus }) => {
    const startedMs = context.clock.monotonic()
    await bus.flush()
    const roundTripMs = Math.round((context.clock.monotonic() - startedMs) * 10) / 10
    const { serverVersion: version, hasJetStream, payloadBytesMax } = bus
    const jetStream = hasJetStream
      ? 'with JetStream'
      : 'WITHOUT JetStream, which storage.uri jetstream: needs'
    const text = `nats-server ${version} at ${url}, ${jetStream}; messages up to ${formatBytes(payloadBytesMax)}, round trip ${roundTripMs} ms`
    context.out.data({ url, version, hasJetStream, payloadBytesMax, roundTripMs }, text)
    return EXIT.ok
  })
}

/** Throws NATS_SERVER_MISSING with the line that installs one. */
async function requireNatsServer({ config }: Configured): Promise<NatsServerBinary> {
  const environment = { env: process.env, cacheDir: config['cache.dir'], platform: process.platform }
  const found = await findNatsServer(environment)
  if (found !== undefined) return found
  throw new SluiceError(
    'NATS_SERVER_MISSING',
    `no nats-server program was found; to install one run: ${installCommand(environment)}`,
  )
}

function portOf(text: string): number {
  const port = Number(text)
  if (/^\d+$/.test(text) && port <= 65_535) return port
  throw new SluiceError('USAGE', `--port: expected a port from 0 to 65535, found ${text}`)
}
