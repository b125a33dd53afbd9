/** NATS servers that are absent, that want to know who is there, and that encrypt. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { EXIT } from '../../lib/base/errors.ts'
import { startTestServer } from '../support/nats-server.ts'
import { job, Workspace } from './cli-process.ts'

const tlsFile = (name: string) => join(import.meta.dirname, '../fixtures/tls', name)

/** One node with two slots, one job on both, with whatever configuration the workspace has. */
async function runsJob(t: Parameters<typeof Workspace.open>[0], workspace: Workspace): Promise<void> {
  const coordinator = workspace.start(['coordinator', '--json'])
  await coordinator.until(/"event":"ready"/)
  const node = workspace.start(['node', '--slots', '2', '--json'])
  await node.until(/"event":"ready"/)
  const { code, stderr } = await workspace.run(['run', job('count.ts'), '-p', '2'])
  t.equal(code, EXIT.ok, stderr)
  t.match(stderr, /count finished: 1,000 records read/)
}

t.test('login - without a server: exit code 4 within five seconds, and what was tried', async (t) => {
  const workspace = await Workspace.open(t, { NATS_URL: 'nats://ann:s3cret@127.0.0.1:1' })
  const verbs = [['coordinator'], ['node'], ['run', job('count.ts')]]
  await Promise.all(
    verbs.map(async (verb) => {
      const { code, stdout, stderr } = await workspace.run(verb)
      t.strictSame([code, stdout], [EXIT.cannotConnect, ''], verb.join(' '))
      t.match(stderr, /cannot connect to NATS at nats:\/\/127\.0\.0\.1:1: .*refused.*\n.*sluice nats start/)
      t.notMatch(stderr, /s3cret/)
    }),
  )
})

t.test('login - a server that never answers is given up in time', async (t) => {
  const workspace = await Workspace.open(t)
  // An address reserved for documentation: packets to it get lost, or are refused at once.
  const args = ['coordinator', '--nats', 'nats://192.0.2.1:4222', '-D', 'nats.connectTimeout=500ms']
  const { code, stderr } = await workspace.run(args)
  t.equal(code, EXIT.cannotConnect)
  t.match(stderr, /cannot connect to NATS at nats:\/\/192\.0\.2\.1:4222/)
})

t.test('login - user and password: refused with wrong ones, a cluster with the right ones', async (t) => {
  const { url } = await startTestServer(t, { jetstream: true, user: 'ann', password: 'p:a s"s' })
  const workspace = await Workspace.open(t, {
    NATS_URL: url,
    SLUICE_NATS_USER: 'ann',
    SLUICE_NATS_PASSWORD: 'wr0ng',
  })
  const wrong = await workspace.run(['jobs'])
  t.equal(wrong.code, EXIT.cannotConnect)
  t.match(wrong.stderr, /authorization violation.*\n.*nats\.user and nats\.password/i)
  t.notMatch(wrong.stderr, 'wr0ng')
  workspace.env.SLUICE_NATS_PASSWORD = 'p:a s"s'
  await runsJob(t, workspace)
})

t.test('login - TLS with client certificates, by a configuration file', async (t) => {
  const server = {
    certFile: tlsFile('server.pem'),
    keyFile: tlsFile('server-key.pem'),
    caFile: tlsFile('ca.pem'),
  }
  const { url } = await startTestServer(t, { jetstream: true, tls: server })
  const workspace = await Workspace.open(t)
  const tls = { ca: tlsFile('ca.pem'), cert: tlsFile('client.pem'), key: tlsFile('client-key.pem') }
  const config = { nats: { url: url.replace('nats:', 'tls:'), tls } }
  writeFileSync(join(workspace.directory, 'sluice.config.json'), JSON.stringify(config))
  await runsJob(t, workspace)
})
