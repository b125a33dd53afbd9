import { jetstreamManager } from '@nats-io/jetstream'
import t, { type Test } from 'tap'
import { systemClock } from '../../../lib/base/clock.ts'
import { silentLogger } from '../../../lib/base/logger.ts'
import { connectNatsBus } from '../../../lib/bus/nats-bus.ts'
import { JetStreamKeyValue } from '../../../lib/ha/jetstream-key-value.ts'
import { keyValueContract } from '../../contracts/key-value-contract.ts'
import { startTestServer, temporaryDirectory } from '../../support/nats-server.ts'

const server = await startTestServer(t, { jetstream: true })
let buckets = 0

const connect = async (t: Test, url = server.url) => {
  const bus = await connectNatsBus({ servers: url }, { clock: systemClock, logger: silentLogger })
  t.teardown(() => bus.close())
  return bus
}

keyValueContract(t, 'jetstream key-value', async (t) => {
  const bucket = `contract-${buckets++}`
  return { open: async () => new JetStreamKeyValue({ bus: await connect(t), bucket }) }
})

t.test('jetstream key-value - a key that was written often and deleted leaves nothing', async (t) => {
  const bus = await connect(t)
  const bucket = `clean-${buckets++}`
  const store = new JetStreamKeyValue({ bus, bucket })
  let revision = await store.create('k', new Uint8Array([0]))
  for (let i = 1; i < 20; i++) revision = await store.update('k', new Uint8Array([i]), revision!)
  const jsm = await jetstreamManager(bus.connection)
  const count = async () => (await jsm.streams.info(`KV_${bucket}`)).state.messages
  t.equal(await count(), 1)
  await store.delete('k', revision!)
  t.equal(await count(), 0)
})

t.test('jetstream key-value - survives its server, and fails in time while it is away', async (t) => {
  const storeDir = temporaryDirectory(t)
  const first = await startTestServer(t, { jetstream: true, storeDir })
  const bus = await connect(t, first.url)
  const store = new JetStreamKeyValue({ bus, bucket: 'b', timeoutMs: 300 })
  const revision = await store.create('k', new Uint8Array([1]))
  await first.stop()
  await t.rejects(store.get('k'), { code: 'STORAGE_FAILED', message: /^cannot read k in the bucket "b": / })
  await t.rejects(store.update('k', new Uint8Array([2]), revision!), { code: 'STORAGE_FAILED' })
  await startTestServer(t, { jetstream: true, storeDir, port: Number(new URL(first.url).port) })
  const retry = async <T>(work: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await work()
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }
  t.match(await retry(() => store.get('k')), { key: 'k', revision: Number })
})

t.test('jetstream key-value - copies need a server that does not lose them', async (t) => {
  const bus = await connect(t)
  const store = new JetStreamKeyValue({ bus, bucket: 'replicated', replicas: 3 })
  const code = bus.serverVersion.startsWith('2.9.') ? 'NATS_SERVER_UNSUITABLE' : 'STORAGE_FAILED'
  await t.rejects(store.get('k'), { code })
})
