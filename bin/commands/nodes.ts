/** Lists the nodes of a cluster. */
import { formatDuration } from '../../lib/base/units.ts'
import { withCluster } from '../connect.ts'
import { textTable } from '../text-table.ts'
import type { VerbSpec } from '../verb.ts'

export const nodesVerb: VerbSpec = {
  examples: [
    ['sluice nodes', 'a table'],
    ['sluice nodes --json', 'each slot with the job it runs; the coordinator that leads'],
  ],
  async run(context) {
    const configured = await context.configure()
    const [nodes, leader] = await withCluster(context, configured, ({ client }) =>
      Promise.all([client.nodes(), client.leader()]),
    )
    const rows = nodes.map(({ nodeId, host, pid, version, slots, silentMs }) => [
      nodeId,
      host,
      String(pid),
      String(slots.length),
      String(slots.filter(({ jobId }) => jobId === null).length),
      version,
      `${formatDuration(silentMs)} ago`,
    ])
    const text = textTable(['NODE', 'HOST', 'PID', 'SLOTS', 'FREE', 'VERSION', 'HEARD'], rows)
    context.out.data(
      { nodes, leader },
      nodes.length === 0 ? `no nodes on cluster "${configured.config.cluster}"` : text,
    )
    return undefined
  },
}
