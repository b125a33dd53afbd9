import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { Objm } from '@nats-io/obj'
import t, { type Test } from 'tap'
import { systemClock } from '../../../lib/base/clock.ts'
import { silentLogger } from '../../../lib/base/logger.ts'
import { SeededRandom } from '../../../lib/base/prng.ts'
import { connectNatsBus, type NatsBus } from '../../../lib/bus/nats-bus.ts'
import { isNatsVersionAtLeast } from '../../../lib/bus/nats-version.ts'
import { JetStreamBlobStore } from '../../../lib/storage/jetstream-blob-store.ts'
import { JetStreamObjects, REPLICATED_VERSION_MIN } from '../../../lib/storage/jetstream-objects.ts'
import { RetryingBlobStore } from '../../../lib/storage/retrying-blob-store.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { blobStoreContract, bytes, pattern, text } from '../../contracts/blob-store-contract.ts'
import { startTestServer, temporaryDirectory } from '../../support/nats-server.ts'

const server = await startTestServer(t, { jetstream: true })
const never = new AbortController().signal
let buckets = 0

async function connect(t: Test, url = server.url): Promise<NatsBus> {
  const bus = await connectNatsBus({ servers: url }, { clock: systemClock, logger: silentLogger })
  t.teardown(() => bus.close())
  return bus
}

blobStoreContract(t, 'jetstream blob store', async (t) => {
  const uri = `jetstream:contract-${buckets++}`
  return { open: async () => new JetStreamBlobStore(uri, { bus: await connect(t), clock: systemClock }) }
})

blobStoreContract(
  t,
  'jetstream blob store under a prefix',
  async (t) => {
    const uri = `jetstream:prefixed/cluster-${buckets++}/blobs`
    const bus = await connect(t)
    return { open: async () => new JetStreamBlobStore(uri, { bus, clock: systemClock }) }
  },
  { largeBytes: 700_000 },
)

async function openBucket(t: Test): Promise<{ bus: NatsBus; bucket: string; store: JetStreamBlobStore }> {
  const bus = await connect(t)
  const bucket = `bucket-${buckets++}`
  return { bus, bucket, store: new JetStreamBlobStore(`jetstream:${bucket}`, { bus, clock: systemClock }) }
}

/** Ids of the objects that have chunks in the bucket. */
async function chunkIds(bus: NatsBus, bucket: string): Promise<string[]> {
  const jsm = await jetstreamManager(bus.connection)
  const { state } = await jsm.streams.info(`OBJ_${bucket}`, { subjects_filter: `$O.${bucket}.C.>` })
  return Object.keys(state.subjects ?? {})
}

async function messageCount(bus: NatsBus, bucket: string): Promise<number> {
  const jsm = await jetstreamManager(bus.connection)
  return (await jsm.streams.info(`OBJ_${bucket}`)).state.messages
}

t.test('jetstream blob store - is a NATS object store to others, and they to it', async (t) => {
  const { bus, bucket, store } = await openBucket(t)
  const content = pattern(1_200_000)
  await store.put('a/b', content)
  const theirs = await new Objm(jetstream(bus.connection)).open(bucket)
  const found = await theirs.getBlob('a/b')
  t.equal(Buffer.compare(found ?? bytes(''), content), 0)
  t.match(await theirs.info('a/b'), { name: 'a/b', size: content.length, deleted: false })

  await theirs.putBlob({ name: 'from/nats-cli' }, content.subarray(0, 300_000))
  t.equal(Buffer.compare(await store.get('from/nats-cli'), content.subarray(0, 300_000)), 0)
  await theirs.delete('from/nats-cli')
  await t.rejects(store.get('from/nats-cli'), { code: 'BLOB_NOT_FOUND' }, 'their mark of deletion')
  t.same(
    (await store.list('')).map(({ path }) => path),
    ['a/b'],
  )
  t.equal(await store.putIfAbsent('from/nats-cli', bytes('again')), true)
  await theirs.delete('from/nats-cli')
  await store.put('from/nats-cli', bytes('and again'))
  t.equal(text(await store.get('from/nats-cli')), 'and again')
})

t.test(
  'jetstream blob store - leaves no chunk behind, whoever wins, loses, gives up or deletes',
  async (t) => {
    const { bus, bucket, store } = await openBucket(t)
    const contents = Array.from({ length: 8 }, (_, i) => pattern(600_000 + i, i))
    await Promise.all(contents.map((content) => store.put('x', content)))
    t.equal((await chunkIds(bus, bucket)).length, 1, 'eight puts at once')
    await Promise.all(contents.map((content) => store.putIfAbsent('y', content)))
    t.equal((await chunkIds(bus, bucket)).length, 2, 'eight puts if absent at once')
    const controller = new AbortController()
    const putting = store.put('x', pattern(9_000_000), { signal: controller.signal })
    setImmediate(() => controller.abort(new Error('enough')))
    await t.rejects(putting, /enough/)
    t.equal((await chunkIds(bus, bucket)).length, 2, 'a put that was given up')
    await Promise.all([store.delete('x'), store.delete('y'), store.delete('y')])
    t.equal(await messageCount(bus, bucket), 0, 'deletion leaves no marks either')
  },
)

t.test(
  'jetstream blob store - a blob that lost a chunk, or has another, is damaged and not waited for',
  async (t) => {
    const { bus, bucket, store } = await openBucket(t)
    await store.put('whole', pattern(2_000_000))
    const [subject = ''] = await chunkIds(bus, bucket)
    const jsm = await jetstreamManager(bus.connection)
    const damaged = { code: 'CHECKPOINT_DAMAGED', message: /"whole" in jetstream:bucket-\d+ is damaged/ }
    await jsm.streams.deleteMessage(`OBJ_${bucket}`, 2)
    await t.rejects(store.get('whole'), damaged)
    await jetstream(bus.connection).publish(subject, new Uint8Array(2 ** 19))
    await t.rejects(store.get('whole'), damaged)
    await store.put('whole', bytes('mended'))
    t.equal(text(await store.get('whole')), 'mended')
  },
)

t.test('jetstream objects - a commit whose answer is lost is found out by reading', async (t) => {
  const { bus, bucket } = await openBucket(t)
  const objects = await JetStreamObjects.open(bus, bucket)
  const upload = await objects.upload([bytes('content')], never)
  const js = jetstream(bus.connection)
  const lossy = new JetStreamObjects({
    bucket,
    chunkBytes: 1000,
    isDirect: true,
    jsm: await js.jetstreamManager(),
    js: Object.assign(Object.create(js), {
      async publish(...args: Parameters<typeof js.publish>) {
        await js.publish(...args)
        throw new Error('timeout')
      },
    }),
  })
  t.equal(await lossy.commit('blob', upload, undefined, 0), true, 'ours is the current object')
  const other = await objects.upload([bytes('other')], never)
  t.equal(await objects.commit('blob', other, undefined, 0), false, 'others are refused')
  t.equal(await lossy.commit('blob', other, undefined, 0), false, 'and a refusal is no lost answer')
  const current = await objects.find('blob')
  t.equal(current?.meta.nuid, upload.nuid)
})

t.test('jetstream blob store - with retries a put outlives the death of its server', async (t) => {
  const storeDir = temporaryDirectory(t)
  const first = await startTestServer(t, { jetstream: true, storeDir })
  const port = Number(new URL(first.url).port)
  const bus = await connect(t, first.url)
  const plain = new JetStreamBlobStore('jetstream:b', { bus, clock: systemClock, timeoutMs: 300 })
  const random = new SeededRandom(1)
  const store = new RetryingBlobStore(plain, {
    clock: systemClock,
    random,
    logger: silentLogger,
    attemptsMax: 30,
  })
  const [old, next] = [pattern(1_000_000, 1), pattern(30_000_000, 2)]
  await store.put('blob', old)
  let isPut = false
  const putting = store.put('blob', next).then(() => {
    isPut = true
  })
  // Some chunks are stored by then.
  let uploads = 1
  while (!isPut && uploads < 2) uploads = (await chunkIds(bus, 'b')).length
  process.kill(first.pid, 'SIGKILL')
  await first.exited
  await startTestServer(t, { jetstream: true, storeDir, port })
  await putting
  t.ok(store.retries > 0, `${store.retries} retries`)
  t.equal(Buffer.compare(await store.get('blob'), next), 0)
})

t.test('jetstream blob store - check purges the chunks of uploads that died a day ago', async (t) => {
  const bus = await connect(t)
  const bucket = `bucket-${buckets++}`
  const clock = new ManualClock(Date.now())
  const store = new JetStreamBlobStore(`jetstream:${bucket}`, { bus, clock })
  await store.put('blob', pattern(600_000))
  const objects = await JetStreamObjects.open(bus, bucket)
  const dead = await objects.upload([pattern(600_000)], never)
  await store.check()
  t.equal((await chunkIds(bus, bucket)).length, 2, 'it may still be going on')
  clock.setWallClock(Date.now() + 25 * 3_600_000)
  await store.check()
  const left = await chunkIds(bus, bucket)
  t.equal(left.length, 1)
  t.notOk(left.some((subject) => subject.endsWith(dead.nuid)))
  t.equal((await store.get('blob')).length, 600_000)
})

t.test('jetstream blob store - works with the smallest payload a server may have', async (t) => {
  const small = await startTestServer(t, { jetstream: true, maxPayloadBytes: 64 * 1024 })
  const bus = await connect(t, small.url)
  const store = new JetStreamBlobStore('jetstream:small', { bus, clock: systemClock })
  const content = pattern(500_000)
  await store.put('blob', content)
  t.equal(Buffer.compare(await store.get('blob'), content), 0)
})

t.test('jetstream blob store - a server without JetStream is named, with what to do', async (t) => {
  const plain = await startTestServer(t, { jetstream: false })
  const store = new JetStreamBlobStore('jetstream:b', {
    bus: await connect(t, plain.url),
    clock: systemClock,
  })
  const unusable = { code: 'STORAGE_UNUSABLE', message: /runs without JetStream; start it with -js/ }
  await t.rejects(store.check(), unusable)
  await t.rejects(store.get('x'), unusable)
})

t.test('jetstream blob store - refuses replicas on servers that cannot keep them apart', async (t) => {
  const bus = await connect(t)
  const store = new JetStreamBlobStore('jetstream:b?replicas=3', { bus, clock: systemClock })
  // A newer server, being alone, refuses more than one replica by itself.
  const isOld = !isNatsVersionAtLeast(bus.serverVersion, REPLICATED_VERSION_MIN)
  await t.rejects(store.put('x', bytes('')), { code: isOld ? 'NATS_SERVER_UNSUITABLE' : 'STORAGE_FAILED' })
})

t.test('jetstream blob store - URIs', async (t) => {
  const bus = await connect(t)
  for (const uri of [
    'jetstream:',
    'jetstream:a b',
    'jetstream:a?replica=3',
    'jetstream://a',
    'jetstream:a.b',
  ]) {
    t.throws(() => new JetStreamBlobStore(uri, { bus, clock: systemClock }), { code: 'CONFIG_INVALID' }, uri)
  }
  t.throws(() => new JetStreamBlobStore('jetstream:a/../b', { bus, clock: systemClock }), {
    code: 'STORAGE_UNUSABLE',
  })
  t.equal(
    new JetStreamBlobStore('jetstream:a/b/?replicas=1', { bus, clock: systemClock }).uri,
    'jetstream:a/b/?replicas=1',
  )
})
