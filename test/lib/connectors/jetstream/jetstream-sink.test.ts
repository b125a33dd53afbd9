/** Publishing to streams of a real server: nothing is lost, whatever breaks, and nothing is there twice. */
import {
  DiscardPolicy,
  jetstream as jetstreamClient,
  jetstreamManager,
  StorageType,
} from '@nats-io/jetstream'
import t, { type Test } from 'tap'
import { runLocal } from '../../../../actors/run-local.ts'
import { job } from '../../../../lib/api/job.ts'
import { systemClock } from '../../../../lib/base/clock.ts'
import { silentLogger } from '../../../../lib/base/logger.ts'
import { connectNatsBus } from '../../../../lib/bus/nats-bus.ts'
import { checkpointSettings } from '../../../../lib/config/config-settings.ts'
import { defaultConfig } from '../../../../lib/config/resolve-config.ts'
import { collectSink } from '../../../../lib/connectors/collect.ts'
import { generator } from '../../../../lib/connectors/generator.ts'
import { CommitLog } from '../../../../lib/connectors/jetstream/commit-log.ts'
import { jetstream } from '../../../../lib/connectors/jetstream/jetstream.ts'
import { openJetStream } from '../../../../lib/connectors/jetstream/jetstream-link.ts'
import {
  type JetStreamSinkOptions,
  jetstreamSink,
} from '../../../../lib/connectors/jetstream/jetstream-sink.ts'
import { messageId } from '../../../../lib/connectors/jetstream/jetstream-transaction.ts'
import { t as type } from '../../../../lib/types/t.ts'
import { startTestServer, temporaryDirectory } from '../../../support/nats-server.ts'
import { SinkDriver, type SinkDriverOptions } from '../sink-driver.ts'
import { readAll, SourceDriver } from '../source-driver.ts'
import { startBreakingProxy } from './breaking-proxy.ts'

const server = await startTestServer(t, { jetstream: true, maxPayloadBytes: 100_000 })
const nats = { servers: server.url }
const bus = await connectNatsBus(nats, { clock: systemClock, logger: silentLogger })
t.teardown(() => bus.close())
const manager = await jetstreamManager(bus.connection)
let streams = 0

async function newStream(options: Parameters<typeof manager.streams.add>[0] | object = {}): Promise<string> {
  const name = `T${streams++}`
  await manager.streams.add({ name, subjects: [`${name}.>`], storage: StorageType.Memory, ...options })
  return name
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
const exactly = (
  subject: JetStreamSinkOptions<number>['subject'],
  options: Partial<JetStreamSinkOptions<number>> = {},
) => sinkTo(subject, { delivery: 'exactly-once', ...options })
const sinkTo = (
  subject: JetStreamSinkOptions<number>['subject'],
  options: Partial<JetStreamSinkOptions<number>> = {},
) => jetstreamSink<number>({ subject, nats, ...options })
const read = (stream: string, subject = '>') =>
  readAll(jetstream<number>({ stream, subject, type: type.int32, nats, boundedAt: 'end' }))

async function open(t: Test, sink: ReturnType<typeof sinkTo>, options: SinkDriverOptions = {}) {
  const driver = await SinkDriver.open(sink, options)
  t.teardown(() => driver.close())
  return driver
}

t.test('jetstream sink - what a checkpoint covers has arrived', async (t) => {
  const stream = await newStream()
  const driver = await open(
    t,
    sinkTo((value) => `${stream}.${value % 2}`, { inFlightMax: 64 }),
  )
  await driver.writeAll(range(0, 2000))
  await driver.checkpoint(1)
  t.same(await read(stream), range(0, 2000), 'in order')
  t.same((await read(stream, `${stream}.1`)).length, 1000)
  t.equal(driver.metrics.read().unacknowledged_messages, 0)
})

t.test('jetstream sink - ids, headers and contents', async (t) => {
  const stream = await newStream()
  const options = { jobId: 'j', uid: 'u', subtaskIndex: 2, attempt: 3 }
  const sink = sinkTo(`${stream}.a`, {
    encode: (value) => `<${value}>`,
    headers: (value) => ({ Parity: String(value % 2) }),
  })
  const driver = await open(t, sink, options)
  driver.write(1)
  driver.write(2)
  await driver.checkpoint(7)
  driver.write(3)
  await driver.checkpoint(8)
  const found = await readAll(
    jetstream({
      stream,
      nats,
      boundedAt: 'end',
      decode: (message) => [message.text(), message.header('Nats-Msg-Id'), message.header('Parity')],
    }),
  )
  t.same(found, [
    ['<1>', 'j/u/2/0-3/0', '1'],
    ['<2>', 'j/u/2/0-3/1', '0'],
    ['<3>', 'j/u/2/7-3/0', '1'],
  ])
})

t.test('jetstream sink - the task waits where too much is under way', async (t) => {
  const stream = await newStream()
  const driver = await open(t, sinkTo(`${stream}.a`, { inFlightMax: 10 }))
  await driver.whenReady()
  for (let i = 0; i < 25; i++) driver.write(i)
  const ready = driver.whenReady()
  t.type(ready, Promise)
  t.equal(driver.metrics.read().unacknowledged_messages, 25, 'those beyond the window wait')
  await ready
  t.ok(driver.metrics.read().unacknowledged_messages! < 5)
  await driver.flush()
  t.equal(driver.whenReady(), undefined)
  t.same(await read(stream), range(0, 25))
})

t.test('jetstream sink - subjects nobody takes fail, with the streams there are', async (t) => {
  const stream = await newStream()
  const early = await open(t, sinkTo('nowhere.at.all'))
  early.write(1)
  await t.rejects(early.checkpoint(1), {
    code: 'CONNECTOR_FAILED',
    message:
      /cannot publish to nowhere\.at\.all at .*: no stream takes messages of this subject; there are T0/,
  })
  t.equal(early.errors.length, 1)
  const late = await open(
    t,
    sinkTo(() => 'nowhere.either', { retryFor: 300 }),
  )
  late.write(1)
  await t.rejects(late.checkpoint(1), { message: /nowhere\.either.*no stream takes/ })
  const odd = await open(
    t,
    sinkTo(() => `${stream}.a b`),
  )
  t.throws(() => odd.write(1), { code: 'CONNECTOR_FAILED', message: /found "T\d+\.a b"/ })
})

t.test('jetstream sink - what a server refuses fails with its reason', async (t) => {
  const full = await newStream({ max_msgs: 3, discard: DiscardPolicy.New })
  const driver = await open(t, sinkTo(`${full}.a`, { retryFor: 300 }))
  for (let i = 0; i < 5; i++) driver.write(i)
  await t.rejects(driver.checkpoint(1), {
    code: 'CONNECTOR_FAILED',
    message: /cannot publish to T\d+\.a .*: maximum messages exceeded/,
  })
  const large = await open(t, sinkTo(`${full}.a`, { encode: () => new Uint8Array(200_000) }))
  await large.whenReady()
  t.throws(() => large.write(1), { code: 'RECORD_TOO_LARGE', message: /195\.3 KB .*max_payload, 97\.7 KB/ })
})

t.test('jetstream sink - without a server, or with options that cannot be', async (t) => {
  const gone = await open(t, sinkTo('a', { nats: { servers: '127.0.0.1:1' } }))
  await t.rejects(gone.flush(), { code: 'CANNOT_CONNECT' })
  t.match(gone.errors, [{ code: 'CANNOT_CONNECT' }])
  t.throws(() => sinkTo('a.*'), { code: 'GRAPH_INVALID' })
  t.throws(() => sinkTo('a', { inFlightMax: 0 }), { code: 'CONFIG_INVALID' })
  t.throws(() => sinkTo('a', { retryFor: 'long' }), { code: 'CONFIG_INVALID' })
})

t.test(
  'jetstream sink - connections that break lose nothing, and the server drops what comes twice',
  async (t) => {
    const stream = await newStream()
    const proxy = await startBreakingProxy(t, server.url)
    const driver = await open(t, sinkTo(`${stream}.a`, { nats: { servers: proxy.url } }))
    for (let i = 0; i < 10; i++) {
      await driver.whenReady()
      for (const value of range(i * 500, (i + 1) * 500)) driver.write(value)
      if (i % 3 === 1) proxy.breakAll()
    }
    await driver.checkpoint(1)
    t.same(
      (await read(stream)).sort((a, b) => a - b),
      range(0, 5000),
    )
  },
)

t.test('jetstream - connections that break while reading lose and repeat nothing', async (t) => {
  const stream = await newStream()
  const filler = await open(t, sinkTo(`${stream}.a`))
  await filler.writeAll(range(0, 10_000))
  await filler.flush()
  const proxy = await startBreakingProxy(t, server.url)
  const source = jetstream<number>({ stream, type: type.int32, nats: { servers: proxy.url } })
  const driver = new SourceDriver(source, { recordsMax: 500 })
  await driver.start()
  for (const count of [1, 3000, 6000, 10_000]) {
    await driver.run(() => driver.records.length >= count)
    proxy.breakAll()
  }
  filler.write(10_000)
  await filler.flush()
  await driver.run(() => driver.records.length > 10_000)
  t.same(driver.values, range(0, 10_001))
  await driver.close()
})

t.test('jetstream sink - a server that is restarted in the middle', async (t) => {
  const storeDir = temporaryDirectory(t)
  const first = await startTestServer(t, { jetstream: true, storeDir })
  const own = await connectNatsBus({ servers: first.url }, { clock: systemClock, logger: silentLogger })
  t.teardown(() => own.close())
  await (await jetstreamManager(own.connection)).streams.add({ name: 'AGAIN', subjects: ['again'] })
  const driver = await open(t, sinkTo('again', { nats: { servers: first.url } }))
  await driver.writeAll(range(0, 500))
  await driver.checkpoint(1)
  await first.stop()
  for (const value of range(500, 1500)) driver.write(value)
  await startTestServer(t, { jetstream: true, storeDir, port: Number(new URL(first.url).port) })
  await driver.checkpoint(2)
  const found = await readAll(
    jetstream<number>({ stream: 'AGAIN', type: type.int32, nats: { servers: first.url }, boundedAt: 'end' }),
  )
  t.same(
    found.sort((a, b) => a - b),
    range(0, 1500),
  )
})

t.test('jetstream sink - a message that is never acknowledged fails', async (t) => {
  // Somebody else takes the message and does not answer: so the server does not say that nobody is there.
  bus.subscribe('blackhole', () => {})
  const driver = await open(
    t,
    sinkTo(() => 'blackhole', { retryFor: 300 }),
  )
  driver.write(1)
  await t.rejects(driver.checkpoint(1), {
    message: /cannot publish to blackhole .*: no acknowledgement came within 300ms/,
  })
})

t.test(
  'jetstream sink - whole jobs: from a generator to a stream and back, restarted on the way',
  async (t) => {
    const stream = await newStream()
    let failures = 0
    const writing = job('write', (env) => {
      env
        .source(generator({ count: 20_000, generate: (i) => i, type: type.int32 }))
        .map(
          (i) => {
            if (i === 15_000 && failures++ < 1) throw new Error('on purpose')
            return i
          },
          { type: type.int32 },
        )
        .sinkTo(sinkTo((value) => `${stream}.${value % 3}`))
    })
    await runLocal(writing, {
      parallelism: 2,
      threads: 'never',
      restart: { kind: 'fixed-delay', attempts: 1, delayMs: 1 },
    })
    const rows = collectSink<number>()
    const reading = job('read', (env) => {
      env.source(jetstream<number>({ stream, type: type.int32, nats, boundedAt: 'end' })).sinkTo(rows)
    })
    await runLocal(reading)
    t.same(
      [...new Set(rows.items)].sort((a, b) => a - b),
      range(0, 20_000),
      'at least once',
    )
  },
)

t.test('jetstream sink - exactly once: nothing is there before its checkpoint is complete', async (t) => {
  const stream = await newStream()
  const driver = await open(
    t,
    exactly((value) => `${stream}.${value % 2}`),
  )
  await driver.writeAll(range(0, 500))
  await driver.checkpoint(1)
  await driver.writeAll(range(500, 600))
  t.same(await read(stream), [])
  await driver.complete(1)
  t.same(await read(stream), range(0, 500), 'in order')
  await driver.checkpoint(2)
  await driver.complete(2)
  t.same(await read(stream), range(0, 600))
})

t.test(
  'jetstream sink - exactly once: committed again, it is published once, dedup window or not',
  async (t) => {
    const stream = await newStream({ duplicate_window: 100_000_000 })
    const jobId = stream
    const first = await open(t, exactly(`${stream}.a`, { headers: { Kind: 'test' } }), { jobId })
    await first.writeAll(range(0, 300))
    const restored = await first.checkpoint(1)
    await first.complete(1)
    await new Promise((resolve) => systemClock.schedule(200, () => resolve(null)))
    const second = await open(t, exactly(`${stream}.a`), { jobId, attempt: 1, restored })
    t.same(await read(stream), range(0, 300), 'what was done is not done again')
    second.write(300)
    await second.checkpoint(2)
    await second.complete(2)
    t.same(await read(stream), range(0, 301))
    const headers = await readAll(
      jetstream({ stream, nats, boundedAt: 'end', decode: (message) => message.header('Kind') }),
    )
    t.equal(headers.filter((kind) => kind === 'test').length, 300, 'headers are kept in checkpoints')
  },
)

/** Begins a transaction as a committer does, and dies after some of its messages. */
async function publishCutOff(
  transaction: string,
  values: readonly number[],
  subjectOf: (value: number) => string,
): Promise<void> {
  const link = await openJetStream(nats, { clock: systemClock, log: silentLogger, connections: {} })
  t.same(await new CommitLog(link).begin(transaction), { kind: 'new' })
  const client = jetstreamClient(bus.connection)
  for (const [index, value] of values.entries())
    await client.publish(subjectOf(value), `${value}`, { msgID: messageId(transaction, index) })
  await link.bus.close()
}

t.test('jetstream sink - exactly once: a commit that was cut off is completed', async (t) => {
  const stream = await newStream({ duplicate_window: 100_000_000 })
  const jobId = stream
  const first = await open(
    t,
    exactly((value) => `${stream}.${value % 3}`),
    { jobId },
  )
  await first.writeAll(range(0, 100))
  const restored = await first.checkpoint(1)
  // What its committer does, up to where it dies.
  await publishCutOff(`${jobId}/sink/0/0-0/0`, range(0, 40), (value) => `${stream}.${value % 3}`)
  await new Promise((resolve) => systemClock.schedule(200, () => resolve(null)))
  await open(
    t,
    exactly((value) => `${stream}.${value % 3}`),
    { jobId, attempt: 1, restored },
  )
  t.same(
    (await read(stream)).sort((a, b) => a - b),
    range(0, 100),
  )
})

t.test(
  'jetstream sink - exactly once, whole jobs: every checkpoint publishes, and a failure repeats nothing',
  async (t) => {
    const stream = await newStream()
    let isThere = false
    let hasFailed = false
    const poll = setInterval(async () => {
      isThere = (await manager.streams.info(stream)).state.messages > 0
    }, 20)
    const writing = job('write', (env) => {
      env
        .source(generator({ count: 3000, ratePerSecond: 3000, generate: (i) => i, type: type.int32 }))
        .map(
          (i) => {
            if (!isThere || hasFailed) return i
            hasFailed = true
            throw new Error('on purpose')
          },
          { type: type.int32 },
        )
        .sinkTo(exactly((value) => `${stream}.${value % 3}`))
    })
    const { restarts, checkpoints } = await runLocal(writing, {
      threads: 'never',
      restart: { kind: 'fixed-delay', attempts: 1, delayMs: 1 },
      checkpoint: {
        ...checkpointSettings(defaultConfig(), `file://${temporaryDirectory(t)}`),
        intervalMs: 50,
      },
    })
    clearInterval(poll)
    t.equal(restarts, 1)
    t.ok(checkpoints!.counts.completed >= 3, `${checkpoints!.counts.completed} checkpoints`)
    t.same(
      (await read(stream)).sort((a, b) => a - b),
      range(0, 3000),
    )
  },
)

t.test('jetstream sink - exactly once: what waits is bounded', async (t) => {
  const stream = await newStream()
  const driver = await open(t, exactly(`${stream}.a`, { uncommittedBytesMax: 10, encode: () => '12345' }))
  driver.write(1)
  driver.write(2)
  t.equal(driver.metrics.read().uncommitted_bytes, 10)
  t.throws(() => driver.write(3), {
    code: 'CONNECTOR_FAILED',
    message: /more than 10 B wait .* uncommittedBytesMax/,
  })
  await driver.checkpoint(1)
  driver.write(3)
})

t.test('jetstream sink - exactly once: a message no server takes fails before its checkpoint', async (t) => {
  const stream = await newStream()
  const driver = await open(t, exactly(`${stream}.a`, { encode: () => new Uint8Array(200_000) }))
  driver.write(1)
  await t.rejects(driver.checkpoint(1), { code: 'RECORD_TOO_LARGE' })
})

t.test('jetstream sink - exactly once, without checkpoints: published at once', async (t) => {
  const stream = await newStream()
  const driver = await open(t, exactly(`${stream}.a`), { hasCheckpoints: false })
  await driver.writeAll(range(0, 10))
  await driver.flush()
  t.same(await read(stream), range(0, 10))
})
