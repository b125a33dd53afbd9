/** Checks what Sluice needs of this host and of the cluster; each finding says what to do. */
import { accessSync, constants, mkdirSync } from 'node:fs'
import { EXIT, SluiceError, toErrorRecord } from '../../lib/base/errors.ts'
import { findNatsServer } from '../../lib/bus/find-nats-server.ts'
import { installCommand } from '../../lib/bus/install-nats-server.ts'
import { shownServers } from '../../lib/bus/nats-options.ts'
import type { ClusterConnection } from '../../lib/client/connect-cluster.ts'
import { natsSettings } from '../../lib/config/config-settings.ts'
import { openBlobStore } from '../../lib/storage/open-blob-store.ts'
import { paint } from '../colors.ts'
import { connect } from '../connect.ts'
import type { CommandContext, Configured, VerbSpec } from '../verb.ts'

interface Finding {
  readonly check: string
  readonly result: 'ok' | 'warn' | 'fail'
  readonly text: string
  /** What to do; empty if nothing is. */
  readonly mend: string
}

const NODE_VERSION_MIN = [20, 11]

export const doctorVerb: VerbSpec = {
  description:
    'Exits with 1 if something has failed. What only a cluster needs is a warning where none is configured.',
  examples: [
    ['sluice doctor', 'this host'],
    ['sluice doctor --nats nats://nats:4222', 'this host and that cluster'],
  ],
  async run(context) {
    const findings = await examine(context)
    const text = findings.map((finding) => lineOf(finding, context.out.hasColor)).join('\n')
    context.out.data({ findings }, text)
    return findings.some(({ result }) => result === 'fail') ? EXIT.failed : EXIT.ok
  },
}

async function examine(context: CommandContext): Promise<Finding[]> {
  const node = checkNode()
  let configured: Configured
  try {
    configured = await context.configure()
  } catch (error) {
    return [node, failed('configuration', error)]
  }
  const host = [node, checkCache(configured), await checkNatsServer(configured)]
  const { config, origins } = configured
  const servers = shownServers(natsSettings(config, '')).join(', ')
  try {
    const connection = await connect(context, configured)
    try {
      return [...host, ...(await checkCluster(context, configured, connection, servers))]
    } finally {
      await connection.close()
    }
  } catch (error) {
    if (origins['nats.url'].kind !== 'default')
      return [...host, failed('NATS', error, 'sluice nats start, or correct --nats or NATS_URL')]
    return [
      ...host,
      warn(
        'NATS',
        `none at ${servers}, and none is configured: jobs run locally`,
        'for a cluster: sluice nats start',
      ),
    ]
  }
}

function checkNode(): Finding {
  const version = process.versions.node
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [majorMin = 0, minorMin = 0] = NODE_VERSION_MIN
  const isNewEnough = major > majorMin || (major === majorMin && minor >= minorMin)
  if (isNewEnough) return ok('node', version)
  return {
    check: 'node',
    result: 'fail',
    text: version,
    mend: `install Node ${majorMin}.${minorMin} or later`,
  }
}

function checkCache({ config }: Configured): Finding {
  const directory = config['cache.dir']
  try {
    mkdirSync(directory, { recursive: true })
    accessSync(directory, constants.W_OK)
    return ok('cache', directory)
  } catch (error) {
    return failed('cache', error, `make ${directory} writable, or set cache.dir`)
  }
}

async function checkNatsServer({ config }: Configured): Promise<Finding> {
  const environment = { env: process.env, cacheDir: config['cache.dir'], platform: process.platform }
  try {
    const found = await findNatsServer(environment)
    if (found !== undefined) return ok('nats-server', `${found.version}, ${found.path}`)
    return warn(
      'nats-server',
      'no program found; only needed to start one here',
      `sluice nats install, or: ${installCommand(environment)}`,
    )
  } catch (error) {
    return failed('nats-server', error, 'sluice nats install')
  }
}

async function checkCluster(
  context: CommandContext,
  configured: Configured,
  { client, bus }: ClusterConnection,
  servers: string,
): Promise<Finding[]> {
  const { config, origins } = configured
  const isWanted = origins['nats.url'].kind !== 'default'
  const coordinator = await client.jobs().then(
    async (jobs) =>
      ok('coordinator', `${await leaderText(client)}on cluster "${config.cluster}", ${jobs.length} jobs`),
    (error) => missing('coordinator', error, isWanted, 'sluice coordinator'),
  )
  const nodes = await client.nodes().then(
    (found) => {
      const slots = found.flatMap((node) => node.slots)
      const free = slots.filter(({ jobId }) => jobId === null).length
      const text = `${found.length} nodes, ${free} of ${slots.length} slots free`
      if (slots.length === 0)
        return {
          check: 'nodes',
          result: isWanted ? 'fail' : 'warn',
          text,
          mend: 'sluice node --slots 4',
        } as const
      return free === 0 ? warn('nodes', text, 'more nodes: sluice node --slots 4') : ok('nodes', text)
    },
    (error) => missing('nodes', error, isWanted, 'sluice coordinator'),
  )
  return [
    ok('NATS', `${bus.serverVersion} at ${servers}, ${bus.hasJetStream ? 'with' : 'without'} JetStream`),
    await checkStorage(context, configured, bus),
    coordinator,
    nodes,
  ]
}

/** Who leads and who stands by. */
async function leaderText(client: ClusterConnection['client']): Promise<string> {
  const { id, host, pid, standbys } = await client.leader()
  const others = standbys.map((each) => each.id)
  const standing = others.length === 0 ? 'nobody stands by' : `${others.join(', ')} stands by`
  return `${id} leads (${host}, pid ${pid}), ${standing}, `
}

async function checkStorage(
  { clock }: CommandContext,
  { config, log }: Configured,
  bus: ClusterConnection['bus'],
): Promise<Finding> {
  const uri = config['storage.uri']
  if (uri.startsWith('jetstream:') && !bus.hasJetStream) {
    const error = new SluiceError(
      'STORAGE_UNUSABLE',
      `${uri} needs JetStream, which the NATS server does not offer`,
    )
    return failed(
      'storage',
      error,
      'start the server with JetStream (-js, or `jetstream {}` in its configuration), or set storage.uri',
    )
  }
  try {
    const store = await openBlobStore(uri, { bus, clock, logger: log })
    await store.check().finally(() => store.close())
    return ok('storage', uri)
  } catch (error) {
    return failed('storage', error, 'set storage.uri to a store that can be written')
  }
}

function ok(check: string, text: string): Finding {
  return { check, result: 'ok', text, mend: '' }
}

function warn(check: string, text: string, mend: string): Finding {
  return { check, result: 'warn', text, mend }
}

function failed(check: string, error: unknown, mend = ''): Finding {
  return { check, result: 'fail', text: toErrorRecord(error).message, mend }
}

/** Somebody who configured a cluster wants it to be there. */
function missing(check: string, error: unknown, isWanted: boolean, mend: string): Finding {
  const finding = failed(check, error, mend)
  return isWanted ? finding : { ...finding, result: 'warn' }
}

function lineOf({ check, result, text, mend }: Finding, hasColor: boolean): string {
  const word = {
    ok: paint('green', 'ok  ', hasColor),
    warn: paint('yellow', 'warn', hasColor),
    fail: paint('red', 'FAIL', hasColor),
  }[result]
  return `${word}  ${check.padEnd(13)} ${text}${mend === '' ? '' : `\n                    -> ${mend}`}`
}
