/**
 * The blobs in the storage of one job, from the acknowledgement that names them to their deletion: shell of the blob
 * ledger, which knows who needs them. Nothing here is waited for by a checkpoint; what cannot be deleted is said in the
 * log and looked for again when the next attempt begins.
 */
import { toErrorRecord } from '../lib/base/errors.ts'
import type { Logger } from '../lib/base/logger.ts'
import { type AttemptOf, BlobLedger } from '../lib/checkpoint/blob-ledger.ts'
import {
  type BlobReference,
  blobNames,
  checkpointFolder,
  checkpointIdOf,
  decodeMetadata,
  jobFolder,
  METADATA,
  type SnapshotHandle,
  sharedFolder,
} from '../lib/checkpoint/checkpoint-files.ts'
import type { CheckpointPlace, CheckpointStorage } from '../lib/checkpoint/checkpoint-storage.ts'
import { deleteCheckpoint } from '../lib/checkpoint/delete-checkpoint.ts'
import type { BlobStore } from '../lib/storage/blob-store.ts'

export interface CheckpointBlobsOptions {
  readonly jobId: string
  readonly storageUri: string
  readonly storage: CheckpointStorage
  /** What the job began from and has to delete; null: nothing. */
  readonly claimed: CheckpointPlace | null
  /** Completed under another leader: what they need is not known. */
  readonly inherited: readonly number[]
  readonly log: Logger
}

/** What is known of the checkpoints of a job when an attempt begins. */
export interface KnownCheckpoints {
  /** The present one of a subtask; Infinity if there is none, and there will be none. */
  readonly attemptOf: AttemptOf
  readonly lastId: number
  readonly completed: readonly number[]
}

const LEFT_OVER = 'files of a checkpoint are left over'

export class CheckpointBlobs {
  readonly #options: CheckpointBlobsOptions
  readonly #ledger = new BlobLedger()
  /** Deletions that are under way. */
  readonly #background = new Set<Promise<void>>()
  #claimed: CheckpointPlace | null
  /** Checkpoints of which it is not known what they need: until it is, no blob is deleted. */
  readonly #unknown: Set<number>
  #hasLeft = false

  constructor(options: CheckpointBlobsOptions) {
    this.#options = options
    this.#claimed = options.claimed
    this.#unknown = new Set(options.inherited)
  }

  /** A subtask of the present attempt has told what its state is at a checkpoint, which may have been given up. */
  acknowledged(
    task: string,
    checkpoint: { readonly checkpointId: number; readonly isPending: boolean },
    { blobs, isShared }: SnapshotHandle,
  ): void {
    if (!isShared) return
    const { checkpointId, isPending } = checkpoint
    const names = namesOf(blobs)
    if (isPending) this.#ledger.checkpointHolds(checkpointId, names)
    this.#delete(this.#ledger.subtaskHolds(task, checkpointId, names))
  }

  /**
   * Of what a subtask has told of, what nobody needs, if it is of an earlier attempt: nobody builds on it. The slot
   * deletes that. Nothing, as long as it is not known what a checkpoint needs: `sweep` comes by then.
   */
  unwanted({ blobs, isShared }: SnapshotHandle, attemptOf: AttemptOf): string[] {
    if (!isShared || this.#unknown.size > 0) return []
    return this.#ledger.strays(namesOf(blobs), attemptOf)
  }

  /**
   * A checkpoint is no longer needed, or has come to nothing. Metadata first: without it there is no checkpoint, and
   * nobody misses its blobs; but for those that subtasks build on, whatever has become of the checkpoint.
   */
  discard(checkpointId: number): void {
    const { storage, storageUri, jobId } = this.#options
    const place = { storageUri, folder: checkpointFolder(jobId, checkpointId) }
    this.#run(LEFT_OVER, async () => {
      await storage.deleteBlob(place, METADATA)
      this.#unknown.delete(checkpointId)
      this.#delete(this.#ledger.releaseCheckpoint(checkpointId))
    })
  }

  /** What the job began from, if it is the job's to delete and has not been deleted. */
  discardClaimed(): void {
    const { storage } = this.#options
    const place = this.#claimed
    if (place === null) return
    this.#claimed = null
    this.#run(LEFT_OVER, () =>
      storage.use(place.storageUri, (store) => deleteCheckpoint(store, place.folder)),
    )
  }

  /** All that is in it: of a savepoint that has come to nothing. */
  discardFolder(place: CheckpointPlace): void {
    this.#run(LEFT_OVER, () => this.#options.storage.delete(place))
  }

  /** All that the job has stored, and still may: nothing of it is needed any more. */
  discardAll(): void {
    const { storageUri, jobId } = this.#options
    this.#ledger.clear()
    this.#unknown.clear()
    this.discardFolder({ storageUri, folder: jobFolder(jobId) })
  }

  /** Of these tasks; null: of all. */
  attemptEnded(tasks: readonly string[] | null): void {
    this.#delete(this.#ledger.releaseSubtasks(tasks))
  }

  checkpointsWith(blobName: string): number[] {
    return this.#ledger.checkpointsWith(blobName)
  }

  /**
   * Deletes what earlier attempts, or coordinators, have left: metadata of checkpoints that do not count, and blobs
   * that no checkpoint refers to. What the present attempt stores is left alone, and everything is if it cannot be
   * told what a checkpoint needs.
   */
  sweep(known: KnownCheckpoints): void {
    const { storage, storageUri } = this.#options
    this.#run('what earlier attempts have stored is not looked through', () =>
      storage.use(storageUri, (store) => this.#sweep(store, known)),
    )
  }

  /** Nothing is deleted any more. */
  leave(): void {
    this.#hasLeft = true
  }

  /** Waits for what is being deleted. */
  async close(): Promise<void> {
    while (this.#background.size > 0) await Promise.all(this.#background)
  }

  async #sweep(store: BlobStore, { attemptOf, lastId, completed }: KnownCheckpoints): Promise<void> {
    const { jobId } = this.#options
    const folder = jobFolder(jobId)
    const paths = (await store.list(folder)).map(({ path }) => path.slice(folder.length))
    for (const id of this.#unknown) await this.#adopt(store, id)
    for (const path of paths) {
      const id = checkpointIdOf(path)
      if (id !== undefined && id <= lastId && !completed.includes(id)) await store.delete(`${folder}${path}`)
    }
    // Their metadata could not be deleted before.
    for (const id of this.#ledger.checkpoints) {
      if (id <= lastId && !completed.includes(id)) this.#ledger.releaseCheckpoint(id)
    }
    const shared = sharedFolder(jobId).slice(folder.length)
    const blobs = paths.filter((path) => path.startsWith(shared)).map((path) => path.slice(shared.length))
    for (const name of this.#ledger.strays(blobs, attemptOf)) await store.delete(`${folder}${shared}${name}`)
  }

  /** A checkpoint of which only the id is known. */
  async #adopt(store: BlobStore, checkpointId: number): Promise<void> {
    const path = `${checkpointFolder(this.#options.jobId, checkpointId)}${METADATA}`
    try {
      this.#ledger.checkpointHolds(checkpointId, blobNames(decodeMetadata(await store.get(path), path)))
    } catch (error) {
      // The leader before had deleted it and did not come to say so.
      if (toErrorRecord(error).code !== 'BLOB_NOT_FOUND') throw error
    }
    this.#unknown.delete(checkpointId)
  }

  #delete(names: readonly string[]): void {
    if (names.length === 0 || this.#unknown.size > 0) return
    const { storage, storageUri, jobId } = this.#options
    const place = { storageUri, folder: sharedFolder(jobId) }
    this.#run(LEFT_OVER, async () => {
      for (const name of names) await storage.deleteBlob(place, name)
    })
  }

  #run(complaint: string, work: () => Promise<void>): void {
    if (this.#hasLeft) return
    const running = work().catch((error) =>
      this.#options.log.warn(complaint, { job: this.#options.jobId, error }),
    )
    this.#background.add(running)
    void running.finally(() => this.#background.delete(running))
  }
}

const namesOf = (blobs: readonly BlobReference[]): string[] => blobs.map(({ name }) => name)
