/** Storage that all simulated processes share: slow, at times failing, and it knows who has not closed his store. */
import type { Clock } from '../../lib/base/clock.ts'
import type { Random } from '../../lib/base/prng.ts'
import type { BlobStore } from '../../lib/storage/blob-store.ts'
import { ChecksummedBlobStore } from '../../lib/storage/checksummed-blob-store.ts'
import { MemoryBlobStore, type MemoryBlobs } from '../../lib/storage/memory-blob-store.ts'
import { FaultyBlobStore } from '../../lib/testing/faulty-blob-store.ts'

export interface StorageFaults {
  readonly failureRate: number
  readonly lostAckRate: number
  /** Also when nothing fails. */
  readonly delayMsMax: number
}

export class SimulatedStorage {
  readonly #blobs = new Map<string, MemoryBlobs>()
  /** Stores that are open, by process. */
  readonly #open = new Map<string, Set<BlobStore>>()
  readonly #faults: StorageFaults & { readonly random: Random; readonly isActive: () => boolean }

  constructor(faults: StorageFaults & { readonly random: Random; readonly isActive: () => boolean }) {
    this.#faults = faults
  }

  /** `process`: whose store it is, with its clock: when that stops, so does what the store was about to do. */
  async open(process: string, clock: Clock, uri: string): Promise<BlobStore> {
    const blobs: MemoryBlobs = this.#blobs.get(uri) ?? new Map()
    this.#blobs.set(uri, blobs)
    const mine = this.#storesOf(process)
    const store: BlobStore = new ClosingStore(clock, blobs, () => mine.delete(store))
    mine.add(store)
    return new FaultyBlobStore(new ChecksummedBlobStore(store), { ...this.#faults, clock })
  }

  /** On the disk of the process, which has faults of its own. */
  openCopies(process: string, clock: Clock): BlobStore {
    const mine = this.#storesOf(process)
    const store: BlobStore = new ClosingStore(clock, new Map(), () => mine.delete(store))
    mine.add(store)
    return new FaultyBlobStore(new ChecksummedBlobStore(store), { ...this.#faults, clock, delayMsMax: 5 })
  }

  #storesOf(process: string): Set<BlobStore> {
    const mine = this.#open.get(process) ?? new Set()
    this.#open.set(process, mine)
    return mine
  }

  openCountOf(process: string): number {
    return this.#open.get(process)?.size ?? 0
  }

  /** Does something to a blob of a checkpoint, preferably one that was stored lately; its path, if there is any. */
  damage(how: 'deleted' | 'flipped' | 'cut'): string | null {
    for (const blobs of this.#blobs.values()) {
      const paths = [...blobs.keys()].filter((path) => path.includes('/shared/'))
      const path = paths.at(-1 - this.#faults.random.nextInt(Math.min(4, paths.length)))
      const blob = path === undefined ? undefined : blobs.get(path)
      if (path === undefined || blob === undefined) continue
      if (how === 'deleted') blobs.delete(path)
      else {
        const content = how === 'cut' ? blob.content.slice(0, -7) : blob.content.slice()
        if (how === 'flipped') content[this.#faults.random.nextInt(content.length)]! ^= 1
        blobs.set(path, { ...blob, content })
      }
      return path
    }
    return null
  }

  get paths(): string[] {
    return [...this.#blobs].flatMap(([uri, blobs]) => [...blobs.keys()].map((path) => `${uri}/${path}`))
  }
}

class ClosingStore extends MemoryBlobStore {
  readonly #onClose: () => void

  constructor(clock: Clock, blobs: MemoryBlobs, onClose: () => void) {
    super(clock, blobs)
    this.#onClose = onClose
  }

  override async close(): Promise<void> {
    this.#onClose()
    await super.close()
  }
}
