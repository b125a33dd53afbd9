/**
 * Blobs in a JetStream object store: nothing to set up beside the NATS server a cluster has anyway. Good for the
 * checkpoints of small and middling jobs; large state belongs on a shared file system or S3.
 *
 * How durable: a server acknowledges what it has handed to its operating system and forces it to disk every two
 * minutes by default (`sync_interval`; `always` needs server 2.10). A crash of the server process loses nothing, a
 * power failure may lose the last two minutes of all replicas that lost power at once. Where that matters use three
 * replicas on separate power, `sync_interval: always`, or another store.
 *
 * See jetstream-objects.ts for how a put becomes atomic.
 */
import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream'
import type { Clock } from '../base/clock.ts'
import { SluiceError } from '../base/errors.ts'
import type { NatsBus } from '../bus/nats-bus.ts'
import type { BlobEntry } from './blob-store.ts'
import { checkBlobPath } from './blob-store.ts'
import { BlobStoreTemplate, type Diagnosis } from './blob-store-template.ts'
import {
  type JetStreamBucketOptions,
  JetStreamObjects,
  lacksJetStream,
  type StoredObject,
  type Upload,
} from './jetstream-objects.ts'

/** Writers that replace the same blob at once are turned away in turn; nobody loses this often by chance. */
const COMMIT_ATTEMPTS_MAX = 50
/** As with writers: each further look means that the blob has been replaced in the meantime. */
const READ_ATTEMPTS_MAX = 50

export interface JetStreamBlobStoreOptions extends JetStreamBucketOptions {
  readonly bus: NatsBus
  readonly clock: Clock
}

export class JetStreamBlobStore extends BlobStoreTemplate {
  readonly #bus: NatsBus
  readonly #clock: Clock
  readonly #bucket: string
  readonly #prefix: string
  readonly #options: JetStreamBucketOptions
  #opening: Promise<JetStreamObjects> | undefined

  /** `uri`: `jetstream:bucket[/prefix][?replicas=3]`; the bucket is made on first use. The bus stays the caller's. */
  constructor(uri: string, { bus, clock, ...options }: JetStreamBlobStoreOptions) {
    super(uri)
    const { bucket, prefix, replicas } = parseUri(uri)
    this.#bus = bus
    this.#clock = clock
    this.#bucket = bucket
    this.#prefix = prefix
    this.#options = replicas === undefined ? options : { ...options, replicas }
  }

  protected override async _put(
    path: string,
    parts: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<void> {
    const objects = await this.#objects()
    const upload = await objects.upload(parts, signal)
    let before: StoredObject | undefined
    for (let attempt = 1; attempt <= COMMIT_ATTEMPTS_MAX; attempt++) {
      if (signal.aborted) break
      if (await objects.commit(this.#prefix + path, upload, before, this.#clock.now())) {
        if (before !== undefined) await objects.purge(before.meta.nuid)
        return
      }
      before = await objects.find(this.#prefix + path)
    }
    await objects.purge(upload.nuid)
    signal.throwIfAborted()
    throw new Error(`others replaced it ${COMMIT_ATTEMPTS_MAX} times in the meantime`)
  }

  protected override async _putIfAbsent(
    path: string,
    parts: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const objects = await this.#objects()
    const before = await objects.find(this.#prefix + path)
    if (before !== undefined && before.meta.deleted !== true) return false
    const upload: Upload = await objects.upload(parts, signal)
    const isFirst =
      !signal.aborted && (await objects.commit(this.#prefix + path, upload, before, this.#clock.now()))
    if (!isFirst) await objects.purge(upload.nuid)
    signal.throwIfAborted()
    return isFirst
  }

  protected override async _get(path: string): Promise<Uint8Array | undefined> {
    const objects = await this.#objects()
    let object = await objects.find(this.#prefix + path)
    for (let attempt = 1; attempt <= READ_ATTEMPTS_MAX; attempt++) {
      if (object === undefined || object.meta.deleted === true) return undefined
      const content = await objects.download(object)
      if (content !== undefined) return content
      const current = await objects.find(this.#prefix + path)
      if (current?.revision === object.revision) throw this.#damaged(path)
      object = current
    }
    throw new Error(`others replaced it ${READ_ATTEMPTS_MAX} times while it was read`)
  }

  protected override async _list(prefix: string): Promise<BlobEntry[]> {
    const entries = new Map<string, BlobEntry>()
    for await (const { meta } of (await this.#objects()).objects()) {
      if (meta.deleted === true || !meta.name.startsWith(this.#prefix + prefix)) continue
      const path = meta.name.slice(this.#prefix.length)
      entries.set(path, { path, byteLength: meta.size, modifiedMs: Date.parse(meta.mtime) })
    }
    return [...entries.values()]
  }

  protected override async _delete(path: string): Promise<void> {
    const objects = await this.#objects()
    const object = await objects.find(this.#prefix + path)
    if (object !== undefined) await objects.remove(object)
  }

  protected override async _removeLeftovers(ageMs: number): Promise<void> {
    await (await this.#objects()).purgeLeftovers(this.#clock.now() - ageMs)
  }

  protected override _diagnose(error: Error): Diagnosis {
    if (lacksJetStream(this.#bus)) {
      return {
        reason: 'the NATS server runs without JetStream',
        advice: 'start it with -js, or choose another store',
      }
    }
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) {
      this.#opening = undefined
    }
    return { reason: error.message }
  }

  /** Opened once; tried again by the next call when that fails. */
  #objects(): Promise<JetStreamObjects> {
    if (this.#opening === undefined) {
      this.#opening = JetStreamObjects.open(this.#bus, this.#bucket, this.#options)
      this.#opening.catch(() => {
        this.#opening = undefined
      })
    }
    return this.#opening
  }

  #damaged(path: string): SluiceError {
    return new SluiceError(
      'CHECKPOINT_DAMAGED',
      `the blob "${path}" in ${this.uri} is damaged: its chunks are not those that were stored`,
      { details: { path, uri: this.uri } },
    )
  }
}

function parseUri(uri: string): { bucket: string; prefix: string; replicas: number | undefined } {
  const match = /^jetstream:([A-Za-z0-9_-]+)(?:\/([^?]*?))?\/?(?:\?replicas=([1-5]))?$/.exec(uri)
  if (match === null) {
    throw new SluiceError(
      'CONFIG_INVALID',
      `expected "jetstream:bucket", "jetstream:bucket/prefix" or either with "?replicas=3", found ${JSON.stringify(uri)}`,
    )
  }
  const [, bucket = '', prefix = '', replicas] = match
  if (prefix !== '') checkBlobPath(prefix)
  return {
    bucket,
    prefix: prefix === '' ? '' : `${prefix}/`,
    replicas: replicas === undefined ? undefined : Number(replicas),
  }
}
