/** The list of options as a whole: keys, variables, defaults, documentation. */
import { join } from 'node:path'
import t from 'tap'
import { TOKEN_PATTERN } from '../../../lib/base/ids.ts'
import { defineConfig } from '../../../lib/config/define-config.ts'
import type { Option } from '../../../lib/config/option.ts'
import { environmentName, OPTION_KEYS, OPTIONS } from '../../../lib/config/options.ts'
import { resolveConfig } from '../../../lib/config/resolve-config.ts'

const host = { hostname: 'alpha', pid: 42, home: '/home/ann' }
const defaults = (
  env: Record<string, string> = {},
  flags: { key: string; value: string; name: string }[] = [],
) => resolveConfig({ flags, env, file: null, host }).config

t.test('options - every one has a line of documentation and a variable of its own', async (t) => {
  for (const key of OPTION_KEYS) {
    t.match(key, /^[a-z][A-Za-z]*(\.[a-z][A-Za-z]*)*$/, key)
    t.match(OPTIONS[key].doc, /^\S.{5,95}[^.]$/, `${key}: a short line`)
  }
  const variables = OPTION_KEYS.flatMap((key) => [environmentName(key), ...OPTIONS[key].environment])
  t.equal(new Set(variables).size, variables.length)
  t.equal(environmentName('nats.connectTimeout'), 'SLUICE_NATS_CONNECT_TIMEOUT')
  t.equal(environmentName('nats.tls.ca'), 'SLUICE_NATS_TLS_CA')
})

t.test('options - no key is the group of another', async (t) => {
  t.same(
    OPTION_KEYS.filter((key) => OPTION_KEYS.some((other) => other.startsWith(`${key}.`))),
    [],
  )
})

t.test('options - every default is a value the option itself accepts', async (t) => {
  const config = defaults()
  for (const key of OPTION_KEYS) {
    const value = config[key]
    const option: Option<unknown> = OPTIONS[key]
    if (value !== undefined) t.same(option.parse(value), value, key)
  }
})

t.test('options - the node is named after host and process, whatever the host is called', async (t) => {
  t.equal(defaults()['node.id'], 'alpha-42')
  for (const hostname of ['a.b.example.com', 'x'.repeat(200), '', 'ÄÖ ü']) {
    const { config } = resolveConfig({ flags: [], env: {}, file: null, host: { ...host, hostname } })
    t.match(config['node.id'], TOKEN_PATTERN)
    t.match(config['node.id'], /-42$/, 'the process is never cut off')
  }
})

t.test('options - storage follows the cluster, the cache follows XDG', async (t) => {
  t.equal(defaults()['storage.uri'], 'jetstream:sluice-default')
  t.equal(defaults({ SLUICE_CLUSTER: 'east' })['storage.uri'], 'jetstream:sluice-east')
  t.equal(defaults()['cache.dir'], join('/home/ann', '.cache', 'sluice'))
  t.equal(defaults({ XDG_CACHE_HOME: '/var/cache' })['cache.dir'], join('/var/cache', 'sluice'))
  t.equal(defaults({ XDG_CACHE_HOME: 'relative' })['cache.dir'], join('/home/ann', '.cache', 'sluice'))
})

t.test('options - what stands before the @ of a URL is not shown', async (t) => {
  const { show } = OPTIONS['nats.url']
  t.equal(show('nats://ann:pass@one:4222, tok@two,three'), 'nats://[hidden]@one:4222, [hidden]@two,three')
  t.equal(show('nats://127.0.0.1:4222'), 'nats://127.0.0.1:4222')
})

t.test('define config - gives back what it is given; the compiler checks the rest', async (t) => {
  const config = {
    cluster: 'east',
    nats: { url: 'nats://n', tls: { ca: 'ca.pem' } },
    network: { linger: '1ms' },
  }
  t.equal(defineConfig(config), config)
  // @ts-expect-error: a misspelt option
  defineConfig({ nats: { ulr: 'nats://n' } })
  // @ts-expect-error: not one of the choices
  defineConfig({ log: { level: 'loud' } })
  // @ts-expect-error: a group is not a value
  defineConfig({ nats: 'nats://n' })
})
