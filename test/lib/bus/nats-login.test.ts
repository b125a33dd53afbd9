/** Every way into a NATS server, against real ones. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nkeys } from '@nats-io/nats-core'
import t, { type Test } from 'tap'
import { systemClock } from '../../../lib/base/clock.ts'
import { silentLogger } from '../../../lib/base/logger.ts'
import { connectNatsBus } from '../../../lib/bus/nats-bus.ts'
import type { NatsOptions } from '../../../lib/bus/nats-options.ts'
import { createJwtSetup } from '../../support/nats-jwt.ts'
import { startTestServer, temporaryDirectory } from '../../support/nats-server.ts'

const environment = { clock: systemClock, logger: silentLogger }
const tlsFile = (name: string) => join(import.meta.dirname, '../../fixtures/tls', name)

/** Connects and proves that messages flow. */
async function enters(t: Test, options: NatsOptions): Promise<void> {
  const bus = await connectNatsBus(options, environment)
  t.teardown(() => bus.close())
  bus.subscribe('echo', (message) => message.respond(message.payload))
  const answer = await bus.request('echo', new Uint8Array([7]), 5000)
  t.same([...answer.payload], [7])
}

function isRefused(t: Test, options: NatsOptions, reason: RegExp): Promise<unknown> {
  return t.rejects(connectNatsBus(options, environment), { code: 'CANNOT_CONNECT', message: reason })
}

t.test('nats login - token, as an option and in the URL', async (t) => {
  const { url } = await startTestServer(t, { config: 'authorization { token: "s3cret" }' })
  await enters(t, { servers: url, token: 's3cret' })
  await enters(t, { servers: url.replace('://', '://s3cret@') })
  await isRefused(t, { servers: url, token: 'wrong' }, /authorization violation/i)
  await isRefused(t, { servers: url }, /authorization violation/i)
})

t.test('nats login - user and password, as options and in the URL', async (t) => {
  const { url } = await startTestServer(t, { user: 'ann', password: 'p:a/s "s' })
  await enters(t, { servers: url, user: 'ann', password: 'p:a/s "s' })
  await enters(t, { servers: url.replace('://', '://ann:p%3Aa%2Fs%20%22s@') })
  await isRefused(t, { servers: url, user: 'ann', password: 'wrong' }, /authorization violation/i)
})

t.test('nats login - nkey, as a seed and in a file', async (t) => {
  const pair = nkeys.createUser()
  const seed = new TextDecoder().decode(pair.getSeed())
  const { url } = await startTestServer(t, {
    config: `authorization { users: [ { nkey: ${pair.getPublicKey()} } ] }`,
  })
  await enters(t, { servers: url, nkeySeed: seed })
  const nkeySeedFile = join(temporaryDirectory(t), 'user.nk')
  writeFileSync(nkeySeedFile, `${seed}\n`)
  await enters(t, { servers: url, nkeySeedFile })
  const other = new TextDecoder().decode(nkeys.createUser().getSeed())
  await isRefused(t, { servers: url, nkeySeed: other }, /authorization violation/i)
})

t.test('nats login - creds file, in operator mode', async (t) => {
  const { config, creds } = createJwtSetup()
  const { url } = await startTestServer(t, { config })
  const directory = temporaryDirectory(t)
  const write = (name: string, text: string) => {
    writeFileSync(join(directory, name), text)
    return join(directory, name)
  }
  await enters(t, { servers: url, credsFile: write('user.creds', creds) })
  const stranger = createJwtSetup().creds
  await isRefused(
    t,
    { servers: url, credsFile: write('stranger.creds', stranger) },
    /authorization violation/i,
  )
})

t.test('nats login - TLS with an authority of one\u2019s own', async (t) => {
  const tls = { certFile: tlsFile('server.pem'), keyFile: tlsFile('server-key.pem') }
  const { url } = await startTestServer(t, { tls })
  const address = url.replace(/^[a-z]+:\/\//, '')
  const port = address.split(':')[1]
  await enters(t, { servers: `tls://${address}`, tls: { caFile: tlsFile('ca.pem') } })
  await enters(t, { servers: `localhost:${port}`, tls: { caFile: tlsFile('ca.pem') } })
  await enters(t, { servers: address, tls: { insecure: true } })
  await isRefused(t, { servers: `tls://${address}` }, /certificate/i)
})

t.test('nats login - TLS with a client certificate', async (t) => {
  const tls = {
    certFile: tlsFile('server.pem'),
    keyFile: tlsFile('server-key.pem'),
    caFile: tlsFile('ca.pem'),
  }
  const { url } = await startTestServer(t, { tls })
  const mine = {
    caFile: tlsFile('ca.pem'),
    certFile: tlsFile('client.pem'),
    keyFile: tlsFile('client-key.pem'),
  }
  await enters(t, { servers: url, tls: mine })
  // With TLS 1.3 the server hangs up after the handshake, and the client goes on waiting.
  const without = { servers: url, tls: { caFile: tlsFile('ca.pem') }, connectTimeoutMs: 200 }
  await isRefused(t, without, /no connection within 200 ms.*client certificate/)
})

t.test('nats login - TLS demanded of a server that has none is refused', async (t) => {
  const { url } = await startTestServer(t)
  await isRefused(t, { servers: url, tls: {} }, /tls/i)
})

t.test('nats login - an inbox prefix of one\u2019s own', async (t) => {
  const { url } = await startTestServer(t, {
    config:
      'authorization { users: [ { user: a, password: b, permissions: { publish: ["echo", "_INBOX_a.>"], subscribe: ["echo", "_INBOX_a.>"] } } ] }',
  })
  await enters(t, { servers: url, user: 'a', password: 'b', inboxPrefix: '_INBOX_a' })
})
