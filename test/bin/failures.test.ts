/** What becomes of jobs and processes when nodes are killed and NATS goes away. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { EXIT } from '../../lib/base/errors.ts'
import { startTestServer, temporaryDirectory } from '../support/nats-server.ts'
import { type CliProcess, eventually, job, Workspace } from './cli-process.ts'

const RESTART = ['-D', 'restart.strategy=fixed-delay', '-D', 'restart.delay=100ms']

async function startNode(workspace: Workspace, id: string): Promise<CliProcess> {
  const node = workspace.start(['node', '--slots', '2', '--id', id, '--json'])
  await node.until(/"event":"ready"/)
  return node
}

async function nodeIds(workspace: Workspace): Promise<string[]> {
  const { stdout } = await workspace.run(['nodes', '--json'])
  const { nodes } = JSON.parse(stdout) as { nodes: { nodeId: string }[] }
  return nodes.map(({ nodeId }) => nodeId).sort()
}

/** Starts a job and resolves once it runs. */
async function startRun(workspace: Workspace, args: readonly string[]): Promise<CliProcess> {
  const run = workspace.start(['run', '--json', ...args])
  await run.until(/"state":"running"/)
  return run
}

async function startServer(t: Test, port?: number) {
  const storeDir = join(temporaryDirectory(t), 'store')
  const start = (at: number | undefined) =>
    startTestServer(t, { jetstream: true, storeDir, ...(at === undefined ? {} : { port: at }) })
  const server = await start(port)
  return { server, restart: () => start(Number(new URL(server.url).port)) }
}

// Many processes on a busy machine take their time.
t.setTimeout(240_000)

t.test('failures - a cluster that notices losses after three seconds', async (t) => {
  const { server, restart } = await startServer(t)
  const workspace = await Workspace.open(t, { NATS_URL: server.url, SLUICE_HEARTBEAT_TIMEOUT: '3s' })
  const coordinator = workspace.start(['coordinator', '--json'])
  await coordinator.until(/"event":"ready"/)
  let [n1, n2] = await Promise.all([startNode(workspace, 'n1'), startNode(workspace, 'n2')])

  await t.test(
    'node - a second one with the same id is refused, once it is clear that the first is alive',
    async (t) => {
      const { code, stderr } = await workspace.run(['node', '--id', 'n1'])
      t.equal(code, EXIT.usage)
      t.match(
        stderr,
        /another process is registered as node "n1" and answers; give this one another id \(--id\), or stop the other/,
      )
    },
  )

  await t.test(
    'kill -9 of a node - with a restart strategy the job ends in the slots that are left',
    async (t) => {
      const run = await startRun(workspace, [job('paced.ts'), '-p', '2', ...RESTART, '--', '2000'])
      n2.kill('SIGKILL')
      const { code, stdout, stderr } = await run.exited
      t.equal(code, EXIT.ok, stderr)
      t.match(stdout, /"state":"running","attempt":1/)
      t.match(JSON.parse(stdout.trim().split('\n').at(-1)!), {
        event: 'ended',
        state: 'finished',
        restarts: 1,
      })
      t.same(await nodeIds(workspace), ['n1'])
    },
  )

  await t.test(
    'kill -9 of a node - it comes back under its id at once, and its slots are free again',
    async (t) => {
      n1.kill('SIGKILL')
      n1 = await startNode(workspace, 'n1')
      n2 = await startNode(workspace, 'n2')
      t.same(await nodeIds(workspace), ['n1', 'n2'])
      const { code, stderr } = await workspace.run(['run', job('count.ts'), '-p', '4'])
      t.equal(code, EXIT.ok, stderr)
    },
  )

  await t.test(
    'kill -9 of a node - without a restart strategy the job fails and names the node',
    async (t) => {
      const run = await startRun(workspace, [job('paced.ts'), '-p', '4'])
      n2.kill('SIGKILL')
      const { code, stderr } = await run.exited
      t.equal(code, EXIT.failed)
      t.match(JSON.parse(stderr), {
        error: {
          code: /^(NODE|SLOT)_LOST$/,
          message: /job "paced" failed: .*node n2/,
          hint: /restart\.strategy/,
        },
      })
      n2 = await startNode(workspace, 'n2')
    },
  )

  await t.test('NATS goes and comes back - nobody ends, and a running job loses nothing', async (t) => {
    const run = await startRun(workspace, [job('paced.ts'), '-p', '4', '--', '3000'])
    await server.stop()
    await coordinator.until(/nats connection lost/)
    // Longer than anybody may be silent.
    await new Promise((resolve) => setTimeout(resolve, 4500))
    await restart()
    const { code, stdout, stderr } = await run.exited
    t.equal(code, EXIT.ok, stderr)
    t.match(JSON.parse(stdout.trim().split('\n').at(-1)!), {
      restarts: 0,
      vertices: [{ recordsIn: 3000 }, { recordsIn: 3000 }],
    })
    await eventually('both nodes are there', async () => (await nodeIds(workspace)).length === 2)
  })

  await t.test('jobs - after all that every slot is free', async (t) => {
    const areFree = async () => !/"jobId":"/.test((await workspace.run(['nodes', '--json'])).stdout)
    await eventually('the slots are free', areFree)
    t.ok(await areFree(), 'and stay so')
  })
})
