/** A client of a cluster over NATS: connects, and closes everything it has opened. */
import { ActorSystem } from '../actor/actor-system.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/prng.ts'
import { connectNatsBus, type NatsBus } from '../bus/nats-bus.ts'
import type { NatsOptions } from '../bus/nats-options.ts'
import { subjects as subjectsOf } from '../bus/subjects.ts'
import { ClusterClient } from './cluster-client.ts'

export interface ConnectClusterOptions {
  readonly nats: NatsOptions
  readonly cluster: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Of one request; default: the client's. */
  readonly timeoutMs?: number | undefined
}

export interface ClusterConnection {
  readonly client: ClusterClient
  readonly bus: NatsBus
  close(): Promise<void>
}

/** Throws CANNOT_CONNECT within the connection timeout. Whether a coordinator is there shows with the first request. */
export async function connectCluster(options: ConnectClusterOptions): Promise<ClusterConnection> {
  const { nats, cluster, clock, random, log, timeoutMs } = options
  const bus = await connectNatsBus(nats, { clock, logger: log })
  const system = new ActorSystem({ bus, clock, random, logger: log })
  return {
    client: new ClusterClient({ system, subjects: subjectsOf(cluster), clock, timeoutMs }),
    bus,
    close: async () => {
      await system.close()
      await bus.close()
    },
  }
}
