import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { systemClock } from '../../../lib/base/clock.ts'
import { createLogger, type LogEntry, silentLogger } from '../../../lib/base/logger.ts'
import type { BusStatus } from '../../../lib/bus/bus.ts'
import { connectNatsBus, type NatsBus } from '../../../lib/bus/nats-bus.ts'
import type { NatsOptions } from '../../../lib/bus/nats-options.ts'
import { busContract } from '../../contracts/bus-contract.ts'
import { startTestServer, temporaryDirectory } from '../../support/nats-server.ts'

const environment = { clock: systemClock, logger: silentLogger }
const bytes = (text: string) => new TextEncoder().encode(text)
const empty = bytes('')

const shared = await startTestServer(t)

busContract(t, 'nats bus', async (t) => ({
  run: (promise) => promise,
  async connect(options) {
    const bus = await connectNatsBus({ servers: shared.url }, { ...environment, ...options })
    t.teardown(() => bus.close())
    return bus
  },
}))

async function connectTo(t: Test, options: NatsOptions): Promise<NatsBus> {
  const bus = await connectNatsBus(options, environment)
  t.teardown(() => bus.close())
  return bus
}

/** Resolves when the bus reports that status. */
function status(bus: NatsBus, expected: BusStatus): Promise<void> {
  return new Promise((resolve) => {
    const remove = bus.onStatus((found) => {
      if (found !== expected) return
      remove()
      resolve()
    })
  })
}

t.test('nats bus - survives the death of its server and counts what it could not send', async (t) => {
  const storeDir = temporaryDirectory(t)
  const first = await startTestServer(t, { storeDir })
  const port = Number(new URL(first.url).port)
  const [a, b] = [await connectTo(t, { servers: first.url }), await connectTo(t, { servers: first.url })]
  b.subscribe('echo', (message) => message.respond(message.payload))
  await b.flush()
  t.same((await a.request('echo', bytes('1'), 5000)).payload, bytes('1'))

  const down = Promise.all([status(a, 'disconnected'), status(b, 'disconnected')])
  process.kill(first.pid, 'SIGKILL')
  await Promise.all([first.exited, down])
  const published = a.stats.published
  a.publish('echo', empty)
  a.publish('echo', empty)
  t.equal(a.stats.dropped, 2)
  t.equal(a.stats.published, published)
  await t.rejects(a.request('echo', empty, 60_000), { code: 'CANNOT_CONNECT' }, 'requests fail at once')
  await t.rejects(a.flush(), { code: 'CANNOT_CONNECT' })

  const up = Promise.all([status(a, 'connected'), status(b, 'connected')])
  await startTestServer(t, { storeDir, port })
  await up
  await b.flush()
  t.same((await a.request('echo', bytes('2'), 5000)).payload, bytes('2'), 'the subscription is renewed')
})

t.test('nats bus - close while disconnected does not wait for the server', async (t) => {
  const server = await startTestServer(t)
  const bus = await connectTo(t, { servers: server.url })
  const down = status(bus, 'disconnected')
  process.kill(server.pid, 'SIGKILL')
  await down
  await bus.close()
  await t.rejects(bus.request('x', empty, 1000), { code: 'BUS_CLOSED' })
})

t.test('nats bus - tells JetStream from none, and gives access to the connection', async (t) => {
  const bus = await connectTo(t, { servers: shared.url })
  t.equal(bus.hasJetStream, false)
  t.match(bus.serverVersion, /^\d+\.\d+\.\d+/)
  const server = await startTestServer(t, { jetstream: true })
  const other = await connectTo(t, { servers: server.url })
  t.equal(other.hasJetStream, true)
  t.equal(other.connection.info?.jetstream, true)
})

t.test('nats bus - the limit on payloads is the server\u2019s', async (t) => {
  const server = await startTestServer(t, { maxPayloadBytes: 1000 })
  const bus = await connectTo(t, { servers: server.url })
  t.equal(bus.payloadBytesMax, 1000)
  t.throws(() => bus.publish('x', new Uint8Array(1001)), {
    code: 'PAYLOAD_TOO_LARGE',
    message: /1000 B on x, found 1001 B/,
  })
})

t.test(
  'nats bus - nobody there is CANNOT_CONNECT with every URL and the reason, without passwords',
  async (t) => {
    const servers = ['nats://me:secret@127.0.0.1:1', 'nats://me:secret@127.0.0.1:2']
    const error = await connectNatsBus({ servers }, environment).then(
      () => t.fail('connected'),
      (error) => error,
    )
    t.match(error, { code: 'CANNOT_CONNECT', exitCode: 4 })
    t.match(error.message, /nats:\/\/127\.0\.0\.1:1, nats:\/\/127\.0\.0\.1:2: .*(refused|ECONNREFUSED)/i)
    t.notMatch(error.message, 'secret')
  },
)

t.test('nats bus - of several servers one that answers is enough', async (t) => {
  const bus = await connectTo(t, { servers: ['127.0.0.1:1', shared.url] })
  await bus.flush()
  t.pass()
})

/** Something that listens on a port and says this, or nothing, to whoever connects. */
async function listenAndSay(t: Test, greeting: string | undefined): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    if (greeting === undefined) return
    socket.write(greeting)
    socket.on('data', (data) => data.includes('PING') && socket.write('PONG\r\n'))
  })
  const sockets = new Set<import('node:net').Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

t.test('nats bus - a server that never greets is given up after connectTimeoutMs', async (t) => {
  const servers = await listenAndSay(t, undefined)
  await t.rejects(connectNatsBus({ servers, connectTimeoutMs: 100 }, environment), {
    code: 'CANNOT_CONNECT',
    message: new RegExp(servers),
  })
})

t.test('nats bus - a server older than the floor is refused', async (t) => {
  const info = { server_id: 'x', version: '2.8.4', proto: 1, max_payload: 1000, headers: true, client_id: 1 }
  const servers = await listenAndSay(t, `INFO ${JSON.stringify(info)}\r\n`)
  await t.rejects(connectNatsBus({ servers }, environment), {
    code: 'NATS_SERVER_UNSUITABLE',
    message: /2\.9\.10 or later.*2\.8\.4/,
  })
})

t.test('nats bus - what permissions forbid is logged', async (t) => {
  const server = await startTestServer(t, {
    config:
      'authorization { users: [ { user: a, password: b, permissions: { publish: ["ok", "_INBOX.>"], subscribe: ["ok", "_INBOX.>"] } } ] }',
  })
  const entries: LogEntry[] = []
  const logger = createLogger(systemClock, 'debug', (entry) => entries.push(entry))
  const options = { servers: server.url, user: 'a', password: 'b' }
  const bus = await connectNatsBus(options, { clock: systemClock, logger })
  t.teardown(() => bus.close())
  bus.subscribe('not.ok', () => {})
  bus.publish('not.ok', empty)
  await bus.flush()
  await bus.flush()
  t.ok(
    entries.some(
      (entry) => entry.event === 'nats refused a subscription' && entry.fields.subject === 'not.ok',
    ),
  )
  t.equal(entries.filter((entry) => entry.event === 'nats permission denied').length, 2)
  t.equal(await requestCode(bus, 'ok'), 'NO_RESPONDERS', 'the connection is still good')
})

function requestCode(bus: NatsBus, subject: string): Promise<string> {
  return bus.request(subject, empty, 5000).then(
    () => 'ANSWERED',
    (error) => error.code,
  )
}
