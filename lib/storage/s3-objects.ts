/**
 * The S3 side of blobs: objects of one bucket below one prefix, by the few requests blobs need. Every error of the
 * SDK becomes an {@link S3Failure} here (see s3-client.ts for why); names are relative to the prefix.
 */
import type { S3 } from '@aws-sdk/client-s3'
import { byteLengthOf, chunksOf } from './blob-content.ts'
import { type S3Failure, toS3Failure } from './s3-client.ts'
import type { S3Location } from './s3-location.ts'

export interface S3Object {
  readonly name: string
  readonly byteLength: number
  readonly modifiedMs: number
}

/** S3 takes 10,000. */
const PARTS_MAX = 10_000
/** With parts of 16 MiB that is 64 MiB held by the client, where parts have to be put together from pieces. */
const PARTS_IN_FLIGHT_MAX = 4

export class S3Objects {
  readonly #s3: S3
  readonly #bucket: string
  readonly #prefix: string

  constructor(s3: S3, { bucket, prefix }: S3Location) {
    this.#s3 = s3
    this.#bucket = bucket
    this.#prefix = prefix
  }

  async put(name: string, content: Uint8Array, signal?: AbortSignal): Promise<void> {
    await send(this.#s3.putObject({ ...this.#object(name), Body: content }, options(signal)))
  }

  /** False: there is one. On a server that does not know the condition it is as `put`. */
  async putIfNoneMatch(name: string, content: Uint8Array, signal?: AbortSignal): Promise<boolean> {
    const request = { ...this.#object(name), Body: content, IfNoneMatch: '*' }
    return unless(isRefused, send(this.#s3.putObject(request, options(signal))))
  }

  async putInParts(
    name: string,
    parts: readonly Uint8Array[],
    partBytes: number,
    signal: AbortSignal,
  ): Promise<void> {
    const object = this.#object(name)
    const { UploadId } = await send(this.#s3.createMultipartUpload(object, options(signal)))
    const upload = { ...object, UploadId }
    try {
      const Parts = await this.#uploadParts(upload, parts, partBytes, signal)
      await send(this.#s3.completeMultipartUpload({ ...upload, MultipartUpload: { Parts } }, options(signal)))
    } catch (error) {
      await this.#s3.abortMultipartUpload(upload).catch(() => {})
      throw error
    }
  }

  /** `range`: as in HTTP. Undefined: there is no such object. */
  async get(name: string, range?: string): Promise<Uint8Array | undefined> {
    const request = { ...this.#object(name), ...(range === undefined ? {} : { Range: range }) }
    try {
      const { Body, ContentLength } = await send(this.#s3.getObject(request))
      const content = (await send(Body?.transformToByteArray())) ?? new Uint8Array()
      if (content.length === ContentLength) return content
      throw new Error(`the answer ends after ${content.length} of ${ContentLength} bytes`)
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  exists(name: string): Promise<boolean> {
    return unless(isMissing, send(this.#s3.headObject(this.#object(name))))
  }

  async delete(name: string): Promise<void> {
    await unless(isMissing, send(this.#s3.deleteObject(this.#object(name))))
  }

  async *list(prefix: string): AsyncGenerator<S3Object> {
    let token: string | undefined
    do {
      const request = { Bucket: this.#bucket, Prefix: this.#prefix + prefix }
      const page = await send(
        this.#s3.listObjectsV2({ ...request, ...(token === undefined ? {} : { ContinuationToken: token }) }),
      )
      for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
        yield {
          name: Key.slice(this.#prefix.length),
          byteLength: Size,
          modifiedMs: LastModified?.getTime() ?? 0,
        }
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined
    } while (token !== undefined)
  }

  /** Ends uploads in parts that began before then; the first thousand, the rest is for the next call. */
  async abortUploads(beforeMs: number): Promise<void> {
    const page = await send(
      this.#s3.listMultipartUploads({ Bucket: this.#bucket, Prefix: this.#prefix, MaxUploads: 1000 }),
    )
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      if (Initiated === undefined || Initiated.getTime() >= beforeMs) continue
      await send(this.#s3.abortMultipartUpload({ Bucket: this.#bucket, Key, UploadId }))
    }
  }

  close(): void {
    this.#s3.destroy()
  }

  #object(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + name }
  }

  async #uploadParts(
    upload: { Bucket: string; Key: string; UploadId: string | undefined },
    parts: readonly Uint8Array[],
    partBytes: number,
    signal: AbortSignal,
  ): Promise<{ PartNumber: number; ETag: string | undefined }[]> {
    const size = Math.max(partBytes, Math.ceil(byteLengthOf(parts) / PARTS_MAX))
    const uploaded: Promise<{ PartNumber: number; ETag: string | undefined }>[] = []
    for (const Body of chunksOf(parts, size)) {
      signal.throwIfAborted()
      const earlier = uploaded[uploaded.length - PARTS_IN_FLIGHT_MAX]
      if (earlier !== undefined) await earlier
      const PartNumber = uploaded.length + 1
      const part = send(this.#s3.uploadPart({ ...upload, PartNumber, Body }, options(signal)))
      const named = part.then(({ ETag }) => ({ PartNumber, ETag }))
      named.catch(() => {})
      uploaded.push(named)
    }
    return Promise.all(uploaded)
  }
}

function options(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal }
}

async function send<T>(call: Promise<T> | undefined): Promise<T> {
  try {
    return (await call) as T
  } catch (error) {
    throw toS3Failure(error)
  }
}

/** The object, that is; a bucket that is missing is somebody's mistake. */
function isMissing(error: unknown): boolean {
  const { status, code } = error as S3Failure
  return status === 404 && code !== 'NoSuchBucket'
}

function isRefused(error: unknown): boolean {
  return (error as S3Failure).status === 412
}

async function unless(isExpected: (error: unknown) => boolean, call: Promise<unknown>): Promise<boolean> {
  try {
    await call
    return true
  } catch (error) {
    if (isExpected(error)) return false
    throw error
  }
}
