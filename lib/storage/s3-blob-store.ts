/**
 * Blobs in S3 or a server that speaks its language. An object becomes visible whole, and S3 answers only when it is
 * stored durably (on AWS: in several data centres; elsewhere: as the server is set up). Reads and lists see what
 * was written before, which AWS has promised since 2020 and the other servers we know of do too.
 *
 * Large blobs go up in parts, which S3 joins at the end; parts of uploads that died cost money until they are
 * removed, which `check` does. "First" is decided by `If-None-Match: *` where the server honours it (AWS since
 * August 2024, MinIO, R2, Ceph); a probe finds out once per store, since servers that do not know the header
 * overwrite without a word. On those s3-claim.ts decides.
 *
 * Everything of ours that is not a blob lies under `.sluice/`, which no blob's path can begin with.
 */
import type { Clock } from '../base/clock.ts'
import { sleep } from '../base/clock.ts'
import { newId } from '../base/ids.ts'
import type { Random } from '../base/prng.ts'
import { byteLengthOf, joinParts } from './blob-content.ts'
import { type BlobEntry, isBlobPath } from './blob-store.ts'
import { BlobStoreTemplate, type Diagnosis } from './blob-store-template.ts'
import { type ClaimBoard, writeFirst } from './s3-claim.ts'
import { createS3, loadS3, S3Failure, toS3Failure } from './s3-client.ts'
import { credentialsFrom, type Environment, parseS3Uri, type S3Credentials } from './s3-location.ts'
import { S3Objects } from './s3-objects.ts'

export interface S3BlobStoreOptions {
  readonly clock: Clock
  readonly random: Random
  /** Where endpoint, region and credentials may come from. Default: nowhere. */
  readonly env?: Environment
  /** Default: from `env`, else wherever the AWS SDK finds them. */
  readonly credentials?: S3Credentials
  /** Larger blobs go up in parts of at least this size. Default 16 MiB; S3 takes no less than 5. */
  readonly partBytes?: number
}

const PART_BYTES = 2 ** 24
/** How often a write that met another one is tried again (409, as S3 asks for). */
const CONFLICTS_MAX = 20
const CONFLICT_PAUSE_MS = 50
const OWN_FOLDER = '.sluice/'
const EMPTY = new Uint8Array()

const ACCESS =
  'check the credentials, and that they allow s3:GetObject, PutObject, DeleteObject and ListBucket'
const REGION = 'name the region of the bucket with ?region= or AWS_REGION'
const ADVICE: Record<string, string> = {
  AccessDenied: ACCESS,
  Forbidden: ACCESS,
  InvalidAccessKeyId: ACCESS,
  SignatureDoesNotMatch: ACCESS,
  InvalidToken: ACCESS,
  ExpiredToken: 'renew the credentials',
  CredentialsProviderError: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role',
  PermanentRedirect: REGION,
  AuthorizationHeaderMalformed: REGION,
}

export class S3BlobStore extends BlobStoreTemplate {
  readonly #objects: S3Objects
  readonly #bucket: string
  readonly #environment: { readonly clock: Clock; readonly random: Random }
  readonly #partBytes: number
  #probing: Promise<boolean> | undefined

  /** `uri`: see parseS3Uri. Throws CONFIG_INVALID, and STORAGE_UNUSABLE when the AWS SDK is not installed. */
  static async open(uri: string, options: S3BlobStoreOptions): Promise<S3BlobStore> {
    const { env = {}, credentials = credentialsFrom(env) } = options
    const location = parseS3Uri(uri, env)
    const s3 = createS3(await loadS3(), location, credentials)
    return new S3BlobStore(uri, location.bucket, new S3Objects(s3, location), options)
  }

  constructor(uri: string, bucket: string, objects: S3Objects, options: S3BlobStoreOptions) {
    super(uri)
    this.#bucket = bucket
    this.#objects = objects
    this.#environment = { clock: options.clock, random: options.random }
    this.#partBytes = options.partBytes ?? PART_BYTES
  }

  protected override _put(path: string, parts: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
    if (byteLengthOf(parts) <= this.#partBytes) return this.#objects.put(path, joinParts(parts), signal)
    return this.#objects.putInParts(path, parts, this.#partBytes, signal)
  }

  /** In one piece (S3 takes 5 GB), so that one header decides. */
  protected override async _putIfAbsent(
    path: string,
    parts: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<boolean> {
    if (await this.#objects.exists(path)) return false
    const content = joinParts(parts)
    if (await this.#isConditional()) return this.#putFirst(path, content, signal)
    return writeFirst(this.#claimBoard(path, content), this.#environment, signal)
  }

  protected override _get(path: string): Promise<Uint8Array | undefined> {
    return this.#objects.get(path)
  }

  protected override async _getRange(
    path: string,
    offset: number,
    length: number,
  ): Promise<Uint8Array | undefined> {
    if (length === 0) return (await this.#objects.exists(path)) ? EMPTY : undefined
    try {
      return await this.#objects.get(path, `bytes=${offset}-${offset + length - 1}`)
    } catch (error) {
      // The blob ends before the offset.
      if (error instanceof S3Failure && error.status === 416) return EMPTY
      throw error
    }
  }

  protected override async _list(prefix: string): Promise<BlobEntry[]> {
    const entries: BlobEntry[] = []
    for await (const { name, byteLength, modifiedMs } of this.#objects.list(prefix)) {
      if (isBlobPath(name)) entries.push({ path: name, byteLength, modifiedMs })
    }
    return entries
  }

  protected override _delete(path: string): Promise<void> {
    return this.#objects.delete(path)
  }

  protected override async _removeLeftovers(ageMs: number): Promise<void> {
    const beforeMs = this.#environment.clock.now() - ageMs
    for await (const { name, modifiedMs } of this.#objects.list(OWN_FOLDER)) {
      if (modifiedMs < beforeMs) await this.#objects.delete(name)
    }
    try {
      await this.#objects.abortUploads(beforeMs)
    } catch (error) {
      // Not every server lists uploads, and not everybody may ask; then a lifecycle rule of the bucket must do it.
      if (!(error instanceof S3Failure && [400, 403, 404, 405, 501].includes(error.status ?? 0))) throw error
    }
  }

  protected override _diagnose(error: Error): Diagnosis {
    const { code, message: reason } = error instanceof S3Failure ? error : toS3Failure(error)
    if (code === 'NoSuchBucket') {
      return { reason, advice: `create the bucket (aws s3 mb s3://${this.#bucket}) or correct its name` }
    }
    const advice = reason.includes('Region is missing') ? REGION : ADVICE[code]
    return advice === undefined ? { reason } : { reason, advice }
  }

  protected override async _close(): Promise<void> {
    this.#objects.close()
  }

  async #putFirst(path: string, content: Uint8Array, signal: AbortSignal): Promise<boolean> {
    for (let conflict = 1; ; conflict++) {
      try {
        return await this.#objects.putIfNoneMatch(path, content, signal)
      } catch (error) {
        const isConflict = error instanceof S3Failure && error.status === 409
        if (!isConflict || conflict === CONFLICTS_MAX) throw error
        await sleep(this.#environment.clock, CONFLICT_PAUSE_MS)
      }
    }
  }

  /** Whether the server honours `If-None-Match: *`; asked once, and again by the next call when that fails. */
  #isConditional(): Promise<boolean> {
    if (this.#probing === undefined) {
      this.#probing = this.#probeCondition()
      this.#probing.catch(() => {
        this.#probing = undefined
      })
    }
    return this.#probing
  }

  async #probeCondition(): Promise<boolean> {
    const probe = `${OWN_FOLDER}probe-${newId(this.#environment.random)}`
    try {
      await this.#objects.putIfNoneMatch(probe, EMPTY)
      return !(await this.#objects.putIfNoneMatch(probe, EMPTY))
    } catch (error) {
      // A server may also say that it does not know the header.
      if (error instanceof S3Failure && (error.status === 400 || error.status === 501)) return false
      throw error
    } finally {
      await this.#objects.delete(probe).catch(() => {})
    }
  }

  #claimBoard(path: string, content: Uint8Array): ClaimBoard {
    const folder = `${OWN_FOLDER}claims/${path}/`
    const objects = this.#objects
    return {
      put: (claim) => objects.put(folder + claim, EMPTY),
      delete: (claim) => objects.delete(folder + claim),
      async list() {
        const claims: string[] = []
        for await (const { name } of objects.list(folder)) claims.push(name.slice(folder.length))
        return claims
      },
      exists: () => objects.exists(path),
      write: (signal) => objects.put(path, content, signal),
    }
  }
}
