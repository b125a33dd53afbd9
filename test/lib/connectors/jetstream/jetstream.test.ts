/** Reading streams of a real server: positions, bounds, restores, and what happens when the server goes away. */
import {
  AckPolicy,
  jetstream as jetstreamClient,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import t, { type Test } from 'tap'
import { runLocal } from '../../../../actors/run-local.ts'
import { job } from '../../../../lib/api/job.ts'
import { systemClock } from '../../../../lib/base/clock.ts'
import { silentLogger } from '../../../../lib/base/logger.ts'
import { connectNatsBus } from '../../../../lib/bus/nats-bus.ts'
import type { NatsServerProcess } from '../../../../lib/bus/start-nats-server.ts'
import { collectSink } from '../../../../lib/connectors/collect.ts'
import { type JetStreamSourceOptions, jetstream } from '../../../../lib/connectors/jetstream/jetstream.ts'
import { jetstreamSink } from '../../../../lib/connectors/jetstream/jetstream-sink.ts'
import {
  filtersOverlap,
  isLiteralSubject,
  isSubjectFilter,
} from '../../../../lib/connectors/jetstream/subject-filter.ts'
import { t as type } from '../../../../lib/types/t.ts'
import { startTestServer, temporaryDirectory } from '../../../support/nats-server.ts'
import { SinkDriver } from '../sink-driver.ts'
import { readAll, SourceDriver } from '../source-driver.ts'

/** One server for all tests that do not stop it. */
const server = await startTestServer(t, { jetstream: true })
const nats = { servers: server.url }
const connection = await connect(t, server)
const manager = await jetstreamManager(connection)
const client = jetstreamClient(connection)
let streams = 0

async function connect(t: Test, to: NatsServerProcess): Promise<NatsConnection> {
  const bus = await connectNatsBus({ servers: to.url }, { clock: systemClock, logger: silentLogger })
  t.teardown(() => bus.close())
  return bus.connection
}

/** A new stream with so many numbers in it. */
async function numbers(count: number, subjectOf: (i: number) => string = () => 'n'): Promise<string> {
  const stream = `S${streams++}`
  await manager.streams.add({ name: stream, subjects: [`${stream}.>`], storage: StorageType.Memory })
  await publish(stream, 0, count, subjectOf)
  return stream
}

async function publish(
  stream: string,
  from: number,
  to: number,
  subjectOf: (i: number) => string = () => 'n',
) {
  const sink = jetstreamSink<number>({ subject: (i) => `${stream}.${subjectOf(i)}`, nats })
  const driver = await SinkDriver.open(sink, { jobId: `fill-${from}` })
  await driver.writeAll(range(from, to))
  await driver.flush()
  await driver.close()
}

const source = (stream: string, options: Partial<JetStreamSourceOptions<number>> = {}) =>
  jetstream<number>({ stream, type: type.int32, boundedAt: 'end', nats, ...options })
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

t.test('jetstream - a bounded read gives every message once, with the time of the server', async (t) => {
  const stream = await numbers(5000)
  const before = systemClock.now() - 60_000
  const driver = new SourceDriver(source(stream))
  await driver.start()
  await driver.run()
  t.same(driver.values, range(0, 5000))
  t.ok(
    driver.records.every(
      ({ timestamp }) =>
        Number.isInteger(timestamp) && timestamp! > before && timestamp! <= systemClock.now(),
    ),
  )
  t.same(driver.released, [`${stream}/>`])
  await driver.close()
  await t.resolveMatch(manager.streams.info(stream), { state: { consumer_count: 0 } }, 'its consumer is gone')
})

t.test('jetstream - where to begin and where to end', async (t) => {
  const stream = await numbers(10)
  t.same(await readAll(source(stream, { from: 'first' })), range(0, 10))
  t.same(await readAll(source(stream, { from: { sequence: 4 } })), range(3, 10))
  t.same(await readAll(source(stream, { boundedAt: { sequence: 4 } })), range(0, 4))
  t.same(await readAll(source(stream, { from: { sequence: 3 }, boundedAt: { sequence: 3 } })), [2])
  t.same(await readAll(source(stream, { from: 'new' })), [])
  t.same(await readAll(source(stream, { from: { sequence: 99 } })), [])
  t.same(await readAll(source(await numbers(0))), [])
  const info = await manager.streams.getMessage(stream, { seq: 6 })
  const time = info!.time.getTime()
  const found = await readAll(source(stream, { from: { time } }))
  t.equal(found.at(-1), 9)
  t.ok(found[0]! <= 5, 'the message stored at that time, and those of the same millisecond')
  t.same(await readAll(source(stream, { from: { time: time + 3_600_000 } })), [], 'nothing is that new')
  t.same(await readAll(source(stream, { from: { time: 0 } })), range(0, 10))
})

t.test('jetstream - new messages only, as they come', async (t) => {
  const stream = await numbers(5)
  const { boundedAt: _, ...unbounded } = {
    boundedAt: undefined,
    stream,
    type: type.int32,
    nats,
    from: 'new' as const,
  }
  const endless = jetstream<number>(unbounded)
  t.notOk(endless.isBounded)
  const driver = new SourceDriver(endless)
  await driver.start()
  await publish(stream, 5, 8)
  await driver.run(() => driver.records.length === 3)
  t.same(driver.values, [5, 6, 7])
  await driver.close()
})

t.test('jetstream - subjects are splits, read by several subtasks', async (t) => {
  const stream = await numbers(3000, (i) => `part.${i % 3}`)
  const subjects = [0, 1, 2].map((i) => `${stream}.part.${i}`)
  const driver = new SourceDriver(source(stream, { subjects }), { parallelism: 2 })
  await driver.start()
  await driver.run()
  await driver.close()
  t.same(
    [...driver.values].sort((a, b) => a - b),
    range(0, 3000),
  )
  t.same(new Set(driver.records.map(({ splitId, subtaskIndex }) => `${splitId} ${subtaskIndex}`)).size, 3)
  for (const subject of subjects) {
    const own = driver.records
      .filter(({ splitId }) => splitId === `${stream}/${subject}`)
      .map(({ value }) => value)
    t.same(
      own,
      [...own].sort((a, b) => a - b),
      'each in its order',
    )
    t.equal(own.length, 1000)
  }
  t.same((await readAll(source(stream, { subject: `${stream}.part.1` }))).slice(0, 3), [1, 4, 7])
  t.same(await readAll(source(stream, { subject: `${stream}.nobody` })), [])
})

t.test('jetstream - restored from a snapshot, it goes on with the next message', async (t) => {
  const stream = await numbers(4000, (i) => `part.${i % 2}`)
  const subjects = [`${stream}.part.0`, `${stream}.part.1`]
  const of = (list: readonly string[]) => source(stream, { subjects: list })
  const first = new SourceDriver(of(subjects), { recordsMax: 7 })
  await first.start()
  await first.run(() => first.records.length >= 1000)
  const restored = first.snapshot()
  await first.close()
  const second = await readAll(of(subjects), { restored, parallelism: 2 })
  t.same(
    [...first.values, ...second].sort((a, b) => a - b),
    range(0, 4000),
  )

  await publish(stream, 4000, 4002, (i) => `other.${i % 2}`)
  const changed = await readAll(of([subjects[1]!, `${stream}.other.*`]), { restored })
  const rest = range(0, 4000).filter((i) => i % 2 === 1 && !first.values.includes(i))
  t.same(
    [...changed].sort((a, b) => a - b),
    [...rest, 4000, 4001],
    'a subject has gone, another has come',
  )
})

t.test('jetstream - a snapshot that was never read from is where it began', async (t) => {
  const stream = await numbers(3)
  const first = new SourceDriver(source(stream, { from: 'new', boundedAt: { sequence: 5 } }))
  await first.start()
  const restored = first.snapshot()
  await first.close()
  await publish(stream, 3, 6)
  t.same(await readAll(source(stream, { from: 'new', boundedAt: { sequence: 5 } }), { restored }), [3, 4])
})

t.test('jetstream - messages decoded by the job, with headers and subject', async (t) => {
  const stream = await numbers(0)
  const h = headers()
  h.set('Kind', 'x')
  await client.publish(`${stream}.a`, 'one', { headers: h })
  await client.publish(`${stream}.b`, 'two')
  const found = await readAll(
    jetstream({
      stream,
      nats,
      boundedAt: 'end',
      decode: (message) => [
        message.subject,
        message.text(),
        message.header('Kind'),
        message.sequence,
        message.data.length,
      ],
    }),
  )
  t.same(found, [
    [`${stream}.a`, 'one', 'x', 1, 3],
    [`${stream}.b`, 'two', undefined, 2, 3],
  ])
})

t.test(
  'jetstream - malformed messages fail with sequence and subject, or are skipped and counted',
  async (t) => {
    const stream = await numbers(2)
    await client.publish(`${stream}.odd`, '"three"')
    await client.publish(`${stream}.odd`, '{')
    await publish(stream, 2, 4)
    await t.rejects(readAll(source(stream)), {
      code: 'DECODE_FAILED',
      message: `message 3 on ${stream}.odd: value: expected int32, found string 'three'`,
    })
    const driver = new SourceDriver(source(stream, { onError: 'skip' }))
    await driver.start()
    await driver.run()
    await driver.close()
    t.same(driver.values, [0, 1, 2, 3])
    t.equal(driver.metrics.read().malformed_records_total, 2)
  },
)

t.test('jetstream - no more is held than allowed', async (t) => {
  const stream = await numbers(3000)
  const driver = new SourceDriver(source(stream, { bufferMessagesMax: 300 }), { recordsMax: 50 })
  await driver.start()
  let heldMax = 0
  await driver.run(() => {
    heldMax = Math.max(heldMax, driver.metrics.read().buffered_messages!)
    return false
  })
  await driver.close()
  t.same(driver.values, range(0, 3000))
  t.ok(heldMax <= 300 && heldMax > 0, `${heldMax}`)
})

t.test('jetstream - messages larger than the buffer come one by one', async (t) => {
  const stream = await numbers(0)
  const text = 'x'.repeat(600_000)
  for (let i = 0; i < 20; i++) await client.publish(`${stream}.n`, JSON.stringify(text))
  const big = jetstream<string>({ stream, type: type.string, nats, boundedAt: 'end', bufferBytesMax: 1000 })
  const found = await readAll(big)
  t.equal(found.length, 20)
  t.ok(found.every((each) => each === text))
})

t.test('jetstream - messages deleted before they are read do not keep the end from coming', async (t) => {
  const stream = await numbers(100)
  for (const seq of [1, 50, 99, 100]) await manager.streams.deleteMessage(stream, seq)
  const left = range(1, 98).filter((i) => i !== 49)
  t.same(await readAll(source(stream, { boundedAt: { sequence: 100 } })), left)
  t.same(
    await readAll(source(stream, { boundedAt: { sequence: 50 } })),
    range(1, 49),
    'not the one after the end',
  )
})

t.test('jetstream - errors say what there is instead', async (t) => {
  const stream = await numbers(1)
  const rejects = (of: Partial<JetStreamSourceOptions<number>>, code: string, message: RegExp) =>
    t.rejects(readAll(source(stream, of)), { code, message })
  await rejects(
    { stream: `${stream}X` },
    'CONNECTOR_FAILED',
    new RegExp(`there is no stream ${stream}X at .*; there are S0, .*Did you mean "${stream}"`),
  )
  await t.rejects(readAll(jetstream({ stream, boundedAt: 'end' })), {
    code: 'CONFIG_INVALID',
    message: /which NATS server/,
  })
  t.same(
    await readAll(jetstream({ stream, boundedAt: 'end' }), { connections: { nats } }),
    [0],
    'the server of the process',
  )
  await rejects({ nats: { servers: '127.0.0.1:1' } }, 'CANNOT_CONNECT', /127\.0\.0\.1:1/)
  const work = `W${streams++}`
  await manager.streams.add({
    name: work,
    subjects: [`${work}.>`],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.Memory,
  })
  await client.publish(`${work}.a`, '1')
  await rejects(
    { stream: work },
    'UNSUPPORTED',
    /removes messages as they are consumed \(retention "workqueue"\)/,
  )
  const plain = await startTestServer(t, { jetstream: false })
  await rejects({ nats: { servers: plain.url } }, 'NATS_SERVER_UNSUITABLE', /offers no JetStream/)
})

t.test('jetstream - options that make no sense are refused', async (t) => {
  const invalid = (options: Partial<JetStreamSourceOptions<number>>, message: RegExp) =>
    t.throws(() => source('S', options), { code: 'GRAPH_INVALID', message })
  invalid({ stream: 'a.b' }, /name of a stream/)
  invalid({ subject: 'a', subjects: ['b'] }, /not both/)
  invalid({ subjects: [] }, /at least one/)
  invalid({ subject: 'a..b' }, /a subject such as/)
  invalid({ subjects: ['a.>', 'a.b'] }, /share messages/)
  invalid({ from: { sequence: 0 } }, /sequence of at least 1/)
  invalid({ boundedAt: { sequence: 1.5 } }, /sequence of at least 1/)
  invalid({ from: { time: Number.NaN } }, /integer ms/)
})

t.test('subject filters - overlap and validity', async (t) => {
  const pairs: [string, string, boolean][] = [
    ['a', 'a', true],
    ['a', 'b', false],
    ['a.*', 'a.b', true],
    ['a.*', '*.b', true],
    ['a.*', 'a.b.c', false],
    ['a.>', 'a', false],
    ['a.>', 'a.b.c', true],
    ['>', 'x', true],
    ['a.*.c', 'a.>', true],
    ['a.*.c', 'a.b.d', false],
  ]
  for (const [a, b, expected] of pairs) {
    t.equal(filtersOverlap(a, b), expected, `${a} ${b}`)
    t.equal(filtersOverlap(b, a), expected, `${b} ${a}`)
  }
  for (const filter of ['a', 'a.*.b', 'a.>', '>', '*', '*.a']) t.ok(isSubjectFilter(filter), filter)
  for (const filter of ['', '.', 'a.', 'a b', 'a.>.b', 'a*']) t.notOk(isSubjectFilter(filter), filter)
  for (const subject of ['a', 'a.b-c_d']) t.ok(isLiteralSubject(subject), subject)
  for (const subject of ['', 'a.', 'a.*', '>', 'a b', 'a..b']) t.notOk(isLiteralSubject(subject), subject)
})

t.test('jetstream - a consumer that disappears is made anew', async (t) => {
  const stream = await numbers(100)
  const driver = new SourceDriver(jetstream<number>({ stream, type: type.int32, nats }))
  await driver.start()
  await driver.run(() => driver.records.length === 100)
  for await (const { name } of manager.consumers.list(stream)) await manager.consumers.delete(stream, name)
  await publish(stream, 100, 200)
  await driver.run(() => driver.records.length === 200)
  t.same(driver.values, range(0, 200))
  await driver.close()
})

t.test('jetstream - a stream that disappears fails the job; so does one that begins again', async (t) => {
  const stream = await numbers(10)
  const driver = new SourceDriver(jetstream<number>({ stream, type: type.int32, nats }))
  await driver.start()
  await driver.run(() => driver.records.length === 10)
  const restored = driver.snapshot()
  await manager.streams.delete(stream)
  await t.rejects(driver.run(), {
    code: 'CONNECTOR_FAILED',
    message: new RegExp(`cannot read stream ${stream} .* it has gone`),
  })
  await driver.close()
  await manager.streams.add({ name: stream, subjects: [`${stream}.>`], storage: StorageType.Memory })
  await publish(stream, 0, 3)
  await t.rejects(readAll(source(stream), { restored }), {
    message: `stream ${stream} ends at sequence 3, but 11 is to be read next: was the stream deleted and made again?`,
  })
})

t.test('jetstream - a server that is restarted in the middle loses and repeats nothing', async (t) => {
  const storeDir = temporaryDirectory(t)
  const first = await startTestServer(t, { jetstream: true, storeDir })
  const port = Number(new URL(first.url).port)
  const stream = 'RESTART'
  const fill = async (to: NatsServerProcess, from: number, count: number, isNew: boolean) => {
    const own = await connect(t, to)
    const ownManager = await jetstreamManager(own)
    if (isNew) await ownManager.streams.add({ name: stream, subjects: ['r'], storage: StorageType.File })
    await Promise.all(
      range(from, from + count).map((i) => jetstreamClient(own).publish('r', JSON.stringify(i))),
    )
  }
  await fill(first, 0, 2000, true)
  const reading = jetstream<number>({
    stream,
    type: type.int32,
    nats: { servers: first.url },
    bufferMessagesMax: 500,
  })
  const driver = new SourceDriver(reading, { recordsMax: 100 })
  await driver.start()
  await driver.run(() => driver.records.length >= 300)
  await first.stop()
  const second = await startTestServer(t, { jetstream: true, storeDir, port })
  await fill(second, 2000, 1000, false)
  await driver.run(() => driver.records.length >= 3000)
  t.same(driver.values, range(0, 3000))
  const { splits } = driver.snapshot()
  t.equal(splits.length, 1)
  await driver.close()
})

t.test('jetstream - 100,000 messages through a job', async (t) => {
  const stream = await numbers(100_000, (i) => String(i % 2))
  const rows = collectSink<number>({ type: type.int32 })
  const reading = job('read', (env) => {
    const subjects = [`${stream}.0`, `${stream}.1`]
    env.source(source(stream, { subjects }), { parallelism: 2 }).sinkTo(rows)
  })
  await runLocal(reading, { threads: 'never' })
  t.equal(rows.items.length, 100_000)
  t.same(
    [...rows.items].sort((a, b) => a - b),
    range(0, 100_000),
  )
})

t.test('jetstream - consumers that others have are no concern of ours', async (t) => {
  const stream = await numbers(10)
  await manager.consumers.add(stream, { durable_name: 'other', ack_policy: AckPolicy.Explicit })
  t.same(await readAll(source(stream)), range(0, 10))
  const info = await manager.consumers.info(stream, 'other')
  t.equal(info.num_pending, 10)
})
