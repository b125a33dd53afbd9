/** Configuration files in their five forms, and how they go wrong. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadConfig } from '../../../lib/config/load-config.ts'
import { temporaryDirectory } from '../../support/nats-server.ts'

function directoryWith(t: Test, files: Record<string, string>): string {
  const directory = temporaryDirectory(t)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return directory
}

const load = (directory: string, file?: string, env: Record<string, string> = {}) =>
  loadConfig({ directory, file, env })

t.test('config file - none is fine', async (t) => {
  const { config, origins } = await load(temporaryDirectory(t))
  t.equal(config.cluster, 'default')
  t.same(origins.cluster, { kind: 'default' })
})

t.test('config file - all five forms are found, nested or with full keys', async (t) => {
  const module =
    "export default { cluster: 'east', nats: { url: 'nats://n:1', tls: { ca: 'ca.pem' } }, 'node.slots': 3 }"
  const typed = module.replace('export default', 'const config: object =').concat('\nexport default config')
  const json =
    '{ "cluster": "east", "nats": { "url": "nats://n:1", "tls": { "ca": "ca.pem" } }, "node.slots": 3 }'
  const forms = { ts: typed, mts: typed, js: module, mjs: module, json }
  for (const [extension, text] of Object.entries(forms)) {
    const name = `sluice.config.${extension}`
    // Without a type, .js would be CommonJS.
    const directory = directoryWith(t, { [name]: text, 'package.json': '{ "type": "module" }' })
    const { config, origins } = await load(directory)
    t.match(
      config,
      { cluster: 'east', 'nats.url': 'nats://n:1', 'nats.tls.ca': 'ca.pem', 'node.slots': 3 },
      name,
    )
    t.same(origins.cluster, { kind: 'file', name: join(directory, name) })
  }
})

t.test('config file - options that are undefined are not given', async (t) => {
  const text = 'export default { cluster: undefined, nats: { url: process.env.NOT_THERE, tls: undefined } }'
  const { origins } = await load(directoryWith(t, { 'sluice.config.mjs': text }))
  t.same(origins['nats.url'], { kind: 'default' })
})

t.test('config file - one named explicitly is read instead, and must be there', async (t) => {
  const directory = directoryWith(t, {
    'sluice.config.json': '{ "cluster": "a" }',
    'other.json': '{ "cluster": "b" }',
  })
  t.equal((await load(directory, 'other.json')).config.cluster, 'b')
  t.equal((await load(directory, join(directory, 'other.json'))).config.cluster, 'b')
  await t.rejects(load(directory, 'missing.json'), {
    code: 'CONFIG_INVALID',
    message: /no configuration file missing\.json/,
  })
})

t.test('config file - two are one too many', async (t) => {
  const directory = directoryWith(t, { 'sluice.config.json': '{}', 'sluice.config.mjs': 'export default {}' })
  await t.rejects(load(directory), {
    code: 'CONFIG_INVALID',
    message: /found sluice\.config\.mjs and sluice\.config\.json.*keep one/,
  })
})

t.test('config file - what cannot be read says which file and why', async (t) => {
  const cases: [name: string, text: string, message: RegExp][] = [
    ['sluice.config.json', '{ "cluster": ', /sluice\.config\.json cannot be read as JSON/],
    ['sluice.config.json', '[1]', /expected an object with options, found a list/],
    ['sluice.config.mjs', 'export const config = {}', /no default export.*defineConfig/],
    ['sluice.config.mjs', 'throw new Error("no vault")', /sluice\.config\.mjs cannot be loaded: no vault/],
    ['sluice.config.mjs', 'export default null', /expected an object with options, found null/],
    ['sluice.config.json', '{ "nats": "nats://n" }', /"nats" is a group with nats\.url, .*found string/],
  ]
  for (const [name, text, message] of cases) {
    await t.rejects(load(directoryWith(t, { [name]: text })), { code: 'CONFIG_INVALID', message })
  }
})

t.test('config file - unknown keys name the file', async (t) => {
  const directory = directoryWith(t, { 'sluice.config.json': '{ "nats": { "ulr": "x" } }' })
  await t.rejects(load(directory), {
    code: 'CONFIG_UNKNOWN_KEY',
    message: /"nats\.ulr", given by .*sluice\.config\.json\. Did you mean "nats\.url"/,
  })
})

t.test('config file - a directory of that name is no file', async (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'sluice.config.json'))
  await t.rejects(load(directory), { code: 'CONFIG_INVALID', message: /sluice\.config\.json/ })
})

t.test('load config - flags and environment are asked before the file', async (t) => {
  const directory = directoryWith(t, {
    'sluice.config.json': '{ "cluster": "file", "node": { "slots": 2 } }',
  })
  const flags = [{ key: 'cluster', value: 'flag', name: '--cluster' }]
  const { config } = await loadConfig({
    directory,
    flags,
    env: { SLUICE_NODE_SLOTS: '5', SLUICE_CLUSTER: 'env' },
  })
  t.equal(config.cluster, 'flag')
  t.equal(config['node.slots'], 5)
})
