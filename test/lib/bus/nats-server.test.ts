/** Finding, starting and installing nats-server. Fake programs stand in where a real one would not fit a test. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock } from '../../../lib/base/clock.ts'
import { silentLogger } from '../../../lib/base/logger.ts'
import { findNatsServer } from '../../../lib/bus/find-nats-server.ts'
import { installCommand, installNatsServer } from '../../../lib/bus/install-nats-server.ts'
import { connectNatsBus } from '../../../lib/bus/nats-bus.ts'
import { compareNatsVersions, isNatsVersionAtLeast } from '../../../lib/bus/nats-version.ts'
import { startNatsServer } from '../../../lib/bus/start-nats-server.ts'
import { natsServerBinary, startTestServer, temporaryDirectory } from '../../support/nats-server.ts'

/** A shell script in the place of a program. */
function program(path: string, script: string): string {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
  return path
}

const reports = (version: string) => `echo "nats-server: v${version}"`

t.test('nats version - numbers are compared, not text', async (t) => {
  t.ok(isNatsVersionAtLeast('2.10.0', '2.9.10'))
  t.ok(isNatsVersionAtLeast('v2.9.10-beta', '2.9.10'))
  t.notOk(isNatsVersionAtLeast('2.9.9', '2.9.10'))
  t.same(['2.10.1', '2.9.10', '2.9.2'].sort(compareNatsVersions), ['2.9.2', '2.9.10', '2.10.1'])
})

t.test('find nats-server - variable before cache before PATH before the usual directories', async (t) => {
  const home = temporaryDirectory(t)
  const places = {
    env: { PATH: join(home, 'bin') } as Record<string, string>,
    cacheDir: join(home, 'cache'),
    extraDirs: [join(home, 'sbin')],
  }
  t.equal(await findNatsServer(places), undefined)
  const usual = program(join(home, 'sbin/nats-server'), reports('2.9.11'))
  t.same(await findNatsServer(places), { path: usual, version: '2.9.11', origin: 'path' })
  const onPath = program(join(home, 'bin/nats-server'), reports('2.10.1'))
  t.same(await findNatsServer(places), { path: onPath, version: '2.10.1', origin: 'path' })
  program(join(home, 'cache/nats-server/2.9.12/nats-server'), reports('2.9.12'))
  const cached = program(join(home, 'cache/nats-server/2.10.2/nats-server'), reports('2.10.2'))
  t.same(
    await findNatsServer(places),
    { path: cached, version: '2.10.2', origin: 'cache' },
    'the newest cached',
  )
  const mine = program(join(home, 'mine'), reports('2.9.10'))
  places.env.SLUICE_NATS_SERVER_BIN = mine
  t.same(await findNatsServer(places), { path: mine, version: '2.9.10', origin: 'environment' })
})

t.test('find nats-server - what is too old or does not run is passed over', async (t) => {
  const home = temporaryDirectory(t)
  const directories = ['old', 'broken', 'good'].map((name) => join(home, name))
  program(join(home, 'old/nats-server'), reports('2.8.4'))
  program(join(home, 'broken/nats-server'), 'exit 1')
  const places = { env: { PATH: directories.join(':') }, cacheDir: home, extraDirs: [] }
  await t.rejects(findNatsServer(places), {
    code: 'NATS_SERVER_UNSUITABLE',
    message: /2\.9\.10 or later.*is 2\.8\.4/,
  })
  const good = program(join(home, 'good/nats-server'), reports('2.9.10'))
  t.match(await findNatsServer(places), { path: good })
})

t.test(
  'find nats-server - a variable that names the wrong thing is an error, not a suggestion',
  async (t) => {
    const home = temporaryDirectory(t)
    const find = (bin: string) => findNatsServer({ env: { SLUICE_NATS_SERVER_BIN: bin }, cacheDir: home })
    await t.rejects(find('/none'), {
      code: 'NATS_SERVER_MISSING',
      message: /SLUICE_NATS_SERVER_BIN is \/none/,
    })
    await t.rejects(find(program(join(home, 'old'), reports('2.1.0'))), { code: 'NATS_SERVER_UNSUITABLE' })
  },
)

t.test('start nats-server - answers when started, is gone when stopped', async (t) => {
  const server = await startTestServer(t, { jetstream: true, maxPayloadBytes: 4096 })
  const bus = await connectNatsBus({ servers: server.url }, { clock: systemClock, logger: silentLogger })
  t.equal(bus.payloadBytesMax, 4096)
  t.equal(bus.hasJetStream, true)
  await bus.close()
  process.kill(server.pid, 0)
  await Promise.all([server.stop(), server.stop()])
  t.throws(() => process.kill(server.pid, 0), { code: 'ESRCH' })
  t.match(await server.exited, { output: /Server is ready/ })
})

t.test(
  'start nats-server - the password is in a file of the user\u2019s own, not on the command line',
  async (t) => {
    const storeDir = temporaryDirectory(t)
    const server = await startTestServer(t, { storeDir, user: 'ann', password: 'hidden' })
    const config = join(storeDir, 'nats-server.conf')
    t.equal(statSync(config).mode & 0o077, 0)
    t.match(readFileSync(config, 'utf8'), 'hidden')
    const commandLine = `/proc/${server.pid}/cmdline`
    if (existsSync(commandLine)) t.notMatch(readFileSync(commandLine, 'utf8'), 'hidden')
  },
)

t.test('start nats-server - a server that cannot start leaves its reason', async (t) => {
  const first = await startTestServer(t)
  const port = Number(new URL(first.url).port)
  await t.rejects(startTestServer(t, { port }), { code: 'CANNOT_CONNECT', message: /address already in use/ })
  await t.rejects(startTestServer(t, { config: 'max_payload: "nonsense"' }), {
    code: 'CANNOT_CONNECT',
    message: /test\.conf:3/,
  })
  await t.rejects(
    startNatsServer({ binary: '/none/nats-server', storeDir: temporaryDirectory(t), clock: systemClock }),
    { code: 'CANNOT_CONNECT', message: /none\/nats-server/ },
  )
})

t.test('start nats-server - two servers do not share a store, a dead one\u2019s is free', async (t) => {
  const storeDir = temporaryDirectory(t)
  const first = await startTestServer(t, { storeDir })
  await t.rejects(startTestServer(t, { storeDir }), {
    code: 'STORAGE_UNUSABLE',
    message: new RegExp(storeDir),
  })
  process.kill(first.pid, 'SIGKILL')
  await first.exited
  const second = await startTestServer(t, { storeDir })
  t.not(second.pid, first.pid)
})

t.test('start nats-server - an abort stops it, at start or later', async (t) => {
  const controller = new AbortController()
  const server = await startTestServer(t, { signal: controller.signal })
  controller.abort()
  await server.exited
  await t.rejects(startTestServer(t, { signal: controller.signal }), {
    code: 'CANNOT_CONNECT',
    message: /aborted/,
  })
})

t.test('start nats-server - the server ends with its parent, even a killed one', async (t: Test) => {
  const script = `
    import { startNatsServer } from ${JSON.stringify(new URL('../../../lib/bus/start-nats-server.ts', import.meta.url).href)}
    import { systemClock } from ${JSON.stringify(new URL('../../../lib/base/clock.ts', import.meta.url).href)}
    const [binary, storeDir] = process.argv.slice(1)
    const server = await startNatsServer({ binary, storeDir, clock: systemClock })
    console.log(server.pid)
  `
  const args = [
    '--import',
    'tsx',
    '--input-type=module',
    '-e',
    script,
    await natsServerBinary(),
    temporaryDirectory(t),
  ]
  const parent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string]
  const pid = Number(line)
  process.kill(pid, 0)
  parent.kill('SIGKILL')
  for (let i = 0; i < 500 && isAlive(pid); i++) await new Promise((resolve) => setTimeout(resolve, 10))
  t.notOk(isAlive(pid))
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

t.test('nats configuration - the sample files are valid, and the roles in them hold', async (t) => {
  const sample = (name: string) =>
    readFileSync(join(import.meta.dirname, '../../../config/nats', name), 'utf8')
  const main = sample('server.conf').replace('port: 4222', '').replace('/var/lib/nats', temporaryDirectory(t))
  const roles = sample('permissions.conf').replaceAll(/\$SLUICE_([A-Z]+)_PASSWORD/g, '"of $1"')
  const { url } = await startTestServer(t, { config: `${main}\n${roles}` })
  const enter = async (user: string, password: string, inboxPrefix: string) => {
    const options = { servers: url, user, password, inboxPrefix }
    const bus = await connectNatsBus(options, { clock: systemClock, logger: silentLogger })
    t.teardown(() => bus.close())
    return bus
  }
  const owner = await enter('sluice', 'of NODE', '_INBOX')
  const query = await enter('query', 'of QUERY', '_INBOX_query')
  const viewer = await enter('viewer', 'of VIEWER', '_INBOX')
  t.ok(owner.hasJetStream)
  const seen: string[] = []
  owner.subscribe('sluice.c1.>', (message) => {
    seen.push(message.subject)
    message.respond(message.payload)
  })
  await owner.flush()
  const payload = new Uint8Array([1])
  t.same((await query.request('sluice.c1.kv.j.count.total', payload, 5000)).payload, payload)
  for (const bus of [viewer, query]) {
    bus.publish('sluice.c1.ctl.coordinator.submit', payload)
    await bus.flush()
  }
  await owner.flush()
  t.same(seen, ['sluice.c1.kv.j.count.total'])
})

t.test('install nats-server - with apt, the package is downloaded and unpacked into the cache', async (t) => {
  const home = temporaryDirectory(t)
  const bin = join(home, 'bin')
  program(join(bin, 'apt-get'), '[ "$1" = download ] || exit 9; touch nats-server_2.10.9_amd64.deb')
  const unpack = `mkdir -p "$3/usr/sbin"; printf '#!/bin/sh\\n${reports('2.10.9')}\\n' > "$3/usr/sbin/nats-server"; chmod +x "$3/usr/sbin/nats-server"`
  program(join(bin, 'dpkg-deb'), unpack)
  const cacheDir = join(home, 'cache')
  const environment = { env: { PATH: `${bin}:/usr/bin:/bin` }, cacheDir, platform: 'linux' }
  const path = join(cacheDir, 'nats-server/2.10.9/nats-server')
  t.same(await installNatsServer(environment), { path, version: '2.10.9', origin: 'cache' })
  t.match(await findNatsServer({ ...environment, extraDirs: [] }), { path, origin: 'cache' })
  t.match(installCommand(environment), /apt-get download nats-server && dpkg-deb -x/)
})

t.test('install nats-server - without package lists they are fetched for this download only', async (t) => {
  const home = temporaryDirectory(t)
  const bin = join(home, 'bin')
  program(join(bin, 'apt-get'), `echo "$@" >> ${home}/calls; exit 1`)
  program(join(bin, 'dpkg-deb'), 'exit 1')
  const environment = {
    env: { PATH: `${bin}:/usr/bin:/bin` },
    cacheDir: join(home, 'cache'),
    platform: 'linux',
  }
  await t.rejects(installNatsServer(environment), {
    code: 'NATS_SERVER_MISSING',
    message: /apt-get install nats-server/,
    cause: { message: /update/ },
  })
  const calls = readFileSync(join(home, 'calls'), 'utf8').trim().split('\n')
  t.equal(calls[0], 'download nats-server')
  t.match(calls[1], /-o Dir::State::lists=.*cache.* update$/)
})

t.test('install nats-server - elsewhere there is a line to run', async (t) => {
  const environment = { env: { PATH: '' }, cacheDir: '/none', platform: 'darwin' }
  t.equal(installCommand(environment), 'brew install nats-server')
  t.match(installCommand({ ...environment, platform: 'linux' }), /^go install /)
  await t.rejects(installNatsServer(environment), {
    code: 'NATS_SERVER_MISSING',
    message: /run: brew install/,
  })
})
