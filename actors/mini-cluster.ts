/**
 * A whole cluster in one process, on a bus of its own: local mode and tests. The actors are those of a real cluster;
 * what differs is the bus, and whether slots run in threads.
 */
import { ActorSystem } from '../lib/actor/actor-system.ts'
import { importJob, registeredJob } from '../lib/api/load-job.ts'
import type { JobDefinition } from '../lib/api/job.ts'
import type { Clock } from '../lib/base/clock.ts'
import { SluiceError } from '../lib/base/errors.ts'
import { newId } from '../lib/base/ids.ts'
import type { Logger } from '../lib/base/logger.ts'
import type { Random } from '../lib/base/prng.ts'
import { LocalBroker } from '../lib/bus/local-bus.ts'
import { subjects as subjectsOf } from '../lib/bus/subjects.ts'
import { ClusterClient } from '../lib/client/cluster-client.ts'
import { BusFramePort } from '../lib/network/bus-frame-port.ts'
import type { JobModule } from '../lib/protocol/job-submission.ts'
import { startCoordinator } from './coordinator.ts'
import { startInlineSlots } from './inline-slot-host.ts'
import { taskManager } from './task-manager.ts'

export interface MiniClusterOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly slotCount: number
}

const HEARTBEAT_INTERVAL_MS = 500
const HEARTBEAT_TIMEOUT_MS = 30_000
const NODE_ID = 'local'

export class MiniCluster {
  readonly client: ClusterClient
  readonly #close: () => Promise<void>

  private constructor(client: ClusterClient, close: () => Promise<void>) {
    this.client = client
    this.#close = close
  }

  static async start(options: MiniClusterOptions): Promise<MiniCluster> {
    const { clock, random, log, slotCount } = options
    const subjects = subjectsOf('local')
    const bus = new LocalBroker({ clock, logger: log }).connect()
    const system = new ActorSystem({ bus, clock, random, logger: log })
    startCoordinator({ system, subjects, heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS })
    const incarnation = newId(random)
    const slots = startInlineSlots({
      nodeId: NODE_ID,
      slotCount,
      incarnation,
      system,
      subjects,
      clock,
      random,
      log,
      busPort: new BusFramePort(bus, subjects),
      loadJob: loadLocalJob,
      heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
    })
    const registered = new Promise<void>((resolve, reject) => {
      const node = taskManager({
        subjects,
        nodeId: NODE_ID,
        incarnation,
        host: 'localhost',
        pid: process.pid,
        version: '',
        slots,
        heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
        onRefused: reject,
        onRegistered: resolve,
      })
      system.spawn(subjects.control(`node-${NODE_ID}`), node)
    })
    await registered
    return new MiniCluster(new ClusterClient({ system, subjects, clock }), async () => {
      await slots.close()
      await system.close()
      await bus.close()
    })
  }

  /** Stops every actor; idempotent. */
  close(): Promise<void> {
    return this.#close()
  }
}

async function loadLocalJob(module: JobModule): Promise<JobDefinition> {
  switch (module.kind) {
    case 'registered':
      return registeredJob(module.key)
    case 'file':
      return importJob(module.url)
    case 'bundle':
      throw new SluiceError('UNSUPPORTED', 'local mode imports job modules directly, it has no use for bundles')
  }
}
