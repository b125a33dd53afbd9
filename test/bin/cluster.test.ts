/** A whole cluster of processes, started, used and stopped by the command line alone. */
import { readFileSync } from 'node:fs'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import t from 'tap'
import { EXIT } from '../../lib/base/errors.ts'
import { startCluster } from './cli-cluster.ts'
import { eventually, isAlive, job } from './cli-process.ts'

// Many processes on a busy machine take their time.
t.setTimeout(240_000)

t.test('cluster - runs jobs from the first to the last process', async (t) => {
  const cluster = await startCluster(t)
  const { workspace } = cluster
  const json = async (...args: string[]) => JSON.parse((await workspace.run([...args, '--json'])).stdout)

  await t.test('nodes and jobs - a fresh cluster has its slots free', async (t) => {
    const [nodes, table, jobs, doctor] = await Promise.all([
      json('nodes'),
      workspace.run(['nodes']),
      workspace.run(['jobs']),
      workspace.run(['doctor']),
    ])
    const ids = nodes.nodes.map(({ nodeId }: { nodeId: string }) => nodeId)
    t.same(ids.sort(), ['n1', 'n2'])
    for (const node of nodes.nodes)
      t.match(node, { slots: [{ jobId: null }, { jobId: null }], pid: Number, host: String })
    t.match(table.stdout, /^NODE +HOST +PID +SLOTS +FREE.*\nn\d +\S+ +\d+ +2 +2/)
    t.match(jobs.stdout, 'no jobs on cluster "default"')
    t.equal(doctor.code, EXIT.ok, doctor.stdout)
    t.match(
      doctor.stdout,
      /^ok +storage +jetstream:sluice-default\nok +coordinator +.*\nok +nodes +2 nodes, 4 of 4 slots free$/m,
    )
  })

  await t.test('run - attached, on all four slots', async (t) => {
    const { code, stdout, stderr } = await workspace.run(['run', job('count.ts'), '-p', '4'])
    t.strictSame([code, stdout], [EXIT.ok, ''], stderr)
    t.match(stderr, /^count finished: 1,000 records read in \S+\n$/m)
    t.match(await json('describe', 'count'), {
      state: 'finished',
      vertices: [{ name: 'numbers', parallelism: 4 }, { parallelism: 4 }],
    })
  })

  await t.test('run - connectors use the server of the node, or of this process', async (t) => {
    const connection = await connect({ servers: workspace.env.NATS_URL! })
    const manager = await jetstreamManager(connection)
    await manager.streams.add({ name: 'RELAY', subjects: ['relay.>'] })
    await connection.close()
    const written = await workspace.run(['run', job('relay.ts'), '--', 'in'])
    t.equal(written.code, EXIT.ok, written.stderr)
    const read = await workspace.run(['run', job('relay.ts'), '--local', '--', 'out'])
    t.equal(read.code, EXIT.ok, read.stderr)
    t.equal(read.stdout.trim().split('\n').length, 20, read.stdout)
  })

  await t.test('run - a user function that throws on a node: the line in the user\u2019s file', async (t) => {
    const { code, stderr } = await workspace.run(['run', job('throws.ts'), '-p', '2'])
    const line =
      readFileSync(job('throws.ts'), 'utf8')
        .split('\n')
        .findIndex((each) => each.includes('it throws here')) + 1
    t.equal(code, EXIT.failed)
    t.match(
      stderr,
      /job "throws" failed: operator "length" \(uid parse\), subtask 2 of 2, record 9 of the source: Cannot read/,
    )
    t.match(stderr, `at lengthOf (${job('throws.ts')}:${line}:`)
  })

  await t.test(
    'run --detached - prints the id and nothing else; jobs, describe and cancel find it',
    async (t) => {
      const { code, stdout, stderr } = await workspace.run(['run', job('paced.ts'), '-p', '4', '--detached'])
      t.strictSame([code, stderr], [EXIT.ok, ''])
      t.match(stdout, /^[0-9a-z]{12}\n$/)
      const id = stdout.trim()
      await eventually('the job runs', async () => (await json('describe', id)).state === 'running')
      const { jobs } = await json('jobs')
      t.match(
        jobs.find((each: { jobId: string }) => each.jobId === id),
        { name: 'paced', state: 'running', slotsHeld: 4, slotsNeeded: 4 },
      )
      const [table, described] = await Promise.all([
        workspace.run(['jobs']),
        workspace.run(['describe', 'paced']),
      ])
      t.match(table.stdout, new RegExp(`^${id} +paced +running +4/4`, 'm'))
      t.match(
        described.stdout,
        new RegExp(`^job +paced \\(${id}\\)\nstate +running\n(.*\n)*VERTEX .*\nnumbers +4 running`),
      )
      const cancelled = await workspace.run(['cancel', id.slice(0, 6)])
      t.strictSame([cancelled.code, cancelled.stdout], [EXIT.ok, `${id} cancelled\n`])
      t.match((await json('describe', id)).state, 'cancelled')
    },
  )

  await t.test(
    'describe and cancel - of a job nobody knows: exit code 3, and who was perhaps meant',
    async (t) => {
      const [describe, cancel] = await Promise.all([
        workspace.run(['describe', 'pacde']),
        workspace.run(['cancel', 'pacde']),
      ])
      for (const { code, stdout, stderr } of [describe, cancel]) {
        t.strictSame([code, stdout], [EXIT.notFound, ''])
        t.match(stderr, /there is no job "pacde"\. Did you mean "paced"\?\n.*sluice jobs/)
      }
    },
  )

  await t.test('run - Ctrl-C cancels the job and waits until it has ended', async (t) => {
    const run = workspace.start(['run', job('paced.ts'), '--json'])
    const [, id] = await run.until(/"jobId":"(\w+)","name":"paced","state":"running"/)
    run.kill('SIGINT')
    const { code, stdout } = await run.exited
    t.equal(code, EXIT.interrupted)
    t.match(stdout, /"state":"cancelled"/)
    t.match(await json('describe', id!), { state: 'cancelled' })
  })

  await t.test(
    'run - without enough free slots: waits, says for what, gives up with the numbers',
    async (t) => {
      const run = workspace.start(['run', job('paced.ts'), '-p', '5', '-D', 'slot.requestTimeout=3s'])
      await run.until(/paced {2}waiting {2}\S+ {2}for 5 slots: 4 of 4 on 2 nodes are free/)
      const { code, stderr } = await run.exited
      t.equal(code, EXIT.timeout)
      t.match(
        stderr,
        /the job needs 5 slots and has 0; 4 were free when it asked, .* within 3000 ms: .*sluice node --slots 1/,
      )
    },
  )

  await t.test('coordinator - a second one stands by; an id that is taken is refused', async (t) => {
    const standby = workspace.start(['coordinator', '--id', 'c2', '--json'])
    await standby.until(/"event":"standby","cluster":"default","id":"c2","leader":\{"id":".*","host":/)
    const { code, stderr } = await workspace.run(['coordinator', '--id', 'c2'])
    t.equal(code, EXIT.usage)
    t.match(stderr, /another process is coordinator "c2" of this cluster; give this one another id \(--id\)/)
    await eventually('the leader has heard of it', async () =>
      (await workspace.run(['doctor'])).stdout.includes('c2 stands by'),
    )
    standby.kill('SIGINT')
    t.equal((await standby.exited).code, EXIT.interrupted)
  })

  await t.test('services - a signal ends each of them, in order, and nothing is left', async (t) => {
    const { nats, coordinator, nodes, natsPid } = cluster
    nodes[0]!.kill('SIGTERM')
    t.equal((await nodes[0]!.exited).code, EXIT.terminated)
    t.match((await json('nodes')).nodes, [{ nodeId: 'n2' }], 'a node that leaves says so')
    nodes[1]!.kill('SIGINT')
    t.equal((await nodes[1]!.exited).code, EXIT.interrupted)
    coordinator.kill('SIGINT')
    t.equal((await coordinator.exited).code, EXIT.interrupted)
    t.match(await workspace.run(['jobs']), {
      code: EXIT.cannotConnect,
      stderr: /no coordinator answers on this cluster/,
    })
    t.ok(isAlive(natsPid))
    nats.kill('SIGINT')
    t.equal((await nats.exited).code, EXIT.interrupted)
    await eventually('the server is gone', () => !isAlive(natsPid))
  })
})
