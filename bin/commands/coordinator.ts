/** Runs a coordinator of a cluster: the one that leads, or one that stands by. */
import { hostname } from 'node:os'
import { type HighAvailability, startCoordinator } from '../../actors/start-coordinator.ts'
import type { Logger } from '../../lib/base/logger.ts'
import { connectNatsBus, type NatsBus } from '../../lib/bus/nats-bus.ts'
import { subjects as subjectsOf } from '../../lib/bus/subjects.ts'
import { heartbeatSettings, natsSettings } from '../../lib/config/config-settings.ts'
import type { Config } from '../../lib/config/options.ts'
import { JetStreamKeyValue } from '../../lib/ha/jetstream-key-value.ts'
import { openBlobStore } from '../../lib/storage/open-blob-store.ts'
import { untilStopped } from '../until-stopped.ts'
import { ConfigOption, type VerbSpec } from '../verb.ts'

/** A request to the store that takes longer than this part of a lease has failed. */
const REQUESTS_PER_LEASE = 3

export const coordinatorVerb: VerbSpec = {
  description:
    'Runs until it is stopped; NATS may go and come back meanwhile. Of several in a cluster one leads and the others ' +
    'stand by: when it is gone another takes over, and running jobs do not notice. That needs JetStream.',
  options: [new ConfigOption('--id <id>', 'coordinator.id')],
  examples: [
    ['sluice coordinator --nats nats://nats:4222', 'of cluster "default"'],
    ['sluice coordinator --id c2', 'on another host: stands by, and says for whom'],
    ['sluice coordinator --cluster test -D heartbeat.timeout=3s', 'notices lost nodes sooner'],
  ],
  isService: true,
  async run(context) {
    const { config, log } = await context.configure()
    const { out, interrupts, clock, random } = context
    const stop = interrupts.listen(() => log.info('stopping'))
    const { cluster } = config
    const id = config['coordinator.id']
    const bus = await connectNatsBus(natsSettings(config, `sluice coordinator ${id}`), { clock, logger: log })
    try {
      const coordinator = await startCoordinator({
        ...{ id, host: hostname(), pid: process.pid },
        ...{ bus, subjects: subjectsOf(cluster), clock, random, log },
        heartbeatTimeoutMs: heartbeatSettings(config).heartbeatTimeoutMs,
        highAvailability: highAvailability(config, bus, log),
        openStorage: (uri) => openBlobStore(uri, { bus, clock, logger: log }),
        onLeading: (epoch) => {
          log.info('coordinator is ready', { cluster, id, epoch, nats: bus.connection.getServer() })
          out.event({ event: 'ready', cluster, id, epoch })
        },
        onStandby: (leader) => {
          if (leader === null) return
          const { incarnation: _, ...who } = leader
          log.info('standing by', { cluster, id, leader: who.id, host: who.host, pid: who.pid })
          out.event({ event: 'standby', cluster, id, leader: who })
        },
      })
      await untilStopped(stop, bus).finally(() => coordinator.close())
    } finally {
      await bus.close()
    }
    return undefined
  },
}

/** Null where there is nowhere to keep what another coordinator would need. */
function highAvailability(config: Config, bus: NatsBus, log: Logger): HighAvailability | null {
  if (!bus.hasJetStream) {
    log.warn(
      'the NATS server has no JetStream: jobs are lost with this coordinator, and no other can stand by',
    )
    return null
  }
  const leaseMs = config['coordinator.lease']
  const keyValue = new JetStreamKeyValue({
    bus,
    bucket: `sluice-${config.cluster}`,
    replicas: config['coordinator.replicas'],
    timeoutMs: leaseMs / REQUESTS_PER_LEASE,
  })
  return { keyValue, leaseMs, storageUri: config['storage.uri'] }
}
