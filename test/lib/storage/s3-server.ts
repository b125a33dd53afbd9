/**
 * An S3 server for one test file, on a free port: s3rver speaks the protocol, objects are kept in memory here (its
 * own store writes files in place, so that readers see half of them). Newer parts of S3 that s3rver lacks are
 * options, so that both kinds of server can be tested: conditional writes, listing and ending uploads in parts.
 */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import S3rver, { type S3Context } from 's3rver'
import type { Test } from 'tap'
import { temporaryDirectory } from '../../support/nats-server.ts'

export interface S3ServerOptions {
  /** Honours `If-None-Match: *`. Default false: it overwrites, as servers do that do not know the header. */
  readonly isConditional?: boolean
  /** Lists uploads in parts and ends them. Default false. */
  readonly knowsUploads?: boolean
  /** Entries per page of a listing. Default: s3rver's 1000 (whose pages need a cipher that Node no longer has). */
  readonly pageSize?: number
  /** Sees each request first; a status answers it with that, 'cut' breaks the connection. */
  intercept?(ctx: S3Context): number | 'cut' | undefined
}

export interface S3TestServer {
  readonly endpoint: string
  readonly objects: Map<string, StoredObject>
  readonly uploads: Map<string, Upload>
}

/** The only ones s3rver knows. */
export const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }
export const BUCKET = 'test-bucket'

interface StoredObject {
  readonly content: Buffer
  readonly modified: Date
}

interface Upload {
  readonly key: string
  readonly initiated: Date
  readonly parts: Map<number, Buffer>
}

export async function startS3Server(t: Test, options: S3ServerOptions = {}): Promise<S3TestServer> {
  const server = new S3rver({
    port: 0,
    address: '127.0.0.1',
    silent: true,
    directory: temporaryDirectory(t),
    configureBuckets: [{ name: BUCKET }],
  })
  const store = new MemoryStore()
  server.store = store
  server.context.store = store
  server.middleware.unshift(newerS3(store, options))
  const { port } = await server.run()
  t.teardown(() => server.close())
  return { endpoint: `http://127.0.0.1:${port}`, objects: store.objects, uploads: store.uploads }
}

function newerS3(store: MemoryStore, options: S3ServerOptions): S3rver['middleware'][number] {
  let locked = Promise.resolve()
  return async (ctx, next) => {
    const verdict = options.intercept?.(ctx)
    if (verdict === 'cut') ctx.res.destroy()
    else if (verdict !== undefined) answer(ctx, verdict, error('Ordered', 'as the test ordered'))
    else if (ctx.query['list-type'] !== undefined && options.pageSize !== undefined) {
      answer(ctx, 200, store.pageXml(ctx.query, options.pageSize))
    } else if (options.isConditional && ctx.method === 'PUT' && ctx.headers['if-none-match'] === '*') {
      // One at a time, as the real thing decides them.
      const before = locked
      locked = (async () => {
        await before
        if (store.objects.has(keyOf(ctx)))
          answer(ctx, 412, error('PreconditionFailed', 'At least one did not hold'))
        else await next()
      })()
      await locked
    } else if (options.knowsUploads && ctx.method === 'GET' && 'uploads' in ctx.query) {
      answer(ctx, 200, store.uploadsXml())
    } else if (options.knowsUploads && ctx.method === 'DELETE' && ctx.query.uploadId !== undefined) {
      store.uploads.delete(ctx.query.uploadId)
      answer(ctx, 204, '')
    } else await next()
  }
}

const keyOf = (ctx: S3Context) => decodeURIComponent(ctx.path).slice(BUCKET.length + 2)
const error = (code: string, message: string) =>
  `<Error><Code>${code}</Code><Message>${message}</Message></Error>`

function answer(ctx: S3Context, status: number, xml: string): void {
  ctx.status = status
  ctx.type = 'application/xml'
  ctx.body = xml
}

/** What s3rver asks of a store, objects becoming visible whole. */
class MemoryStore {
  readonly objects = new Map<string, StoredObject>()
  readonly uploads = new Map<string, Upload>()
  #buckets = new Set<string>()

  async getBucket(name: string) {
    return this.#buckets.has(name) ? { name, creationDate: new Date(0) } : null
  }

  async putBucket(name: string) {
    this.#buckets.add(name)
  }

  async getSubresource() {
    return null
  }

  async existsObject(_bucket: string, key: string) {
    return this.objects.has(key)
  }

  async getObject(bucket: string, key: string, range: { start?: number; end?: number } = {}) {
    const object = this.objects.get(key)
    if (object === undefined) return null
    const described = describe(bucket, key, object)
    if (range.start === undefined) return { ...described, content: streamOf(object.content) }
    const end = Math.min(range.end ?? Number.POSITIVE_INFINITY, object.content.length - 1)
    if (range.start > end) return { ...described, range }
    const part = object.content.subarray(range.start, end + 1)
    return { ...described, range: { start: range.start, end }, content: streamOf(part) }
  }

  async putObject({ key, content }: { key: string; content: Readable }) {
    return this.#put(key, await readAll(content))
  }

  async deleteObject(_bucket: string, key: string) {
    this.objects.delete(key)
  }

  async listObjects(bucket: string, options: { prefix?: string; startAfter?: string; maxKeys?: number }) {
    const { prefix = '', startAfter = '', maxKeys = 1000 } = options
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > startAfter).sort()
    const page = keys.slice(0, maxKeys)
    return {
      objects: page.map((key) => describe(bucket, key, this.objects.get(key)!)),
      commonPrefixes: [],
      isTruncated: page.length < keys.length,
    }
  }

  async initiateUpload(_bucket: string, key: string, uploadId: string) {
    this.uploads.set(uploadId, { key, initiated: new Date(), parts: new Map() })
  }

  async putPart(_bucket: string, uploadId: string, partNumber: string, content: Readable) {
    const part = await readAll(content)
    this.uploads.get(uploadId)?.parts.set(Number(partNumber), part)
    return { size: part.length, md5: md5(part) }
  }

  async putObjectMultipart(_bucket: string, uploadId: string, parts: readonly { number: number }[]) {
    const upload = this.uploads.get(uploadId)!
    this.uploads.delete(uploadId)
    return this.#put(upload.key, Buffer.concat(parts.map(({ number }) => upload.parts.get(number)!)))
  }

  uploadsXml(): string {
    const uploads = [...this.uploads].map(
      ([uploadId, { key, initiated }]) =>
        `<Upload><Key>${key}</Key><UploadId>${uploadId}</UploadId><Initiated>${initiated.toISOString()}</Initiated></Upload>`,
    )
    return `<ListMultipartUploadsResult>${uploads.join('')}</ListMultipartUploadsResult>`
  }

  pageXml(
    { prefix = '', 'continuation-token': after = '' }: Record<string, string>,
    pageSize: number,
  ): string {
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
    const page = keys.slice(0, pageSize)
    const contents = page.map((key) => {
      const { content, modified } = this.objects.get(key)!
      const modifiedText = modified.toISOString()
      return `<Contents><Key>${key}</Key><LastModified>${modifiedText}</LastModified><Size>${content.length}</Size></Contents>`
    })
    const isTruncated = page.length < keys.length
    const token = isTruncated ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ''
    return `<ListBucketResult>${contents.join('')}<IsTruncated>${isTruncated}</IsTruncated>${token}</ListBucketResult>`
  }

  #put(key: string, content: Buffer) {
    this.objects.set(key, { content, modified: new Date() })
    return { size: content.length, md5: md5(content) }
  }
}

function describe(bucket: string, key: string, { content, modified }: StoredObject) {
  const metadata = {
    'content-type': 'binary/octet-stream',
    'content-length': content.length,
    etag: JSON.stringify(md5(content)),
    'last-modified': modified.toUTCString(),
  }
  return { bucket, key, metadata, size: content.length, lastModifiedDate: modified }
}

function streamOf(content: Buffer): Readable {
  return Readable.from(content.length === 0 ? [] : [content], { objectMode: false })
}

async function readAll(stream: Readable): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces)
}

function md5(content: Buffer): string {
  return createHash('md5').update(content).digest('hex')
}
