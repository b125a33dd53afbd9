/**
 * The JetStream side of blobs: a stream laid out as a NATS object store (ADR-20), so that `nats object` lists and
 * reads what Sluice writes and the other way round. An object is a run of chunk messages under an id of its own,
 * and one meta message per name that says which id is current.
 *
 * Why not the object store of @nats-io/obj: its put is not atomic. It purges the old chunks under a reader, who
 * then waits for ever; two writers of one name leave the chunks of one of them behind; and when the acknowledgement
 * of the meta message is lost it purges the chunks of what may already be the current object. So:
 *
 * J1  The meta message is published last, and only in place of the very one that was read before (compare and set
 *     on the subject's last sequence), so each object has one known predecessor whose chunks may go.
 * J2  Chunks are purged only once no meta message refers to them, or can still come to.
 * J3  A reader who misses a chunk looks at the meta message again: another one means the object was replaced, the
 *     same one that it is damaged.
 *
 * Meta messages are read from the stream's leader; chunks from any replica, and from the leader when it has none.
 */
import { createHash } from 'node:crypto'
import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  type PubAck,
  type StoredMsg,
  type StreamConfig,
} from '@nats-io/jetstream'
import { headers } from '@nats-io/nats-core'
import { SluiceError } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { NatsBus } from '../bus/nats-bus.ts'
import { isNatsVersionAtLeast } from '../bus/nats-version.ts'
import { byteLengthOf, chunksOf } from './blob-content.ts'
import { messagesOf, nextMessage } from './stream-messages.ts'

export interface JetStreamBucketOptions {
  /** Copies the cluster keeps. Default 1. */
  readonly replicas?: number
  /** Time one request to the server may take. Default 5 s. */
  readonly timeoutMs?: number
}

/** What has been uploaded and is not visible yet. */
export interface Upload {
  readonly nuid: string
  readonly size: number
  readonly chunks: number
  readonly digest: string
  readonly metadata?: { readonly [FIRST_SEQUENCE]?: string }
}

/** Where to begin looking for chunks: without it the server searches the stream from its start. */
const FIRST_SEQUENCE = 'sluice-first-sequence'

/** The meta message as ADR-20 has it, as far as it matters here. */
interface Meta extends Upload {
  readonly name: string
  readonly bucket: string
  readonly mtime: string
  readonly deleted?: boolean
  readonly options?: { readonly max_chunk_size?: number }
}

export interface StoredObject {
  readonly meta: Meta
  /** Sequence of the meta message. */
  readonly revision: number
}

/** The larger the faster (240 MB/s with 128 KB, 700 with 512 KB on one machine), as far as the payload allows. */
const CHUNK_BYTES = 2 ** 19
/** Room for subject and headers in the largest payload. */
const HEADROOM_BYTES = 2 ** 12
/** Chunks published and not acknowledged: 4 MB, so that neither client nor server piles up more. */
const CHUNKS_IN_FLIGHT_MAX = 8
/** Dead uploads removed in one clean-up; the rest waits for the next. */
const LEFTOVERS_MAX = 10_000

/**
 * On a replicated stream servers before this may accept two writers with the same expected sequence (mended in
 * 2.9.21), and lose the whole stream when restarted after a purge of one subject (mended in 2.9.18).
 */
export const REPLICATED_VERSION_MIN = '2.9.22'

/** Whether the server runs without; while there is no connection nobody knows. */
export function lacksJetStream(bus: NatsBus): boolean {
  return bus.connection.info !== undefined && !bus.hasJetStream
}

export function checkReplicas(bus: NatsBus, bucket: string, replicas: number): void {
  if (replicas === 1 || isNatsVersionAtLeast(bus.serverVersion, REPLICATED_VERSION_MIN)) return
  throw new SluiceError(
    'NATS_SERVER_UNSUITABLE',
    `expected a NATS server ${REPLICATED_VERSION_MIN} or later for the bucket "${bucket}" with ${replicas} replicas, ` +
      `found ${bus.serverVersion}, which loses writes to replicated buckets; update it or use one replica`,
  )
}

interface OpenBucket {
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  readonly bucket: string
  readonly chunkBytes: number
  /** Whether the stream answers direct gets. */
  readonly isDirect: boolean
}

export class JetStreamObjects {
  readonly #js: JetStreamClient
  readonly #jsm: JetStreamManager
  readonly #bucket: string
  readonly #chunkBytes: number
  readonly #isDirect: boolean

  /** The bucket, made when there is none. */
  static async open(
    bus: NatsBus,
    bucket: string,
    { replicas = 1, timeoutMs = 5000 }: JetStreamBucketOptions = {},
  ): Promise<JetStreamObjects> {
    checkReplicas(bus, bucket, replicas)
    const js = jetstream(bus.connection, { timeout: timeoutMs })
    const jsm = await js.jetstreamManager()
    const { num_replicas, allow_direct: isDirect } = await openStream(jsm, bucket, replicas)
    checkReplicas(bus, bucket, num_replicas)
    const chunkBytes = Math.min(CHUNK_BYTES, Math.max(HEADROOM_BYTES, bus.payloadBytesMax - HEADROOM_BYTES))
    return new JetStreamObjects({ js, jsm, bucket, chunkBytes, isDirect })
  }

  constructor({ js, jsm, bucket, chunkBytes, isDirect }: OpenBucket) {
    this.#js = js
    this.#jsm = jsm
    this.#bucket = bucket
    this.#chunkBytes = chunkBytes
    this.#isDirect = isDirect
  }

  /** The current object of this name; a mark of deletion counts as one, with `deleted`. */
  async find(name: string): Promise<StoredObject | undefined> {
    const message = await this.#jsm.streams.getMessage(this.#stream, {
      last_by_subj: this.#metaSubject(name),
    })
    return message === null ? undefined : toObject(message)
  }

  /** All objects, by the order in which they were written. */
  async *objects(): AsyncGenerator<StoredObject> {
    for await (const message of messagesOf(this.#jsm, this.#stream, `$O.${this.#bucket}.M.>`))
      yield toObject(message)
  }

  /** Stores the chunks; on failure none is left behind, as far as the server can still be reached. */
  async upload(parts: readonly Uint8Array[], signal: AbortSignal): Promise<Upload> {
    const nuid = newId()
    const hash = createHash('sha256')
    const stored: Promise<PubAck>[] = []
    try {
      for (const chunk of chunksOf(parts, this.#chunkBytes)) {
        signal.throwIfAborted()
        await stored.at(-CHUNKS_IN_FLIGHT_MAX)
        const storing = this.#js.publish(this.#chunkSubject(nuid), chunk)
        storing.catch(() => {})
        stored.push(storing)
        hash.update(chunk)
      }
      const [first] = await Promise.all(stored)
      const metadata = first === undefined ? {} : { metadata: { [FIRST_SEQUENCE]: String(first.seq) } }
      const size = byteLengthOf(parts)
      return { nuid, size, chunks: stored.length, digest: digestText(hash.digest()), ...metadata }
    } catch (error) {
      await Promise.allSettled(stored)
      await this.purge(nuid)
      throw error
    }
  }

  /**
   * Makes an upload the current object in place of `before`; false: somebody else replaced that one. When the
   * answer is lost the current object tells; when that cannot be read either, the outcome stays open (throws).
   */
  async commit(
    name: string,
    upload: Upload,
    before: StoredObject | undefined,
    nowMs: number,
  ): Promise<boolean> {
    const options = { max_chunk_size: this.#chunkBytes }
    const mtime = new Date(nowMs).toISOString()
    const meta: Meta = { name, bucket: this.#bucket, ...upload, mtime, options }
    const conditions = headers()
    conditions.set('Nats-Rollup', 'sub')
    conditions.set('Nats-Expected-Last-Subject-Sequence', String(before?.revision ?? 0))
    try {
      await this.#js.publish(this.#metaSubject(name), JSON.stringify(meta), { headers: conditions })
      return true
    } catch (error) {
      if (isApiError(error, JetStreamApiCodes.StreamWrongLastSequence)) return false
      const found = await this.find(name)
      if (found?.meta.nuid === upload.nuid) return true
      throw error
    }
  }

  /** Undefined when a chunk is missing or the bytes are not those that were stored. */
  async download({ meta }: StoredObject): Promise<Uint8Array | undefined> {
    const content = new Uint8Array(meta.size)
    const hash = createHash('sha256')
    let [offset, sequence] = [0, Number(meta.metadata?.[FIRST_SEQUENCE] ?? 1)]
    for (let i = 0; i < meta.chunks; i++) {
      const message = await this.#next(this.#chunkSubject(meta.nuid), sequence)
      if (message === null || offset + message.data.length > meta.size) return undefined
      content.set(message.data, offset)
      hash.update(message.data)
      offset += message.data.length
      sequence = message.seq + 1
    }
    const isWhole = offset === meta.size && (meta.size === 0 || digestText(hash.digest()) === meta.digest)
    return isWhole ? content : undefined
  }

  /** Deletes exactly this object; one that has replaced it meanwhile stays. */
  async remove({ meta, revision }: StoredObject): Promise<void> {
    try {
      await this.#jsm.streams.deleteMessage(this.#stream, revision, false)
    } catch (error) {
      // Whether somebody else was faster, or only the answer was lost: what counts is that it is gone.
      if ((await this.find(meta.name))?.revision === revision) throw error
    }
    await this.purge(meta.nuid)
  }

  /** Chunks nobody refers to (J2). What cannot be purged now is found by `purgeLeftovers` later. */
  async purge(nuid: string): Promise<void> {
    await this.#jsm.streams.purge(this.#stream, { filter: this.#chunkSubject(nuid) }).catch(() => {})
  }

  /** Chunks that no object refers to and that are older than `beforeMs`. */
  async purgeLeftovers(beforeMs: number): Promise<void> {
    const { state } = await this.#jsm.streams.info(this.#stream, { subjects_filter: this.#chunkSubject('>') })
    const candidates = new Set(Object.keys(state.subjects ?? {}))
    for await (const { meta } of this.objects()) candidates.delete(this.#chunkSubject(meta.nuid))
    for (const subject of [...candidates].slice(0, LEFTOVERS_MAX)) {
      const last = await this.#jsm.streams.getMessage(this.#stream, { last_by_subj: subject })
      if (last === null || last.time.getTime() >= beforeMs) continue
      await this.#jsm.streams.purge(this.#stream, { filter: subject })
    }
  }

  get #stream(): string {
    return `OBJ_${this.#bucket}`
  }

  #chunkSubject(nuid: string): string {
    return `$O.${this.#bucket}.C.${nuid}`
  }

  #metaSubject(name: string): string {
    const encoded = Buffer.from(name).toString('base64url')
    return `$O.${this.#bucket}.M.${encoded.padEnd(Math.ceil(encoded.length / 4) * 4, '=')}`
  }

  async #next(subject: string, sequence: number): Promise<StoredMsg | null> {
    const query = { seq: sequence, next_by_subj: subject }
    const direct = this.#isDirect ? await this.#jsm.direct.getMessage(this.#stream, query) : null
    return direct ?? nextMessage(this.#jsm, this.#stream, subject, sequence)
  }
}

/** As it is: somebody else may have made it with other settings. */
async function openStream(jsm: JetStreamManager, bucket: string, replicas: number): Promise<StreamConfig> {
  const name = `OBJ_${bucket}`
  const wanted = {
    name,
    subjects: [`$O.${bucket}.C.>`, `$O.${bucket}.M.>`],
    discard: DiscardPolicy.New,
    allow_rollup_hdrs: true,
    allow_direct: true,
    num_replicas: replicas,
  }
  try {
    return (await jsm.streams.info(name)).config
  } catch (error) {
    if (!isApiError(error, JetStreamApiCodes.StreamNotFound)) throw error
    return (await jsm.streams.add(wanted)).config
  }
}

function isApiError(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code
}

function toObject(message: StoredMsg): StoredObject {
  return { meta: message.json<Meta>(), revision: message.seq }
}

function digestText(digest: Buffer): string {
  const encoded = digest.toString('base64url')
  return `SHA-256=${encoded.padEnd(Math.ceil(encoded.length / 4) * 4, '=')}`
}
