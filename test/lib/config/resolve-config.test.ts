/** Who wins, what is refused, and what is said about it. */
import fc from 'fast-check'
import t from 'tap'
import { SluiceError } from '../../../lib/base/errors.ts'
import { environmentName, OPTION_KEYS, OPTIONS, type OptionKey } from '../../../lib/config/options.ts'
import { type ConfigSources, describeOrigin, resolveConfig } from '../../../lib/config/resolve-config.ts'

const host = { hostname: 'alpha', pid: 42, home: '/home/ann' }

interface Given {
  readonly flags?: Record<string, string>
  readonly env?: Record<string, string>
  readonly file?: Record<string, unknown>
}

function sources({ flags = {}, env = {}, file }: Given): ConfigSources {
  return {
    flags: Object.entries(flags).map(([key, value]) => ({ key, value, name: `-D ${key}` })),
    env,
    file: file === undefined ? null : { path: '/etc/sluice.json', values: new Map(Object.entries(file)) },
    host,
  }
}

const resolve = (given: Given) => resolveConfig(sources(given))

function refusal(given: Given): SluiceError {
  try {
    resolve(given)
  } catch (error) {
    if (error instanceof SluiceError) return error
    throw error
  }
  throw new Error(`expected a refusal of ${JSON.stringify(given)}`)
}

/** Text that means the same from a flag, a variable and a file, and three of them are different. */
const VALUES = {
  string: ['a', 'b', 'c'],
  number: ['2', '3', '4'],
  duration: ['2s', '3s', '4s'],
  bytes: ['2mb', '3mb', '4mb'],
}

t.test(
  'config - a flag counts before the environment, that before the file, that before the default',
  async (t) => {
    const kinds = Object.keys(VALUES)
    const keys = OPTION_KEYS.filter((key) => kinds.includes(OPTIONS[key].kind) && key !== 'restart.jitter')
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(
          fc.constantFrom(...keys),
          fc.subarray(['flag', 'environment', 'file']),
          (key, origins) => {
            const [first, second, third] = VALUES[OPTIONS[key].kind as keyof typeof VALUES] as [
              string,
              string,
              string,
            ]
            const { config, origins: found } = resolve({
              ...(origins.includes('flag') ? { flags: { [key]: first } } : {}),
              ...(origins.includes('environment') ? { env: { [environmentName(key)]: second } } : {}),
              ...(origins.includes('file') ? { file: { [key]: third } } : {}),
            })
            const winner =
              ['flag', 'environment', 'file'].find((origin) => origins.includes(origin)) ?? 'default'
            const text = { flag: first, environment: second, file: third }[winner]
            const expected = text === undefined ? resolve({}).config[key] : OPTIONS[key].parse(text)
            return found[key].kind === winner && config[key] === expected
          },
        ),
      ),
    )
  },
)

t.test('config - the last of several flags for one option counts', async (t) => {
  const flags = ['a', 'b'].map((value) => ({ key: 'cluster', value, name: '--cluster' }))
  t.equal(resolveConfig({ ...sources({}), flags }).config.cluster, 'b')
})

t.test('config - variables of others are honoured after our own', async (t) => {
  const both = { NATS_URL: 'nats://theirs', SLUICE_NATS_URL: 'nats://ours', NATS_CREDS: '/c' }
  const { config, origins } = resolve({ env: both })
  t.equal(config['nats.url'], 'nats://ours')
  t.equal(config['nats.creds'], '/c')
  t.equal(describeOrigin(origins['nats.creds']), 'environment variable NATS_CREDS')
  t.equal(resolve({ env: { NATS_URL: 'nats://theirs' } }).config['nats.url'], 'nats://theirs')
})

t.test('config - an empty variable is none', async (t) => {
  const { config, origins } = resolve({ env: { SLUICE_CLUSTER: '', NATS_URL: '' } })
  t.equal(config.cluster, 'default')
  t.same(origins['nats.url'], { kind: 'default' })
})

t.test('config - is frozen', async (t) => {
  const { config, origins } = resolve({})
  t.throws(() => Object.assign(config, { cluster: 'x' }), TypeError)
  t.throws(() => Object.assign(origins, { cluster: 'x' }), TypeError)
})

t.test('config - a wrong value: which option, who gave it, what was expected, what was found', async (t) => {
  const cases: [Given, RegExp][] = [
    [
      { flags: { 'node.slots': 'many' } },
      /option node\.slots, given by -D node\.slots: expected an integer .*found "many"/,
    ],
    [
      { env: { SLUICE_HEARTBEAT_TIMEOUT: 'soon' } },
      /heartbeat\.timeout, given by environment variable SLUICE_HEARTBEAT_TIMEOUT: expected a duration .*found "soon"/,
    ],
    [
      { file: { 'network.frameSize': [] } },
      /network\.frameSize, given by \/etc\/sluice\.json: expected a size .*found \[\]/,
    ],
    [{ file: { cluster: null } }, /cluster, given by .*: expected 1 to 64 letters.*found null/],
    [
      { flags: { 'restart.strategy': 'always' } },
      /expected one of auto, none, fixed-delay, failure-rate, exponential-delay, found "always"/,
    ],
  ]
  for (const [given, message] of cases) {
    const error = refusal(given)
    t.match(error, { code: 'CONFIG_INVALID', message, exitCode: 2 })
  }
})

t.test('config - the value of a secret is in no message', async (t) => {
  const secrets = OPTION_KEYS.filter((key) => OPTIONS[key].isSecret)
  t.same(secrets, ['nats.password', 'nats.token', 'nats.nkeySeed'])
  for (const key of secrets) t.notMatch(refusal({ file: { [key]: { s3cret: 's3cret' } } }).message, 's3cret')
})

t.test(
  'config - what nobody knows is refused wherever it is given, with what was perhaps meant',
  async (t) => {
    const cases: [Given, RegExp][] = [
      [
        { flags: { 'nats.ulr': 'x' } },
        /no option "nats\.ulr", given by -D nats\.ulr\. Did you mean "nats\.url"\?/,
      ],
      [
        { env: { SLUICE_NATS_ULR: 'x' } },
        /"SLUICE_NATS_ULR", given by the environment\. Did you mean "SLUICE_NATS_URL"\?/,
      ],
      [
        { file: { 'node.slot': 2 } },
        /"node\.slot", given by \/etc\/sluice\.json\. Did you mean "node\.slots"\?/,
      ],
      [{ file: { 'cluster.name': 'x' } }, /"cluster\.name"/],
      [{ file: { __proto__x: 1 } }, /"__proto__x"/],
      [{ flags: { constructor: 'x' } }, /"constructor"/],
    ]
    for (const [given, message] of cases) {
      t.match(refusal(given), { code: 'CONFIG_UNKNOWN_KEY', message, exitCode: 2 })
    }
  },
)

t.test('config - one wrong letter is always noticed, and its option proposed', async (t) => {
  const misspelt = fc
    .tuple(fc.constantFrom(...OPTION_KEYS), fc.nat(), fc.constantFrom('z', 'q', ''))
    .map(([key, at, letter]) => {
      const place = at % key.length
      return { key, wrong: key.slice(0, place) + letter + key.slice(place + 1) }
    })
    .filter(({ wrong }) => !OPTION_KEYS.includes(wrong as OptionKey))
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(misspelt, ({ wrong }) => {
        const error = refusal({ flags: { [wrong]: 'x' } })
        const proposed = /Did you mean "(.*)"\?/.exec(error.message)?.[1]
        return error.code === 'CONFIG_UNKNOWN_KEY' && OPTION_KEYS.includes(proposed as OptionKey)
      }),
    ),
  )
})

t.test('config - variables that look like ours and are not are left alone', async (t) => {
  const env = {
    SLUICE_NATS_SERVER_BIN: '/usr/sbin/nats-server',
    SLUICE_NODE_PASSWORD: 'x',
    SLUICE_COORDINATOR_SERVICE_HOST: '10.0.0.1',
    SLUICE_COORDINATOR_SERVICE_PORT_HTTP: '8081',
    SLUICE_NATS_PORT: 'tcp://10.0.0.2:4222',
    SLUICE_NATS_PORT_4222_TCP_ADDR: '10.0.0.2',
    PATH: '/bin',
  }
  t.equal(resolve({ env }).config.cluster, 'default')
})
