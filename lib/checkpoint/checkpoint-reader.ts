/**
 * Reads a checkpoint for those who restore from it: the metadata once, and of the subtasks' blobs those that are
 * needed, each once.
 */
import type { BlobStore } from '../storage/blob-store.ts'
import { type AssignedState, assignState, type Share, sourcesOf } from './assign-state.ts'
import {
  type CheckpointMetadata,
  decodeMetadata,
  decodeSubtask,
  type OperatorRecord,
} from './checkpoint-files.ts'
import type { SubtaskSnapshot } from './subtask-snapshot.ts'

export class CheckpointReader {
  readonly metadata: CheckpointMetadata
  readonly #store: BlobStore
  readonly #blobs = new Map<string, Promise<SubtaskSnapshot>>()

  private constructor(store: BlobStore, metadata: CheckpointMetadata) {
    this.#store = store
    this.metadata = metadata
  }

  /** Throws BLOB_NOT_FOUND, CHECKPOINT_DAMAGED, STATE_INCOMPATIBLE, or as the store does. */
  static async open(store: BlobStore, metadataPath: string): Promise<CheckpointReader> {
    return new CheckpointReader(store, decodeMetadata(await store.get(metadataPath), metadataPath))
  }

  /** What a subtask of an operator begins with; undefined if the checkpoint has nothing of the operator. */
  async read(operatorId: string, share: Share): Promise<AssignedState | undefined> {
    const record = this.metadata.operators.find(({ id }) => id === operatorId)
    if (record === undefined) return undefined
    const snapshots = new Map<number, SubtaskSnapshot[number] | undefined>()
    for (const old of sourcesOf(record, share)) snapshots.set(old, await this.#subtask(record, old))
    return assignState(record, share, snapshots)
  }

  enumeratorState(operatorId: string): Uint8Array | undefined {
    return this.metadata.enumerators.find(({ id }) => id === operatorId)?.state
  }

  async #subtask(record: OperatorRecord, index: number): Promise<SubtaskSnapshot[number] | undefined> {
    const path = record.subtasks[index] ?? null
    if (path === null) return undefined
    const blob = this.#blobs.get(path) ?? this.#store.get(path).then((bytes) => decodeSubtask(bytes, path))
    this.#blobs.set(path, blob)
    return (await blob).find(({ id }) => id === record.id)
  }
}
