/**
 * Keys and values in a JetStream stream laid out as a NATS key-value bucket (ADR-8) with a history of one, so that
 * `nats kv get` shows what is in it. Compare-and-set is the server's check of the subject's last sequence; reads ask
 * the stream's leader, as a replica may be behind (V1). A deleted key is a deleted message and leaves nothing behind,
 * where the clients of NATS leave a mark for each, for ever.
 *
 * How durable: as jetstream-blob-store.ts says of blobs. A crash of the server loses nothing; a power failure may lose
 * the last two minutes, by default, and with them jobs that were handed in then.
 */
import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  type StoredMsg,
} from '@nats-io/jetstream'
import { headers } from '@nats-io/nats-core'
import { asError, SluiceError } from '../base/errors.ts'
import type { NatsBus } from '../bus/nats-bus.ts'
import { checkReplicas } from '../storage/jetstream-objects.ts'
import { messagesOf } from '../storage/stream-messages.ts'
import { checkEntry, type KeyValue, type KeyValueEntry } from './key-value.ts'

export interface JetStreamKeyValueOptions {
  readonly bus: NatsBus
  /** Letters, digits, `_` and `-`; made on first use. */
  readonly bucket: string
  /** Copies the cluster of servers keeps. Default 1. */
  readonly replicas?: number
  /** Time one request may take. Default 5 s. */
  readonly timeoutMs?: number
}

export class JetStreamKeyValue implements KeyValue {
  readonly #bus: NatsBus
  readonly #bucket: string
  readonly #replicas: number
  readonly #timeoutMs: number
  #opening: Promise<{ js: JetStreamClient; jsm: JetStreamManager }> | null = null

  constructor({ bus, bucket, replicas = 1, timeoutMs = 5000 }: JetStreamKeyValueOptions) {
    this.#bus = bus
    this.#bucket = bucket
    this.#replicas = replicas
    this.#timeoutMs = timeoutMs
  }

  async get(key: string): Promise<KeyValueEntry | null> {
    checkEntry(key)
    return await this.#try(`read ${key}`, async ({ jsm }) => this.#find(jsm, key))
  }

  create(key: string, value: Uint8Array): Promise<number | null> {
    return this.update(key, value, 0)
  }

  async update(key: string, value: Uint8Array, revision: number): Promise<number | null> {
    checkEntry(key, value)
    return await this.#try(`write ${key}`, async ({ js, jsm }) => {
      const conditions = headers()
      conditions.set('Nats-Expected-Last-Subject-Sequence', String(revision))
      try {
        return (await js.publish(this.#subjectOf(key), value, { headers: conditions })).seq
      } catch (error) {
        if (isApiError(error, JetStreamApiCodes.StreamWrongLastSequence)) return null
        const found = await this.#find(jsm, key)
        // The answer was lost, not the write.
        if (found !== null && found.revision > revision && isEqual(found.value, value)) return found.revision
        throw error
      }
    })
  }

  async delete(key: string, revision: number): Promise<boolean> {
    checkEntry(key)
    return await this.#try(`delete ${key}`, async ({ jsm }) => {
      if ((await this.#find(jsm, key))?.revision !== revision) return false
      try {
        return await jsm.streams.deleteMessage(this.#stream, revision, false)
      } catch (error) {
        // Somebody has written meanwhile, and only the last is kept; or the answer was lost.
        if ((await this.#find(jsm, key))?.revision === revision) throw error
        return false
      }
    })
  }

  async list(folder: string): Promise<readonly KeyValueEntry[]> {
    checkEntry(folder)
    return await this.#try(`list ${folder}`, async ({ jsm }) => {
      const entries = new Map<string, KeyValueEntry>()
      for await (const message of messagesOf(jsm, this.#stream, this.#subjectOf(`${folder}.>`))) {
        const entry = this.#entryOf(message)
        entries.set(entry.key, entry)
      }
      return [...entries.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
    })
  }

  async #find(jsm: JetStreamManager, key: string): Promise<KeyValueEntry | null> {
    const message = await jsm.streams.getMessage(this.#stream, { last_by_subj: this.#subjectOf(key) })
    return message === null ? null : this.#entryOf(message)
  }

  async #try<R>(
    what: string,
    work: (clients: { js: JetStreamClient; jsm: JetStreamManager }) => Promise<R>,
  ): Promise<R> {
    try {
      return await work(await this.#open())
    } catch (error) {
      if (error instanceof SluiceError) throw error
      const reason = asError(error).message
      throw new SluiceError('STORAGE_FAILED', `cannot ${what} in the bucket "${this.#bucket}": ${reason}`, {
        cause: error,
      })
    }
  }

  /** One that could not be opened is tried again the next time. */
  #open(): Promise<{ js: JetStreamClient; jsm: JetStreamManager }> {
    this.#opening ??= this.#create().catch((error) => {
      this.#opening = null
      throw error
    })
    return this.#opening
  }

  async #create(): Promise<{ js: JetStreamClient; jsm: JetStreamManager }> {
    checkReplicas(this.#bus, this.#bucket, this.#replicas)
    const js = jetstream(this.#bus.connection, { timeout: this.#timeoutMs })
    const jsm = await js.jetstreamManager()
    try {
      await jsm.streams.info(this.#stream)
    } catch (error) {
      if (!isApiError(error, JetStreamApiCodes.StreamNotFound)) throw error
      await jsm.streams.add({
        name: this.#stream,
        subjects: [`$KV.${this.#bucket}.>`],
        max_msgs_per_subject: 1,
        discard: DiscardPolicy.New,
        allow_rollup_hdrs: true,
        allow_direct: true,
        num_replicas: this.#replicas,
      })
    }
    return { js, jsm }
  }

  get #stream(): string {
    return `KV_${this.#bucket}`
  }

  #subjectOf(key: string): string {
    return `$KV.${this.#bucket}.${key}`
  }

  #entryOf({ subject, data, seq }: StoredMsg): KeyValueEntry {
    return { key: subject.slice(this.#subjectOf('').length), value: data, revision: seq }
  }
}

function isApiError(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
