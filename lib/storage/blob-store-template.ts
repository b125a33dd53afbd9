/**
 * The discipline all blob stores share, so that each of them is only its own few calls: checks paths, counts,
 * refuses work after `close`, and turns what went wrong into one of two errors that say where and why. A store
 * implements the underscored methods; the split is that of abstract-level.
 */
import { assert } from '../base/assert.ts'
import { asError, SluiceError } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { byteLengthOf, partsOf } from './blob-content.ts'
import {
  type BlobContent,
  type BlobEntry,
  type BlobStore,
  checkBlobPath,
  checkBlobPrefix,
  type PutOptions,
  zeroBlobStoreStats,
} from './blob-store.ts'

/** What a store makes of an error of its own. */
export interface Diagnosis {
  readonly reason: string
  /** What somebody must do before a retry makes sense; undefined when the same call may work later. */
  readonly advice?: string
}

/** What is left of uploads is removed at this age: no upload takes a day, and no two clocks are a day apart. */
const LEFTOVER_AGE_MS = 24 * 3_600_000

const PROBE = new TextEncoder().encode('probe')
const OTHER_PROBE = new TextEncoder().encode('other')

export abstract class BlobStoreTemplate implements BlobStore {
  readonly uri: string
  readonly stats = zeroBlobStoreStats()
  #closing: Promise<void> | undefined

  constructor(uri: string) {
    this.uri = uri
  }

  async put(path: string, content: BlobContent, { signal = never() }: PutOptions = {}): Promise<void> {
    checkBlobPath(path)
    const parts = partsOf(content)
    await this.#guard(`put "${path}" in`, () => this._put(path, parts, signal), signal)
    this.stats.puts++
    this.stats.bytesWritten += byteLengthOf(parts)
  }

  async putIfAbsent(path: string, content: BlobContent, options: PutOptions = {}): Promise<boolean> {
    const { signal = never() } = options
    checkBlobPath(path)
    const parts = partsOf(content)
    const isFirst = await this.#guard(
      `put "${path}" in`,
      () => this._putIfAbsent(path, parts, signal),
      signal,
    )
    this.stats.puts++
    if (isFirst) this.stats.bytesWritten += byteLengthOf(parts)
    return isFirst
  }

  get(path: string): Promise<Uint8Array> {
    return this.#read(path, () => this._get(path))
  }

  getRange(path: string, offset: number, length: number): Promise<Uint8Array> {
    assert(Number.isSafeInteger(offset) && offset >= 0, 'an offset that is a natural number')
    assert(Number.isSafeInteger(length) && length >= 0, 'a length that is a natural number')
    return this.#read(path, () => this._getRange(path, offset, length))
  }

  async list(prefix: string): Promise<readonly BlobEntry[]> {
    checkBlobPrefix(prefix)
    const entries = await this.#guard(`list "${prefix}" in`, () => this._list(prefix))
    this.stats.lists++
    return entries.sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  async delete(path: string): Promise<void> {
    checkBlobPath(path)
    await this.#guard(`delete "${path}" from`, () => this._delete(path))
    this.stats.deletes++
  }

  async check(): Promise<void> {
    try {
      await this.#probe(`sluice-probe-${newId()}`)
      await this.#guard('clean up', () => this._removeLeftovers(LEFTOVER_AGE_MS))
    } catch (error) {
      const { message } = asError(error)
      throw new SluiceError('STORAGE_UNUSABLE', `${this.uri} cannot be used as storage: ${message}`, {
        cause: error,
        details: { uri: this.uri },
      })
    }
  }

  close(): Promise<void> {
    this.#closing ??= this._close()
    return this.#closing
  }

  /** B1 and B2; looks at the signal before the blob becomes visible. */
  protected abstract _put(path: string, parts: readonly Uint8Array[], signal: AbortSignal): Promise<void>
  protected abstract _putIfAbsent(
    path: string,
    parts: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<boolean>

  /** Undefined: no such blob. */
  protected abstract _get(path: string): Promise<Uint8Array | undefined>

  /** In any order. */
  protected abstract _list(prefix: string): Promise<BlobEntry[]>
  protected abstract _delete(path: string): Promise<void>
  protected abstract _diagnose(error: Error): Diagnosis

  /** Stores that can read a part do; the others read all and give a part. */
  protected async _getRange(path: string, offset: number, length: number): Promise<Uint8Array | undefined> {
    return (await this._get(path))?.slice(offset, offset + length)
  }

  protected async _removeLeftovers(_ageMs: number): Promise<void> {}

  protected async _close(): Promise<void> {}

  async #read(path: string, read: () => Promise<Uint8Array | undefined>): Promise<Uint8Array> {
    checkBlobPath(path)
    const content = await this.#guard(`get "${path}" from`, read)
    if (content === undefined) {
      throw new SluiceError('BLOB_NOT_FOUND', `expected a blob "${path}" in ${this.uri}, found none`, {
        details: { path, uri: this.uri },
      })
    }
    this.stats.gets++
    this.stats.bytesRead += content.length
    return content
  }

  async #guard<T>(what: string, call: () => Promise<T>, signal = never()): Promise<T> {
    if (this.#closing !== undefined) {
      throw new SluiceError('STORAGE_UNUSABLE', `cannot ${what} ${this.uri}: the store is closed`)
    }
    signal.throwIfAborted()
    try {
      return await call()
    } catch (error) {
      this.stats.failures++
      if (signal.aborted) throw signal.reason
      throw error instanceof SluiceError ? error : this.#failure(what, asError(error))
    }
  }

  #failure(what: string, cause: Error): SluiceError {
    const { reason, advice } = this._diagnose(cause)
    const text = `cannot ${what} ${this.uri}: ${reason}`
    return new SluiceError(
      advice === undefined ? 'STORAGE_FAILED' : 'STORAGE_UNUSABLE',
      advice === undefined ? text : `${text}; ${advice}`,
      { cause, details: { uri: this.uri } },
    )
  }

  async #probe(path: string): Promise<void> {
    await this.put(path, PROBE)
    try {
      if (await this.putIfAbsent(path, OTHER_PROBE)) throw new Error('it lets a blob that exists be replaced')
      const found = await this.get(path)
      if (Buffer.compare(found, PROBE) !== 0) throw new Error('it gives other bytes than were put into it')
    } finally {
      await this.delete(path)
    }
  }
}

/** One of its own for each call: whoever listens to a signal that all share piles up. */
function never(): AbortSignal {
  return new AbortController().signal
}
