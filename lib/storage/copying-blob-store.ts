/**
 * A blob store beside which copies are kept on this host: what is put is copied from the same bytes, what is got is
 * read from the copy if there is one and it is whole, else from the store. For blobs that are written once; who
 * replaces blobs must do it through the same copies.
 */
import { partsOf } from './blob-content.ts'
import type { BlobContent, BlobEntry, BlobStore, BlobStoreStats, PutOptions } from './blob-store.ts'
import type { LocalCopies } from './local-copies.ts'

export class CopyingBlobStore implements BlobStore {
  readonly #inner: BlobStore
  readonly #copies: LocalCopies
  readonly #isCopied: (path: string) => boolean
  #isClosed = false

  /** `isCopied`: which blobs have copies; default: all. */
  constructor(inner: BlobStore, copies: LocalCopies, isCopied: (path: string) => boolean = () => true) {
    this.#inner = inner
    this.#copies = copies
    this.#isCopied = isCopied
  }

  get uri(): string {
    return this.#inner.uri
  }

  get stats(): Readonly<BlobStoreStats> {
    return this.#inner.stats
  }

  /** Waits for the copy too, or there would be no bound to what waits to be copied. */
  async put(path: string, content: BlobContent, options?: PutOptions): Promise<void> {
    if (!this.#isCopied(path)) return await this.#inner.put(path, content, options)
    const copied = this.#copies.put(path, partsOf(content))
    try {
      await this.#inner.put(path, content, options)
    } catch (error) {
      await copied
      this.#copies.drop(path)
      throw error
    }
    await copied
  }

  /** Not copied: nobody reads what he had to be first for. */
  async putIfAbsent(path: string, content: BlobContent, options?: PutOptions): Promise<boolean> {
    this.#copies.drop(path)
    return await this.#inner.putIfAbsent(path, content, options)
  }

  async get(path: string): Promise<Uint8Array> {
    const copy = this.#isCopied(path) && !this.#isClosed ? await this.#copies.get(path) : null
    return copy ?? (await this.#inner.get(path))
  }

  list(prefix: string): Promise<readonly BlobEntry[]> {
    return this.#inner.list(prefix)
  }

  delete(path: string): Promise<void> {
    this.#copies.drop(path)
    return this.#inner.delete(path)
  }

  check(): Promise<void> {
    return this.#inner.check()
  }

  /** The copies stay. */
  close(): Promise<void> {
    this.#isClosed = true
    return this.#inner.close()
  }
}
