/** Configuration as the settings of NATS connections, tasks, restart strategies and heartbeats. */
import t from 'tap'
import {
  heartbeatSettings,
  natsSettings,
  restartSettings,
  taskSettings,
} from '../../../lib/config/config-settings.ts'
import { resolveConfig } from '../../../lib/config/resolve-config.ts'

const host = { hostname: 'alpha', pid: 42, home: '/home/ann' }
const config = (values: Record<string, string> = {}) => {
  const flags = Object.entries(values).map(([key, value]) => ({ key, value, name: `-D ${key}` }))
  return resolveConfig({ flags, env: {}, file: null, host }).config
}

t.test('settings - nats: only what was given is there', async (t) => {
  const plain = { servers: 'nats://127.0.0.1:4222', name: 'me', connectTimeoutMs: 5000 }
  t.strictSame(natsSettings(config(), 'me'), plain)
  const given = {
    'nats.user': 'ann',
    'nats.password': 'p',
    'nats.inboxPrefix': '_INBOX_ann',
    'nats.tls.ca': 'ca.pem',
    'nats.tls.insecure': 'true',
    'nats.connectTimeout': '1s',
  }
  t.strictSame(natsSettings(config(given), 'me'), {
    servers: 'nats://127.0.0.1:4222',
    name: 'me',
    connectTimeoutMs: 1000,
    user: 'ann',
    password: 'p',
    inboxPrefix: '_INBOX_ann',
    tls: { caFile: 'ca.pem', insecure: true },
  })
  t.match(natsSettings(config({ 'nats.creds': '/c', 'nats.nkeySeedFile': '/s' }), ''), {
    credsFile: '/c',
    nkeySeedFile: '/s',
  })
})

t.test('settings - tasks: in base units', async (t) => {
  t.strictSame(taskSettings(config({ 'network.frameSize': '64kb', 'network.exchange': 'nats' })), {
    lingerMs: 5,
    frameBytes: 64 * 1024,
    recordBytesMax: 64 * 1024 * 1024,
    channelTimeoutMs: 60_000,
    watermarkIntervalMs: 200,
    exchange: 'nats',
    state: { backend: 'heap', timers: 'heap', memoryBytes: 256 * 1024 * 1024 },
  })
})

t.test('settings - state is read ahead unless it should not be', async (t) => {
  t.notOk('prefetchKeysMin' in taskSettings(config({})).state)
  t.equal(taskSettings(config({ 'state.prefetch': 'false' })).state.prefetchKeysMin, null)
})

t.test('settings - restart strategies, each with its own', async (t) => {
  const restart = (values: Record<string, string>) => {
    const { scope, ...settings } = restartSettings(config(values))
    t.equal(scope, values['restart.scope'] ?? 'region')
    return settings
  }
  t.strictSame(restart({}), { kind: 'none' })
  t.strictSame(restart({ 'restart.scope': 'job' }), { kind: 'none' })
  t.equal(
    restart({ 'checkpoint.interval': '1s' }).kind,
    'exponential-delay',
    'there is something to go on from',
  )
  t.equal(restart({ 'checkpoint.interval': '1s', 'restart.strategy': 'none' }).kind, 'none')
  t.strictSame(restart({ 'restart.strategy': 'fixed-delay' }), {
    kind: 'fixed-delay',
    attempts: 3,
    delayMs: 1000,
  })
  t.strictSame(
    restart({ 'restart.strategy': 'fixed-delay', 'restart.attempts': '7', 'restart.delay': '0' }),
    {
      kind: 'fixed-delay',
      attempts: 7,
      delayMs: 0,
    },
  )
  t.strictSame(
    restart({ 'restart.strategy': 'failure-rate', 'restart.failures': '2', 'restart.interval': '1m' }),
    {
      kind: 'failure-rate',
      failuresMax: 2,
      intervalMs: 60_000,
      delayMs: 1000,
    },
  )
  t.strictSame(restart({ 'restart.strategy': 'exponential-delay' }), {
    kind: 'exponential-delay',
    attempts: Number.POSITIVE_INFINITY,
    initialMs: 1000,
    maxMs: 60_000,
    multiplier: 1.5,
    resetAfterMs: 3_600_000,
    jitter: 0.1,
  })
})

t.test('settings - heartbeats come several times per timeout, however short that is', async (t) => {
  t.strictSame(heartbeatSettings(config()), { heartbeatIntervalMs: 1000, heartbeatTimeoutMs: 10_000 })
  t.strictSame(heartbeatSettings(config({ 'heartbeat.timeout': '1s' })), {
    heartbeatIntervalMs: 250,
    heartbeatTimeoutMs: 1000,
  })
})
