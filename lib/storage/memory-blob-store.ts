/**
 * Blobs in memory, for tests, the simulator and jobs that run in one process. What is put lives as long as the
 * {@link MemoryBlobs} behind it: several stores over the same one are several processes over the same storage.
 */
import type { Clock } from '../base/clock.ts'
import { byteLengthOf, copyParts } from './blob-content.ts'
import type { BlobEntry } from './blob-store.ts'
import { BlobStoreTemplate, type Diagnosis } from './blob-store-template.ts'

interface MemoryBlob {
  readonly content: Uint8Array
  readonly modifiedMs: number
}

export type MemoryBlobs = Map<string, MemoryBlob>

export class MemoryBlobStore extends BlobStoreTemplate {
  readonly #clock: Clock
  readonly #blobs: MemoryBlobs

  constructor(clock: Clock, blobs: MemoryBlobs = new Map()) {
    super('memory:')
    this.#clock = clock
    this.#blobs = blobs
  }

  protected override async _put(path: string, parts: readonly Uint8Array[]): Promise<void> {
    const content = copyParts(parts, byteLengthOf(parts))
    this.#blobs.set(path, { content, modifiedMs: this.#clock.now() })
  }

  protected override async _putIfAbsent(path: string, parts: readonly Uint8Array[]): Promise<boolean> {
    if (this.#blobs.has(path)) return false
    await this._put(path, parts)
    return true
  }

  protected override async _get(path: string): Promise<Uint8Array | undefined> {
    return this.#blobs.get(path)?.content.slice()
  }

  protected override async _list(prefix: string): Promise<BlobEntry[]> {
    return [...this.#blobs]
      .filter(([path]) => path.startsWith(prefix))
      .map(([path, { content, modifiedMs }]) => ({ path, byteLength: content.length, modifiedMs }))
  }

  protected override async _delete(path: string): Promise<void> {
    this.#blobs.delete(path)
  }

  protected override _diagnose(error: Error): Diagnosis {
    return { reason: error.message }
  }
}
