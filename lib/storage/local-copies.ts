/**
 * Copies of blobs on this host, of what one job has stored elsewhere: read instead of it when the job goes on here.
 * Whoever stores puts a copy beside (CopyingBlobStore), whoever knows what is still needed has the rest deleted.
 *
 * C1. A copy is a convenience: whatever goes wrong with one is logged and counted, and nobody hears of it otherwise.
 * C2. Copies have no more bytes than `bytesMax`; what does not fit is not copied.
 * C3. A copy that cannot be read, or is not whole, is read once.
 */
import type { Logger } from '../base/logger.ts'
import { byteLengthOf } from './blob-content.ts'
import type { BlobStore } from './blob-store.ts'

export interface LocalCopiesOptions {
  /** Where they are; finds out by itself whether what it gives is whole. Closed with the copies. */
  readonly store: BlobStore
  readonly bytesMax: number
  readonly log: Logger
}

/** Since the beginning: blobs of which a copy was made, or was not; reads that a copy was good for, or was not. */
export interface LocalCopiesStats {
  copied: number
  failed: number
  tooMany: number
  read: number
  missing: number
  damaged: number
}

interface Copy {
  readonly byteLength: number
}

export class LocalCopies {
  readonly #options: LocalCopiesOptions
  readonly #copies = new Map<string, Copy>()
  readonly #stats: LocalCopiesStats = { copied: 0, failed: 0, tooMany: 0, read: 0, missing: 0, damaged: 0 }
  #byteLength = 0
  #isClosed = false
  /** Deletions that are under way. */
  readonly #background = new Set<Promise<void>>()

  constructor(options: LocalCopiesOptions) {
    this.#options = options
  }

  get stats(): Readonly<LocalCopiesStats> {
    return this.#stats
  }

  get byteLength(): number {
    return this.#byteLength
  }

  /** Takes the place of a copy that is there. Resolves in any case. */
  async put(path: string, parts: readonly Uint8Array[]): Promise<void> {
    const { store, bytesMax, log } = this.#options
    if (this.#isClosed) return
    this.#forget(path)
    const copy = { byteLength: byteLengthOf(parts) }
    if (this.#byteLength + copy.byteLength > bytesMax) {
      if (this.#stats.tooMany++ === 0)
        log.warn('local copies of checkpoints have reached their limit', { bytesMax })
      return
    }
    this.#copies.set(path, copy)
    this.#byteLength += copy.byteLength
    try {
      await store.put(path, parts)
      this.#stats.copied++
      // Nobody needs it any more, and whoever said so found nothing to delete.
      if (!this.#copies.has(path)) await store.delete(path)
    } catch (error) {
      this.#stats.failed++
      log.warn('a blob of a checkpoint has no local copy', { path, error })
      if (this.#copies.get(path) === copy) this.drop(path)
    }
  }

  /** Null: there is no copy that is of any use. */
  async get(path: string): Promise<Uint8Array | null> {
    if (!this.#copies.has(path)) {
      this.#stats.missing++
      return null
    }
    try {
      const content = await this.#options.store.get(path)
      this.#stats.read++
      return content
    } catch (error) {
      this.#stats.damaged++
      this.#options.log.warn('a local copy cannot be read, the blob itself is', { path, error })
      this.drop(path)
      return null
    }
  }

  drop(path: string): void {
    if (!this.#forget(path)) return
    const deleted = this.#options.store
      .delete(path)
      .catch((error) => this.#options.log.warn('a local copy is left over', { path, error }))
    this.#background.add(deleted)
    void deleted.finally(() => this.#background.delete(deleted))
  }

  /** Deletes those that nobody needs. */
  retain(isNeeded: (path: string) => boolean): void {
    for (const path of [...this.#copies.keys()]) if (!isNeeded(path)) this.drop(path)
  }

  /** Deletes all of them; there will be no more. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.retain(() => false)
    while (this.#background.size > 0) await Promise.all(this.#background)
    await this.#options.store.close()
  }

  /** False if there is none. */
  #forget(path: string): boolean {
    this.#byteLength -= this.#copies.get(path)?.byteLength ?? 0
    return this.#copies.delete(path)
  }
}
