/** Runs a node of a cluster. */
import { hostname } from 'node:os'
import { startNode } from '../../actors/start-node.ts'
import { connectNatsBus } from '../../lib/bus/nats-bus.ts'
import { heartbeatSettings, natsSettings } from '../../lib/config/config-settings.ts'
import { PACKAGE_VERSION } from '../package-version.ts'
import { untilStopped } from '../until-stopped.ts'
import { ConfigOption, type VerbSpec } from '../verb.ts'

export const nodeVerb: VerbSpec = {
  description: 'Runs until it is stopped; the coordinator and NATS may go and come back meanwhile.',
  options: [new ConfigOption('--slots <count>', 'node.slots'), new ConfigOption('--id <id>', 'node.id')],
  examples: [
    ['sluice node --slots 4 --nats nats://nats:4222', 'four slots, named after host and process'],
    ['sluice node --id east-1', 'a name of its own, to be found by in `sluice nodes`'],
  ],
  isService: true,
  async run(context) {
    const { config, log, logFormat } = await context.configure()
    const { out, interrupts, clock, random } = context
    const nodeId = config['node.id']
    const stop = interrupts.listen(() => log.info('stopping'))
    const nats = natsSettings(config, `sluice node ${nodeId}`)
    const bus = await connectNatsBus(nats, { clock, logger: log })
    try {
      const node = await startNode({
        ...heartbeatSettings(config),
        refusalPatienceMs: config['heartbeat.timeout'],
        nodeId,
        cluster: config.cluster,
        slotCount: config['node.slots'],
        hangTimeoutMs: config['slot.hangTimeout'],
        cacheDir: config['cache.dir'],
        storageUri: config['storage.uri'],
        stateDirectory: config['state.directory'],
        bus: { kind: 'nats', options: nats },
        connections: { nats },
        controlBus: bus,
        host: hostname(),
        pid: process.pid,
        version: PACKAGE_VERSION,
        logLevel: config['log.level'],
        logFormat,
        clock,
        random,
        log,
        onRegistered: () => out.event({ event: 'ready', cluster: config.cluster, node: nodeId }),
      })
      log.info('node is up', { node: nodeId, cluster: config.cluster, slots: config['node.slots'] })
      await Promise.race([untilStopped(stop, bus), node.refused]).finally(() => node.close())
    } finally {
      await bus.close()
    }
    return undefined
  },
}
