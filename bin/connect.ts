/** How verbs get at the cluster. */
import { type ClusterConnection, connectCluster } from '../lib/client/connect-cluster.ts'
import { natsSettings } from '../lib/config/config-settings.ts'
import type { CommandContext, Configured } from './verb.ts'

/** Throws CANNOT_CONNECT. */
export function connect(
  { clock, random, globals }: CommandContext,
  { config, log }: Configured,
): Promise<ClusterConnection> {
  return connectCluster({
    nats: natsSettings(config, 'sluice command line'),
    cluster: config.cluster,
    clock,
    random,
    log,
    timeoutMs: globals.timeoutMs,
  })
}

/** Connects, does `use` and closes, whatever comes of it. */
export async function withCluster<R>(
  context: CommandContext,
  configured: Configured,
  use: (connection: ClusterConnection) => Promise<R>,
): Promise<R> {
  const connection = await connect(context, configured)
  try {
    return await use(connection)
  } finally {
    await connection.close()
  }
}
