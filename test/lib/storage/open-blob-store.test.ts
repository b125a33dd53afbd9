import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { systemClock } from '../../../lib/base/clock.ts'
import { silentLogger } from '../../../lib/base/logger.ts'
import { connectNatsBus } from '../../../lib/bus/nats-bus.ts'
import { openBlobStore } from '../../../lib/storage/open-blob-store.ts'
import { bytes, text } from '../../contracts/blob-store-contract.ts'
import { startTestServer, temporaryDirectory } from '../../support/nats-server.ts'
import { BUCKET, startS3Server } from './s3-server.ts'

process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'
const environment = { clock: systemClock, logger: silentLogger }

t.test('open blob store - each kind of URI opens a store that works', async (t) => {
  const directory = temporaryDirectory(t)
  const nats = await startTestServer(t, { jetstream: true })
  const bus = await connectNatsBus({ servers: nats.url }, environment)
  t.teardown(() => bus.close())
  const s3 = await startS3Server(t)
  const env = {
    AWS_ACCESS_KEY_ID: 'S3RVER',
    AWS_SECRET_ACCESS_KEY: 'S3RVER',
    AWS_ENDPOINT_URL_S3: s3.endpoint,
  }
  for (const uri of ['memory:', pathToFileURL(directory).href, 'jetstream:blobs/a', `s3://${BUCKET}/a/b`]) {
    const store = await openBlobStore(uri, { ...environment, bus, env })
    await store.check()
    await store.put('x/y', bytes(uri))
    t.equal(text(await store.get('x/y')), uri)
    t.equal(store.uri, uri)
    await store.close()
  }
  t.ok(readFileSync(join(directory, 'x/y'), 'latin1').startsWith(pathToFileURL(directory).href))
  t.ok(s3.objects.has('a/b/x/y'))
  t.equal(bus.connection.isClosed(), false, 'the bus stays open')
})

t.test('open blob store - what it cannot open it names, without what may be a secret', async (t) => {
  for (const uri of ['', '/tmp/x', 'files:///x', 'ftp://user:hush@host/x', 'memory']) {
    const error = await openBlobStore(uri, environment).catch((error) => error)
    t.match(error, { code: 'CONFIG_INVALID', message: /expected a storage URI: memory:, file:/ }, uri)
    t.notOk(error.message.includes('hush'))
  }
  await t.rejects(openBlobStore('jetstream:b', environment), {
    code: 'CONFIG_INVALID',
    message: /needs a NATS server/,
  })
})
