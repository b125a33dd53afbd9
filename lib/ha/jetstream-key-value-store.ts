/**
 * Key and value in a JetStream bucket (the layout of @nats-io/kv, so that `nats kv` shows it), history 1.
 *
 * - Values are read from the stream's leader, never from a replica that may lag behind: after a write whose
 *   acknowledgement was lost, `get` must not deny it.
 * - Nothing relies on the expiry of keys, which servers before 2.11 accept and ignore.
 * - A deletion leaves a mark, without which watchers would not hear of it; marks older than a day are removed when
 *   a store is opened.
 * - Durability is that of JetStream (see jetstream-blob-store.ts): what is acknowledged survives a crash of the
 *   server, and of a minority of the replicas' hosts, but not a power failure of all of them, by default.
 */
import { JetStreamApiCodes, JetStreamApiError, type JetStreamManager, jetstream } from '@nats-io/jetstream'
import { type KV, type KvEntry, Kvm, type KvWatchEntry } from '@nats-io/kv'
import { type Clock, sleep } from '../base/clock.ts'
import { asError, SluiceError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { NatsBus } from '../bus/nats-bus.ts'
import { checkReplicas, lacksJetStream } from '../storage/jetstream-objects.ts'
import { messagesOf } from '../storage/stream-messages.ts'
import {
  checkKey,
  checkKeyPrefix,
  checkValue,
  type KeyValueEntry,
  type KeyValueListener,
  type KeyValueStore,
  type KeyValueSubscription,
  keyValueStoreClosed,
} from './key-value-store.ts'

export interface JetStreamKeyValueOptions {
  /** Stays the caller's. */
  readonly bus: NatsBus
  readonly clock: Clock
  readonly logger: Logger
  /** Letters, digits, "_" and "-"; made on first use. */
  readonly bucket: string
  /** Copies the cluster keeps. Default 1. */
  readonly replicas?: number
  /** Time one request may take. Default 2 s: less than a third of any sensible lease. */
  readonly timeoutMs?: number
}

interface OpenBucket {
  readonly kv: KV
  readonly jsm: JetStreamManager
}

const BUCKET = /^[A-Za-z0-9_-]{1,64}$/
/** Says that a message is the mark of a deletion (or, from others, of a purge). */
const MARK_HEADER = 'KV-Operation'
const MARK_AGE_MS = 24 * 3_600_000
/** After this a watch that broke is set up again. */
const WATCH_RETRY_MS = 1000

export class JetStreamKeyValueStore implements KeyValueStore {
  readonly #options: JetStreamKeyValueOptions
  readonly #watches = new Set<KeyValueSubscription>()
  #opening: Promise<OpenBucket> | undefined
  #isClosed = false

  constructor(options: JetStreamKeyValueOptions) {
    const { bucket } = options
    if (!BUCKET.test(bucket)) {
      throw new SluiceError(
        'CONFIG_INVALID',
        `expected the name of a bucket (letters, digits, "_" and "-"), found ${JSON.stringify(bucket)}`,
      )
    }
    this.#options = options
  }

  async get(key: string): Promise<KeyValueEntry | undefined> {
    checkKey(key)
    return this.#call(`get "${key}"`, async ({ kv }) => toEntry(await kv.get(key)))
  }

  async create(key: string, value: Uint8Array): Promise<number | undefined> {
    checkKey(key)
    checkValue(key, value)
    return this.#call(`create "${key}"`, ({ kv }) => unlessRefused(kv.create(key, value)))
  }

  async update(key: string, value: Uint8Array, revision: number): Promise<number | undefined> {
    checkKey(key)
    checkValue(key, value)
    if (revision < 1) return undefined
    return this.#call(`update "${key}"`, ({ kv }) => unlessRefused(kv.update(key, value, revision)))
  }

  async delete(key: string, revision?: number): Promise<boolean> {
    checkKey(key)
    return this.#call(`delete "${key}"`, async ({ kv }) => {
      const found = toEntry(await kv.get(key))
      if (found === undefined || (revision !== undefined && revision !== found.revision)) return false
      const deleted = kv.delete(key, { previousSeq: found.revision }).then(() => 1)
      return (await unlessRefused(deleted)) !== undefined
    })
  }

  async keys(prefix: string): Promise<string[]> {
    checkKeyPrefix(prefix)
    return this.#call(`list the keys of "${prefix}"`, async ({ jsm }) => {
      const { bucket } = this.#options
      const keys = new Set<string>()
      for await (const { subject, header } of messagesOf(
        jsm,
        `KV_${bucket}`,
        `$KV.${bucket}.${filterOf(prefix)}`,
      )) {
        const key = subject.slice(`$KV.${bucket}.`.length)
        if (header.has(MARK_HEADER)) keys.delete(key)
        else if (key.startsWith(prefix)) keys.add(key)
      }
      return [...keys].sort()
    })
  }

  watch(prefix: string, onChange: KeyValueListener): KeyValueSubscription {
    if (this.#isClosed) throw keyValueStoreClosed()
    checkKeyPrefix(prefix)
    const watch = new BucketWatch({
      ...this.#options,
      prefix,
      onChange,
      open: async () => (await this.#open()).kv,
      onEnd: () => this.#watches.delete(watch),
    })
    this.#watches.add(watch)
    return watch
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const watch of this.#watches) watch.unsubscribe()
  }

  async #call<T>(what: string, call: (bucket: OpenBucket) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw keyValueStoreClosed()
    const { bus, bucket } = this.#options
    try {
      return await call(await this.#open())
    } catch (error) {
      if (error instanceof SluiceError) throw error
      const text = `cannot ${what} in the bucket "${bucket}"`
      if (!lacksJetStream(bus)) {
        throw new SluiceError('STORAGE_FAILED', `${text}: ${asError(error).message}`, { cause: error })
      }
      throw new SluiceError(
        'STORAGE_UNUSABLE',
        `${text}: the NATS server runs without JetStream; start it with -js`,
        { cause: error },
      )
    }
  }

  /** Opened once; tried again by the next call when that fails. */
  #open(): Promise<OpenBucket> {
    if (this.#opening === undefined) {
      this.#opening = openBucket(this.#options)
      this.#opening.catch(() => {
        this.#opening = undefined
      })
    }
    return this.#opening
  }
}

interface WatchOptions extends JetStreamKeyValueOptions {
  readonly prefix: string
  readonly onChange: KeyValueListener
  open(): Promise<KV>
  onEnd(): void
}

/**
 * One watch. The client mends an interrupted one by itself, but only once heartbeats have been missing for a while;
 * here a connection that is back starts it anew at once, current values first.
 */
class BucketWatch implements KeyValueSubscription {
  readonly #options: WatchOptions
  readonly #removeListener: () => void
  #entries: (AsyncIterable<KvWatchEntry> & { stop(): void }) | undefined
  #isOpen = true

  constructor(options: WatchOptions) {
    this.#options = options
    this.#removeListener = options.bus.onStatus((status) => {
      if (status === 'connected') this.#entries?.stop()
      if (status === 'closed') this.unsubscribe()
    })
    void this.#run()
  }

  unsubscribe(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#entries?.stop()
    this.#removeListener()
    this.#options.onEnd()
  }

  async #run(): Promise<void> {
    const { bucket, prefix, clock, logger } = this.#options
    while (this.#isOpen) {
      try {
        await this.#follow()
      } catch (error) {
        if (!this.#isOpen) return
        logger.warn('watch of a bucket broke, setting it up again', { bucket, prefix, error })
        await sleep(clock, WATCH_RETRY_MS)
      }
    }
  }

  async #follow(): Promise<void> {
    const { open, prefix } = this.#options
    const kv = await open()
    if (!this.#isOpen) return
    this.#entries = await kv.watch({ key: filterOf(prefix) })
    if (!this.#isOpen) this.#entries.stop()
    for await (const entry of this.#entries) {
      if (!this.#isOpen) return
      if (entry.key.startsWith(prefix)) this.#tell(entry)
    }
  }

  #tell(entry: KvWatchEntry): void {
    const { onChange, logger } = this.#options
    try {
      onChange(entry.key, toEntry(entry))
    } catch (error) {
      logger.error('listener of a bucket threw', { key: entry.key, error })
    }
  }
}

async function openBucket(options: JetStreamKeyValueOptions): Promise<OpenBucket> {
  const { bus, bucket, clock, replicas = 1, timeoutMs = 2000 } = options
  checkReplicas(bus, bucket, replicas)
  const js = jetstream(bus.connection, { timeout: timeoutMs })
  const kv = await new Kvm(js).create(bucket, { history: 1, replicas, allow_direct: false })
  const jsm = await js.jetstreamManager()
  // Somebody else may have made it with other settings.
  checkReplicas(bus, bucket, (await jsm.streams.info(`KV_${bucket}`)).config.num_replicas)
  await removeOldMarks(jsm, bucket, clock.now() - MARK_AGE_MS)
  return { kv, jsm }
}

/** By sequence, so that a key that was written again meanwhile is safe. */
async function removeOldMarks(jsm: JetStreamManager, bucket: string, beforeMs: number): Promise<void> {
  for await (const { seq, header, time } of messagesOf(jsm, `KV_${bucket}`, `$KV.${bucket}.>`)) {
    if (!header.has(MARK_HEADER) || time.getTime() >= beforeMs) continue
    await jsm.streams.deleteMessage(`KV_${bucket}`, seq, false).catch(() => {})
  }
}

function toEntry(entry: KvEntry | null): KeyValueEntry | undefined {
  if (entry === null || entry.operation !== 'PUT') return undefined
  return { value: new Uint8Array(entry.value), revision: entry.revision }
}

/** The smallest subject filter that covers a prefix, which may end within a token. */
function filterOf(prefix: string): string {
  return `${prefix.slice(0, prefix.lastIndexOf('.') + 1)}>`
}

async function unlessRefused(write: Promise<number>): Promise<number | undefined> {
  try {
    return await write
  } catch (error) {
    const isRefused =
      error instanceof JetStreamApiError &&
      (error.code === JetStreamApiCodes.StreamWrongLastSequence ||
        error.code === JetStreamApiCodes.StreamWrongLastSequenceUnknown)
    if (isRefused) return undefined
    throw error
  }
}
