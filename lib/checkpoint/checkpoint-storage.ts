/**
 * Where the checkpoints of a job are: a folder each in the job's storage; and its savepoints, each a store of its own.
 * The job's storage is opened when it is needed first and stays open; the others are opened for one use.
 */
import { SluiceError } from '../base/errors.ts'
import type { BlobContent, BlobStore } from '../storage/blob-store.ts'
import { folderUri } from './checkpoint-files.ts'

/** Where a checkpoint or savepoint is, or is to be. */
export interface CheckpointPlace {
  readonly storageUri: string
  /** Ends with a slash, or is empty. */
  readonly folder: string
}

const CHECKPOINT_URI = /^([^?]*)\/([^/?]+\/chk-\d+)\/?(\?.*)?$/

/**
 * Where the checkpoint or savepoint of a URI is. A checkpoint is read as a folder of the storage it was written to, for
 * it may refer to what lies beside it; a savepoint is a store of its own.
 */
export function placeOf(uri: string): CheckpointPlace {
  const [, storage, folder, query = ''] = CHECKPOINT_URI.exec(uri) ?? []
  if (storage === undefined) return { storageUri: uri, folder: '' }
  return { storageUri: `${storage}${query}`, folder: `${folder}/` }
}

/** The other way round. */
export function uriOf({ storageUri, folder }: CheckpointPlace): string {
  return folder === '' ? storageUri : folderUri(storageUri, folder.slice(0, -1))
}

export class CheckpointStorage {
  readonly #uri: string
  readonly #open: (uri: string) => Promise<BlobStore>
  #store: Promise<BlobStore> | null = null
  #isClosed = false

  /** `uri`: of the job's storage. `open`: gives a store that is the caller's to close. */
  constructor(uri: string, open: (uri: string) => Promise<BlobStore>) {
    this.#uri = uri
    this.#open = open
  }

  /** Throws CHECKPOINT_FAILED once this is closed, and as the store does. */
  async use<R>(uri: string, work: (store: BlobStore) => Promise<R>): Promise<R> {
    if (this.#isClosed) throw new SluiceError('CHECKPOINT_FAILED', 'the storage of the job has been closed')
    if (uri === this.#uri) return await work(await this.#own())
    const store = await this.#open(uri)
    try {
      return await work(store)
    } finally {
      await store.close()
    }
  }

  put(
    { storageUri, folder }: CheckpointPlace,
    name: string,
    content: BlobContent,
    signal?: AbortSignal,
  ): Promise<void> {
    const options = signal === undefined ? {} : { signal }
    return this.use(storageUri, (store) => store.put(`${folder}${name}`, content, options))
  }

  deleteBlob({ storageUri, folder }: CheckpointPlace, name: string): Promise<void> {
    return this.use(storageUri, (store) => store.delete(`${folder}${name}`))
  }

  /**
   * Throws STORAGE_UNUSABLE unless all of these are in the folder. A savepoint may go where no other file of the job
   * does, and which nobody has tried: a disk of each host's own.
   */
  async requireAll({ storageUri, folder }: CheckpointPlace, names: readonly string[]): Promise<void> {
    const found = await this.use(storageUri, (store) => store.list(folder))
    const paths = new Set(found.map(({ path }) => path))
    const missing = names.filter((name) => !paths.has(`${folder}${name}`))
    if (missing.length === 0) return
    throw new SluiceError(
      'STORAGE_UNUSABLE',
      `${missing.length} of ${names.length} files that nodes have written to ${storageUri} are not there for the coordinator: it must be storage that all hosts share`,
    )
  }

  /** Everything that is in the folder. */
  delete({ storageUri, folder }: CheckpointPlace): Promise<void> {
    return this.use(storageUri, async (store) => {
      for (const { path } of await store.list(folder)) await store.delete(path)
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const store = await this.#store?.catch(() => null)
    await store?.close()
  }

  /** One that could not be opened is tried again the next time. */
  #own(): Promise<BlobStore> {
    this.#store ??= this.#open(this.#uri).catch((error) => {
      this.#store = null
      throw error
    })
    return this.#store
  }
}
