import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nkeys } from '@nats-io/nats-core'
import t from 'tap'
import { type NatsOptions, shownServers, toConnectionOptions } from '../../../lib/bus/nats-options.ts'
import { createJwtSetup } from '../../support/nats-jwt.ts'
import { temporaryDirectory } from '../../support/nats-server.ts'

const servers = 'nats://localhost:4222'

t.test('nats options - servers come as a list, as text, with and without scheme', async (t) => {
  t.same(toConnectionOptions({ servers }).servers, ['localhost:4222'])
  t.same(toConnectionOptions({ servers: 'a:1, nats://b:2/' }).servers, ['a:1', 'b:2'])
  t.same(toConnectionOptions({ servers: ['tls://[::1]:4222', 'b'] }).servers, ['[::1]:4222', 'b'])
})

t.test('nats options - the client reconnects for ever and pings often', async (t) => {
  t.match(toConnectionOptions({ servers, name: 'n1', connectTimeoutMs: 3000 }), {
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    pingInterval: 10_000,
    timeout: 3000,
    name: 'n1',
  })
  t.equal(toConnectionOptions({ servers: 'a,b' }).timeout, 2500, 'the time is shared by the servers')
})

t.test('nats options - tls:// demands TLS, nats:// takes what the server offers', async (t) => {
  t.same(toConnectionOptions({ servers: 'tls://a' }).tls, {})
  t.equal(toConnectionOptions({ servers: 'nats://a' }).tls, undefined)
})

t.test('nats options - TLS files are read', async (t) => {
  const directory = temporaryDirectory(t)
  const file = (name: string) => {
    writeFileSync(join(directory, name), `pem of ${name}`)
    return join(directory, name)
  }
  const tls = { caFile: file('ca'), certFile: file('cert'), keyFile: file('key'), handshakeFirst: true }
  t.same(toConnectionOptions({ servers, tls }).tls, {
    ca: 'pem of ca',
    cert: 'pem of cert',
    key: 'pem of key',
    handshakeFirst: true,
  })
  t.same(toConnectionOptions({ servers, tls: { insecure: true } }).tls, { rejectUnauthorized: false })
})

t.test('nats options - a creds file is handed to the client', async (t) => {
  const credsFile = join(temporaryDirectory(t), 'user.creds')
  writeFileSync(credsFile, createJwtSetup().creds)
  const { authenticator } = toConnectionOptions({ servers, credsFile })
  const proof = typeof authenticator === 'function' ? authenticator('nonce') : undefined
  t.match(proof, { jwt: /^ey/, nkey: /^U/, sig: /.+/ })
})

t.test('nats options - what is shown has no passwords', async (t) => {
  t.same(shownServers({ servers: 'nats://u:p@a:1,tls://t@b,u:p@ss@c' }), ['nats://a:1', 'tls://b', 'c'])
})

const seed = new TextDecoder().decode(nkeys.createUser().getSeed())

const invalid: readonly [string, NatsOptions, RegExp][] = [
  ['no server', { servers: '' }, /nats\.servers: expected at least one/],
  [
    'an unknown scheme',
    { servers: 'http://u:hidden@a' },
    /nats\.servers: expected nats:.*found "http:\/\/a"/,
  ],
  ['websocket', { servers: 'ws://a' }, /nats\.servers/],
  [
    'two users in URLs',
    { servers: 'nats://u:hidden@a,nats://v:hidden@b' },
    /nats\.servers: expected the same user/,
  ],
  ['URL and option', { servers: 'nats://u:hidden@a', token: 'hidden' }, /nats\.servers: a URL has a user/],
  ['user alone', { servers, user: 'u' }, /nats\.password: user and password/],
  ['password alone', { servers, password: 'hidden' }, /nats\.user: user and password/],
  [
    'two ways',
    { servers, token: 'hidden', user: 'u', password: 'hidden' },
    /nats\.token: give one way.*user and token/,
  ],
  ['two seeds', { servers, nkeySeed: seed, nkeySeedFile: '/x' }, /nats\.nkeySeedFile: give one way/],
  ['a bad seed', { servers, nkeySeed: 'SUhidden' }, /nats\.nkeySeed: expected the seed of a user nkey/],
  ['no seed file', { servers, nkeySeedFile: '/none/x.nk' }, /nats\.nkeySeedFile: cannot read \/none\/x\.nk/],
  ['no creds file', { servers, credsFile: '/none/x.creds' }, /nats\.credsFile: cannot read \/none\/x\.creds/],
  ['certificate alone', { servers, tls: { certFile: '/x' } }, /nats\.tls\.keyFile: certFile and keyFile/],
  ['no CA file', { servers, tls: { caFile: '/none/ca' } }, /nats\.tls\.caFile: cannot read \/none\/ca/],
]

for (const [what, options, message] of invalid) {
  t.test(`nats options - ${what} is refused, naming the option and no secret`, async (t) => {
    t.throws(() => toConnectionOptions(options), { code: 'CONFIG_INVALID', message })
    try {
      toConnectionOptions(options)
    } catch (error) {
      t.notMatch(JSON.stringify([String(error), (error as Error).cause]), 'hidden')
    }
  })
}

t.test('nats options - a creds file with something else in it is refused without quoting it', async (t) => {
  const credsFile = join(temporaryDirectory(t), 'user.creds')
  writeFileSync(credsFile, 'hidden')
  t.throws(() => toConnectionOptions({ servers, credsFile }), {
    code: 'CONFIG_INVALID',
    message: /nats\.credsFile/,
  })
})
