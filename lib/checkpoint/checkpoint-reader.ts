/**
 * Reads a checkpoint for those who restore from it: the metadata once, and of the subtasks' blobs those that are
 * needed, each once.
 */
import type { BlobStore } from '../storage/blob-store.ts'
import { type AssignedState, assignState, neededSubtasks, type Share } from './assign-state.ts'
import {
  type CheckpointMetadata,
  decodeMetadata,
  decodeSubtask,
  METADATA,
  type OperatorRecord,
} from './checkpoint-files.ts'
import type { OperatorSnapshot, SubtaskSnapshot } from './subtask-snapshot.ts'

export class CheckpointReader {
  readonly metadata: CheckpointMetadata
  readonly #store: BlobStore
  readonly #folder: string
  readonly #blobs = new Map<string, Promise<SubtaskSnapshot>>()

  private constructor(store: BlobStore, folder: string, metadata: CheckpointMetadata) {
    this.#store = store
    this.#folder = folder
    this.metadata = metadata
  }

  /** Throws BLOB_NOT_FOUND, CHECKPOINT_DAMAGED, STATE_INCOMPATIBLE, or as the store does. */
  static async open(store: BlobStore, folder: string): Promise<CheckpointReader> {
    const path = `${folder}${METADATA}`
    return new CheckpointReader(store, folder, decodeMetadata(await store.get(path), `${store.uri} ${path}`))
  }

  /** What a subtask of an operator begins with; undefined if the checkpoint has nothing of the operator. */
  async read(operatorId: string, share: Share): Promise<AssignedState | undefined> {
    const record = this.metadata.operators.find(({ id }) => id === operatorId)
    if (record === undefined) return undefined
    const snapshots = new Map<number, OperatorSnapshot | undefined>()
    for (const old of neededSubtasks(record, share)) snapshots.set(old, await this.#subtask(record, old))
    return assignState(record, share, snapshots)
  }

  enumeratorState(operatorId: string): Uint8Array | undefined {
    return this.metadata.enumerators.find(({ id }) => id === operatorId)?.state
  }

  async #subtask(record: OperatorRecord, index: number): Promise<OperatorSnapshot | undefined> {
    const name = record.subtasks[index] ?? null
    if (name === null) return undefined
    const path = `${this.#folder}${name}`
    const blob = this.#blobs.get(path) ?? this.#store.get(path).then((bytes) => decodeSubtask(bytes, path))
    this.#blobs.set(path, blob)
    return (await blob).operators.find(({ id }) => id === record.id)
  }
}
