/** A cluster of processes, by the command line alone. */
import type { Test } from 'tap'
import { type CliProcess, Workspace } from './cli-process.ts'

export interface Cluster {
  readonly workspace: Workspace
  readonly nats: CliProcess
  readonly coordinator: CliProcess
  readonly nodes: readonly CliProcess[]
  readonly natsPid: number
}

/** A server, a coordinator, and nodes n1 and n2 of two slots each. */
export async function startCluster(t: Test, options: readonly string[] = []): Promise<Cluster> {
  const workspace = await Workspace.open(t)
  const nats = workspace.start(['nats', 'start', '--port', '0', '--json'])
  const { url, pid } = JSON.parse((await nats.until(/^\{"event":"ready".*$/m))[0])
  workspace.env.NATS_URL = url
  const coordinator = workspace.start(['coordinator', '--json', ...options])
  await coordinator.until(/"event":"ready"/)
  const nodes = ['n1', 'n2'].map((id) => startNode(workspace, id, options))
  await Promise.all(nodes.map((node) => node.until(/"event":"ready"/)))
  return { workspace, nats, coordinator, nodes, natsPid: pid }
}

export function startNode(workspace: Workspace, id: string, options: readonly string[] = []): CliProcess {
  return workspace.start(['node', '--slots', '2', '--id', id, '--json', ...options])
}
