/** Runs the coordinator of a cluster. */
import { startCoordinator } from '../../actors/start-coordinator.ts'
import { connectNatsBus } from '../../lib/bus/nats-bus.ts'
import { subjects as subjectsOf } from '../../lib/bus/subjects.ts'
import { heartbeatSettings, natsSettings } from '../../lib/config/config-settings.ts'
import { openBlobStore } from '../../lib/storage/open-blob-store.ts'
import { untilStopped } from '../until-stopped.ts'
import type { VerbSpec } from '../verb.ts'

export const coordinatorVerb: VerbSpec = {
  description: 'One per cluster. Runs until it is stopped; NATS may go and come back meanwhile.',
  examples: [
    ['sluice coordinator --nats nats://nats:4222', 'of cluster "default"'],
    ['sluice coordinator --cluster test -D heartbeat.timeout=3s', 'notices lost nodes sooner'],
  ],
  isService: true,
  async run(context) {
    const { config, log } = await context.configure()
    const { out, interrupts, clock, random } = context
    const stop = interrupts.listen(() => log.info('stopping'))
    const bus = await connectNatsBus(natsSettings(config, 'sluice coordinator'), { clock, logger: log })
    try {
      const subjects = subjectsOf(config.cluster)
      const { heartbeatTimeoutMs } = heartbeatSettings(config)
      const openStorage = (uri: string) => openBlobStore(uri, { bus, clock, logger: log })
      const options = { bus, subjects, clock, random, log, heartbeatTimeoutMs, openStorage }
      const coordinator = await startCoordinator(options)
      log.info('coordinator is ready', { cluster: config.cluster, nats: bus.connection.getServer() })
      out.event({ event: 'ready', cluster: config.cluster })
      await untilStopped(stop, bus).finally(() => coordinator.close())
    } finally {
      await bus.close()
    }
    return undefined
  },
}
