/** Buckets of a real server, read as their clients read them. */
import { jetstreamManager, StorageType } from '@nats-io/jetstream'
import t from 'tap'
import { systemClock } from '../../../../lib/base/clock.ts'
import { silentLogger } from '../../../../lib/base/logger.ts'
import { connectNatsBus } from '../../../../lib/bus/nats-bus.ts'
import { keyValueSink } from '../../../../lib/connectors/jetstream/key-value-sink.ts'
import { startTestServer } from '../../../support/nats-server.ts'
import { SinkDriver } from '../sink-driver.ts'

const server = await startTestServer(t, { jetstream: true })
const nats = { servers: server.url }
const bus = await connectNatsBus(nats, { clock: systemClock, logger: silentLogger })
t.teardown(() => bus.close())
const manager = await jetstreamManager(bus.connection)

interface Total {
  readonly id: string
  readonly sum: number
}

async function newBucket(name: string): Promise<void> {
  const subjects = [`$KV.${name}.>`]
  await manager.streams.add({
    name: `KV_${name}`,
    subjects,
    storage: StorageType.Memory,
    max_msgs_per_subject: 1,
  })
}

async function latest(bucket: string, key: string): Promise<{ text: string; operation: string }> {
  const message = await manager.streams.getMessage(`KV_${bucket}`, { last_by_subj: `$KV.${bucket}.${key}` })
  return { text: message!.string(), operation: message!.header.get('KV-Operation') }
}

for (const delivery of ['at-least-once', 'exactly-once'] as const) {
  t.test(`key-value sink - the bucket has the last value of each key, ${delivery}`, async (t) => {
    const bucket = delivery.replaceAll('-', '_')
    await newBucket(bucket)
    const sink = keyValueSink<Total>({
      bucket,
      key: ({ id }) => id,
      isDeletion: ({ sum }) => sum < 0,
      delivery,
      nats,
    })
    const driver = await SinkDriver.open(sink)
    t.teardown(() => driver.close())
    for (const [id, sum] of [
      ['a.1', 1],
      ['b', 2],
      ['a.1', 3],
      ['c', 4],
      ['c', -1],
    ] as const)
      driver.write({ id, sum })
    await driver.checkpoint(1)
    await driver.complete(1)
    t.same(await latest(bucket, 'a.1'), { text: '{"id":"a.1","sum":3}', operation: '' })
    t.same(await latest(bucket, 'b'), { text: '{"id":"b","sum":2}', operation: '' })
    t.same(await latest(bucket, 'c'), { text: '', operation: 'DEL' })
    const { state } = await manager.streams.info(`KV_${bucket}`)
    t.equal(state.messages, 3)
  })
}

t.test('key-value sink - names that cannot be are refused', async (t) => {
  for (const bucket of ['', 'a.b', 'a b'])
    t.throws(() => keyValueSink({ bucket, key: String }), { code: 'GRAPH_INVALID' }, bucket)
  const driver = await SinkDriver.open(keyValueSink<string>({ bucket: 'x', key: (key) => key, nats }))
  t.teardown(() => driver.close())
  for (const key of ['', '.a', 'a.', 'a..b', 'a b', 'a*', '>'])
    t.throws(() => driver.write(key), { code: 'USER_FUNCTION_FAILED' }, key)
})
