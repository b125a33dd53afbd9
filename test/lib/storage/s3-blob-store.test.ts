import { inspect } from 'node:util'
import t from 'tap'
import { systemClock } from '../../../lib/base/clock.ts'
import { toErrorRecord } from '../../../lib/base/errors.ts'
import { SeededRandom } from '../../../lib/base/prng.ts'
import { S3BlobStore, type S3BlobStoreOptions } from '../../../lib/storage/s3-blob-store.ts'
import { loadS3 } from '../../../lib/storage/s3-client.ts'
import { credentialsFrom, parseS3Uri } from '../../../lib/storage/s3-location.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { blobStoreContract, bytes, pattern, text } from '../../contracts/blob-store-contract.ts'
import { BUCKET, credentials, type S3TestServer, startS3Server } from './s3-server.ts'

// The AWS SDK says on every start under Node 20 that it will want 22 some day.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'

const PART_BYTES = 2 ** 20
let seeds = 0

function openOn(
  server: S3TestServer,
  prefix = '',
  options: Partial<S3BlobStoreOptions> = {},
): Promise<S3BlobStore> {
  const uri = `s3://${BUCKET}${prefix}?endpoint=${server.endpoint}`
  const random = new SeededRandom(seeds++)
  return S3BlobStore.open(uri, { clock: systemClock, random, credentials, partBytes: PART_BYTES, ...options })
}

const plain = await startS3Server(t, { pageSize: 5 })
const conditional = await startS3Server(t, { isConditional: true, knowsUploads: true })

blobStoreContract(
  t,
  's3 blob store on a server with conditional writes',
  async (t) => {
    const prefix = `/cluster-${seeds++}/blobs`
    return {
      async open() {
        const store = await openOn(conditional, prefix)
        t.teardown(() => store.close())
        return store
      },
    }
  },
  { largeBytes: 1_200_000 },
)

blobStoreContract(
  t,
  's3 blob store on a server without',
  async (t) => {
    plain.objects.clear()
    return {
      async open() {
        const store = await openOn(plain)
        t.teardown(() => store.close())
        return store
      },
    }
  },
  { largeBytes: 1_200_000 },
)

t.test('s3 blob store - what is ours but no blob is not listed, and does not stay', async (t) => {
  for (const [name, server] of Object.entries({ plain, conditional })) {
    server.objects.clear()
    const store = await openOn(server, '/p')
    t.equal(await store.putIfAbsent('a/b', bytes('x')), true)
    t.equal(await store.putIfAbsent('a/b', bytes('y')), false)
    await store.check()
    t.same([...server.objects.keys()], ['p/a/b'], name)
    server.objects.set('p/.sluice/claims/a/dead', { content: Buffer.alloc(0), modified: new Date() })
    server.objects.set('p/not a blob', { content: Buffer.alloc(0), modified: new Date() })
    t.same(
      (await store.list('')).map(({ path }) => path),
      ['a/b'],
    )
    await store.close()
  }
})

t.test('s3 blob store - check removes what is a day old: claims, probes, uploads in parts', async (t) => {
  const clock = new ManualClock(Date.now())
  const store = await openOn(conditional, '/old', { clock })
  const [old, fresh] = [new Date(Date.now() - 25 * 3_600_000), new Date()]
  conditional.objects.set('old/.sluice/claims/x/1', { content: Buffer.alloc(0), modified: old })
  conditional.objects.set('old/.sluice/claims/x/2', { content: Buffer.alloc(0), modified: fresh })
  conditional.uploads.clear()
  conditional.uploads.set('1', { key: 'old/a', initiated: old, parts: new Map() })
  conditional.uploads.set('2', { key: 'old/a', initiated: fresh, parts: new Map() })
  await store.check()
  t.notOk(conditional.objects.has('old/.sluice/claims/x/1'))
  t.ok(conditional.objects.has('old/.sluice/claims/x/2'))
  t.same([...conditional.uploads.keys()], ['2'])
  conditional.uploads.clear()
})

t.test('s3 blob store - an upload in parts that fails is ended, and the old blob stays', async (t) => {
  let failures = 0
  const server = await startS3Server(t, {
    knowsUploads: true,
    intercept: ({ query }) => {
      if (query.partNumber !== '3') return undefined
      failures++
      return 503
    },
  })
  const store = await openOn(server)
  t.teardown(() => store.close())
  await store.put('blob', bytes('old'))
  await t.rejects(store.put('blob', pattern(4 * PART_BYTES)), {
    code: 'STORAGE_FAILED',
    message: /put "blob" in s3:.*Ordered/,
  })
  t.equal(failures, 1, 'retries are left to the wrapper')
  t.equal(text(await store.get('blob')), 'old')
  t.equal(server.uploads.size, 0)
})

t.test('s3 blob store - an answer that is cut off is an error worth a retry, not a short blob', async (t) => {
  let isCut = false
  const server = await startS3Server(t, {
    intercept: ({ method }) => (isCut && method === 'GET' ? 'cut' : undefined),
  })
  const store = await openOn(server)
  t.teardown(() => store.close())
  await store.put('blob', pattern(100_000))
  isCut = true
  await t.rejects(store.get('blob'), { code: 'STORAGE_FAILED' })
  isCut = false
  t.equal((await store.get('blob')).length, 100_000)
})

t.test('s3 blob store - says what is wrong and what to do', async (t) => {
  const missing = await S3BlobStore.open(`s3://no-such-bucket?endpoint=${plain.endpoint}`, {
    clock: systemClock,
    random: new SeededRandom(1),
    credentials,
  })
  const noBucket =
    /cannot be used as storage: .*NoSuchBucket.*create the bucket \(aws s3 mb s3:\/\/no-such-bucket\)/
  await t.rejects(missing.check(), { code: 'STORAGE_UNUSABLE', message: noBucket })
  const unreachable = await S3BlobStore.open('s3://b?endpoint=http://127.0.0.1:1', {
    clock: systemClock,
    random: new SeededRandom(1),
    credentials,
  })
  await t.rejects(unreachable.get('x'), { code: 'STORAGE_FAILED', message: /ECONNREFUSED/ })
  await t.rejects(
    loadS3(() => Promise.reject(new Error('Cannot find package'))),
    {
      code: 'STORAGE_UNUSABLE',
      message: /needs the package @aws-sdk\/client-s3.*npm install @aws-sdk\/client-s3/,
    },
  )
})

t.test('s3 blob store - no error and no URI shows a secret', async (t) => {
  const secrets = {
    accessKeyId: 'AKIAWRONG',
    secretAccessKey: 'top-secret-key',
    sessionToken: 'session-token',
  }
  const store = await openOn(plain, '', { credentials: secrets })
  t.teardown(() => store.close())
  const error = await store.get('x').then(
    () => t.fail('a foreign key is refused'),
    (error) => error,
  )
  t.match(error, { code: 'STORAGE_UNUSABLE', message: /InvalidAccessKeyId.*check the credentials/ })
  const shown =
    inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(toErrorRecord(error)) + store.uri
  for (const secret of [secrets.secretAccessKey, secrets.sessionToken])
    t.notOk(shown.includes(secret), secret)
  for (const uri of [
    's3://key:hush@bucket',
    's3://key:1/hush@bucket',
    's3://key:a/hush@b',
    's3:// :hush@b',
    's3://b?endpoint=http://key:hush@host',
    's3://b?secretAccessKey=hush',
  ]) {
    const thrown = await openOn(plain)
      .then(() => S3BlobStore.open(uri, { clock: systemClock, random: new SeededRandom(1) }))
      .catch((error) => error)
    t.equal(thrown.code, 'CONFIG_INVALID')
    t.notOk(inspect(thrown, { depth: 20 }).includes('hush'), uri)
  }
})

t.test('s3 location - from the URI first, then from the environment', async (t) => {
  const env = { AWS_ENDPOINT_URL: 'http://minio:9000', AWS_REGION: 'eu-central-1' }
  t.same(parseS3Uri('s3://b', {}), {
    bucket: 'b',
    prefix: '',
    endpoint: undefined,
    region: undefined,
    isPathStyle: false,
  })
  t.match(parseS3Uri('s3://b/p/q/', env), {
    prefix: 'p/q/',
    endpoint: 'http://minio:9000',
    region: 'eu-central-1',
    isPathStyle: true,
  })
  t.match(parseS3Uri('s3://b?endpoint=https://e&region=r&pathStyle=false', env), {
    endpoint: 'https://e',
    region: 'r',
    isPathStyle: false,
  })
  t.match(
    parseS3Uri('s3://b?endpoint=https://e', {}),
    { region: 'us-east-1' },
    'servers that have no regions',
  )
  t.throws(() => parseS3Uri('s3://b?regoin=x', {}), {
    code: 'CONFIG_INVALID',
    message: /Did you mean "region"/,
  })
  t.throws(() => parseS3Uri('s3://b/../c d', {}), /expected a blob path/)
  t.throws(() => parseS3Uri('s3:', {}), { code: 'CONFIG_INVALID' })
  t.throws(() => parseS3Uri('s3://b?endpoint=minio', {}), { code: 'CONFIG_INVALID' })
  t.same(credentialsFrom({ AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 's', AWS_SESSION_TOKEN: 't' }), {
    accessKeyId: 'a',
    secretAccessKey: 's',
    sessionToken: 't',
  })
  t.equal(credentialsFrom({ AWS_ACCESS_KEY_ID: 'a' }), undefined, 'half of them are none')
})
