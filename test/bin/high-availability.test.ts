/** Coordinators and the NATS server die and stop under a running job, which does not notice. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { EXIT } from '../../lib/base/errors.ts'
import { startTestServer, temporaryDirectory } from '../support/nats-server.ts'
import { type CliProcess, eventually, job, Workspace } from './cli-process.ts'

const QUICK = ['-D', 'coordinator.lease=2s']
const CHECKPOINTS = ['-D', 'checkpoint.interval=300ms']
const RATE = 200

t.setTimeout(300_000)

class Cluster {
  readonly workspace: Workspace
  readonly ticks: string

  private constructor(workspace: Workspace) {
    this.workspace = workspace
    this.ticks = join(workspace.directory, 'ticks')
  }

  static async open(t: Test, url: string): Promise<Cluster> {
    return new Cluster(await Workspace.open(t, { NATS_URL: url }))
  }

  startCoordinator(id: string): CliProcess {
    return this.workspace.start(['coordinator', '--id', id, '--json', ...QUICK])
  }

  async startNodes(): Promise<void> {
    const nodes = ['n1', 'n2'].map((id) => this.workspace.start(['node', '--id', id, '--json']))
    await Promise.all(nodes.map((node) => node.until(/"event":"ready"/)))
  }

  async describe(): Promise<{ state: string; attempt: number; restarts: number }> {
    const { code, stdout, stderr } = await this.workspace.run(['describe', 'steady', '--json'])
    if (code !== EXIT.ok) throw new Error(stderr)
    return JSON.parse(stdout)
  }

  /** A checkpoint that was asked for just now; its id. */
  async takeCheckpoint(): Promise<number> {
    const { code, stdout, stderr } = await this.workspace.run(['checkpoint', 'steady', '--json'])
    if (code !== EXIT.ok) throw new Error(stderr)
    return JSON.parse(stdout).checkpointId
  }

  /** How much came by in a span of time, as a share of what is to come by. */
  flowBetween(fromMs: number, untilMs: number): number {
    const times = readFileSync(this.ticks, 'utf8').trim().split('\n').map(Number)
    const count = times.filter((at) => at >= fromMs && at < untilMs).length
    return count / (((untilMs - fromMs) / 1000) * RATE)
  }
}

t.test('high availability - a job that runs on', async (t) => {
  const storeDir = join(temporaryDirectory(t), 'store')
  const server = await startTestServer(t, { jetstream: true, storeDir })
  const cluster = await Cluster.open(t, server.url)
  const { workspace } = cluster
  const c1 = cluster.startCoordinator('c1')
  await c1.until(/"event":"ready"/)
  const c2 = cluster.startCoordinator('c2')
  await c2.until(/"event":"standby".*"leader":\{"id":"c1"/)
  const coordinators = [c1, c2]
  await cluster.startNodes()
  const args = ['run', job('steady.ts'), '-p', '2', '-d', ...CHECKPOINTS, '--', cluster.ticks]
  t.equal((await workspace.run(args)).code, EXIT.ok)
  await eventually('the job runs', async () => (await cluster.describe()).state === 'running')
  const first = await cluster.takeCheckpoint()

  await t.test('the leader is killed: another takes over, and nothing stands still meanwhile', async (t) => {
    const killedMs = Date.now()
    c1.kill('SIGKILL')
    const described = cluster.describe()
    await c2.until(/"event":"ready"/)
    const takenOverMs = Date.now()
    t.match(await described, { state: 'running', attempt: 0, restarts: 0 }, 'who asks meanwhile waits')
    const flow = cluster.flowBetween(killedMs, takenOverMs)
    t.ok(flow > 0.5, `${(flow * 100).toFixed(0)} % in ${takenOverMs - killedMs} ms without a leader`)
    t.ok((await cluster.takeCheckpoint()) > first, 'checkpoints go on')
  })

  await t.test('the leader is stopped for a while: it finds out that it leads no more', async (t) => {
    const c3 = cluster.startCoordinator('c3')
    coordinators.push(c3)
    await c3.until(/"event":"standby".*"leader":\{"id":"c2"/)
    c2.kill('SIGSTOP')
    await c3.until(/"event":"ready"/)
    c2.kill('SIGCONT')
    await c2.until(/"event":"standby".*"leader":\{"id":"c3"/)
    t.match(await cluster.describe(), { state: 'running', attempt: 0, restarts: 0 })
    const { stdout } = await workspace.run(['doctor'])
    t.match(stdout, /^ok +coordinator +c3 leads \(\S+, pid \d+\), (c2 stands|nobody stands) by, /m)
    await cluster.takeCheckpoint()
  })

  await t.test('the server is gone for longer than a lease: all of them wait for it', async (t) => {
    const port = Number(new URL(server.url).port)
    process.kill(server.pid, 'SIGKILL')
    await c2.until(/nats connection lost/)
    await new Promise((resolve) => setTimeout(resolve, 5000))
    await startTestServer(t.parent as Test, { jetstream: true, storeDir, port })
    await eventually('somebody leads', async () => (await workspace.run(['jobs'])).code === EXIT.ok)
    t.match(await cluster.describe(), { state: 'running', attempt: 0, restarts: 0 })
    await eventually('checkpoints go on', () =>
      cluster.takeCheckpoint().then(
        () => true,
        () => false,
      ),
    )
    const backMs = Date.now()
    await new Promise((resolve) => setTimeout(resolve, 2000))
    t.ok(cluster.flowBetween(backMs, Date.now()) > 0.5, 'and so does the job')
    t.match(await cluster.describe(), { state: 'running', attempt: 0, restarts: 0 })
  })

  await t.test('and in the end the job is cancelled, and its slots are free', async (t) => {
    t.equal((await workspace.run(['cancel', 'steady'])).code, EXIT.ok)
    const free = async () => !(await workspace.run(['nodes', '--json'])).stdout.includes('"jobId":"')
    await eventually('all slots are free', free)
  })

  await t.test('the id of a node that lives is taken, whether anybody leads or not', async (t) => {
    for (const coordinator of coordinators) coordinator.kill('SIGKILL')
    const { code, stderr } = await workspace.run(['node', '--id', 'n1'])
    t.equal(code, EXIT.usage)
    t.match(stderr, /another process is registered as node "n1" and answers/)
    t.match(await workspace.run(['jobs']), { code: EXIT.cannotConnect, stderr: /no coordinator answers/ })
  })
})
