import { jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import t, { type Test } from 'tap'
import { systemClock } from '../../../lib/base/clock.ts'
import { silentLogger } from '../../../lib/base/logger.ts'
import { connectNatsBus, type NatsBus } from '../../../lib/bus/nats-bus.ts'
import { JetStreamKeyValueStore } from '../../../lib/ha/jetstream-key-value-store.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { keyValueContract } from '../../contracts/key-value-contract.ts'
import { startTestServer, temporaryDirectory } from '../../support/nats-server.ts'

const environment = { clock: systemClock, logger: silentLogger }
const server = await startTestServer(t, { jetstream: true })
const bytes = (text: string) => new TextEncoder().encode(text)
let buckets = 0

async function connect(t: Test, url = server.url): Promise<NatsBus> {
  const bus = await connectNatsBus({ servers: url }, environment)
  t.teardown(() => bus.close())
  return bus
}

keyValueContract(t, 'jetstream key-value store', async (t) => {
  const bucket = `contract-${buckets++}`
  return { open: async () => new JetStreamKeyValueStore({ ...environment, bucket, bus: await connect(t) }) }
})

t.test('jetstream key-value store - is a NATS bucket to others, and they to it', async (t) => {
  const bus = await connect(t)
  const store = new JetStreamKeyValueStore({ ...environment, bucket: 'shared', bus })
  await store.create('a.b', bytes('ours'))
  const theirs = await new Kvm(bus.connection).open('shared')
  t.equal((await theirs.get('a.b'))?.string(), 'ours')
  await theirs.put('a.c', 'theirs')
  t.same((await store.get('a.c'))?.value, bytes('theirs'))
  await theirs.purge('a.c')
  t.equal(await store.get('a.c'), undefined)
})

t.test('jetstream key-value store - opening removes marks of deletion that are a day old', async (t) => {
  const bus = await connect(t)
  const clock = new ManualClock(Date.now())
  const bucket = 'marks'
  const countAfterOpening = async () => {
    const store = new JetStreamKeyValueStore({ ...environment, clock, bucket, bus })
    const keys = await store.keys('')
    const { state } = await (await jetstreamManager(bus.connection)).streams.info(`KV_${bucket}`)
    return { keys, messages: state.messages }
  }
  const store = new JetStreamKeyValueStore({ ...environment, clock, bucket, bus })
  for (const key of ['a', 'b', 'c']) await store.create(key, bytes(key))
  await store.delete('a')
  await store.delete('b')
  t.same(await countAfterOpening(), { keys: ['c'], messages: 3 })
  clock.setWallClock(Date.now() + 25 * 3_600_000)
  t.same(await countAfterOpening(), { keys: ['c'], messages: 1 })
  t.ok((await store.create('a', bytes('again')))! > 5)
})

t.test(
  'jetstream key-value store - K3: fails while the server is away; watches and values survive',
  async (t) => {
    const storeDir = temporaryDirectory(t)
    const first = await startTestServer(t, { jetstream: true, storeDir })
    const port = Number(new URL(first.url).port)
    const bus = await connect(t, first.url)
    const store = new JetStreamKeyValueStore({ ...environment, bucket: 'b', bus, timeoutMs: 200 })
    const revision = await store.create('k', bytes('1'))
    let tell = (_line: string) => {}
    const told = () =>
      new Promise<string>((resolve) => {
        tell = resolve
      })
    const initial = told()
    store.watch('', (key, entry) => tell(`${key}=${entry?.value}`))
    t.equal(await initial, 'k=49')
    process.kill(first.pid, 'SIGKILL')
    await first.exited
    await t.rejects(store.update('k', bytes('2'), revision!), {
      code: 'STORAGE_FAILED',
      message: /update "k" in the bucket "b"/,
    })
    const repeated = told()
    await startTestServer(t, { jetstream: true, storeDir, port })
    t.equal(await repeated, 'k=49', 'the watch starts anew with the current values')
    const changed = told()
    const found = await store.get('k')
    t.equal(found?.revision, revision, 'the failed write did not take effect')
    await store.update('k', bytes('3'), revision!)
    t.equal(await changed, 'k=51')
  },
)

t.test('jetstream key-value store - a server without JetStream is named, with what to do', async (t) => {
  const plain = await startTestServer(t, { jetstream: false })
  const store = new JetStreamKeyValueStore({ ...environment, bucket: 'b', bus: await connect(t, plain.url) })
  await t.rejects(store.get('k'), {
    code: 'STORAGE_UNUSABLE',
    message: /without JetStream; start it with -js/,
  })
  const bus = await connect(t)
  t.throws(() => new JetStreamKeyValueStore({ ...environment, bucket: 'a.b', bus }), {
    code: 'CONFIG_INVALID',
  })
})
