/**
 * Reads a checkpoint for those who restore from it: the metadata once, and of the blobs those that are needed, each
 * once, several at a time. What is missing or damaged is told by its name.
 */

import type { SubtaskPlan } from '../graph/execution-graph.ts'
import type { JobEdge, JobGraph } from '../graph/job-graph.ts'
import type { BlobStore } from '../storage/blob-store.ts'
import {
  type AssignedChannel,
  assignChannels,
  broadcastDonor,
  eventTime,
  type InputShare,
  isFromReaders,
  neededForInput,
  type SavedInput,
} from './assign-channels.ts'
import { type AssignedState, assignState, neededSubtasks, type Share } from './assign-state.ts'
import { type EdgeName, edgeName, isSameEdge } from './channel-snapshot.ts'
import {
  type BlobReference,
  blobFolder,
  type CheckpointMetadata,
  decodeMetadata,
  METADATA,
  type OperatorRecord,
} from './checkpoint-files.ts'
import { decodePart, mergeParts, type SnapshotPart } from './snapshot-blob.ts'
import type { OperatorSnapshot, SubtaskSnapshot } from './subtask-snapshot.ts'

/** What a subtask begins with at its inputs. */
export interface AssignedInputs {
  /** Event time of the subtask. */
  readonly watermark: number
  /** In the order of the subtask's input channels. */
  readonly channels: readonly AssignedChannel[]
}
/** Blobs that are read at once. */
const GETS_MAX = 4

export class CheckpointReader {
  readonly metadata: CheckpointMetadata
  readonly #store: BlobStore
  readonly #folder: string
  readonly #snapshots = new Map<string, Promise<SubtaskSnapshot>>()

  private constructor(store: BlobStore, folder: string, metadata: CheckpointMetadata) {
    this.#store = store
    this.#folder = blobFolder(metadata, folder)
    this.metadata = metadata
  }

  /** Throws BLOB_NOT_FOUND, CHECKPOINT_DAMAGED, STATE_INCOMPATIBLE, or as the store does. */
  static async open(store: BlobStore, folder: string): Promise<CheckpointReader> {
    const path = `${folder}${METADATA}`
    return new CheckpointReader(store, folder, decodeMetadata(await store.get(path), `${store.uri} ${path}`))
  }

  /** What a subtask of an operator begins with; undefined if the checkpoint has nothing of it. Throws as `open`. */
  async read(operatorId: string, share: Share): Promise<AssignedState | undefined> {
    const record = this.metadata.operators.find(({ id }) => id === operatorId)
    if (record === undefined) return undefined
    const snapshots = new Map<number, OperatorSnapshot | undefined>()
    for (const old of neededSubtasks(record, share)) {
      const subtask = await this.#subtask(record, old)
      snapshots.set(
        old,
        subtask?.operators.find(({ id }) => id === record.id),
      )
    }
    return assignState(record, share, snapshots, this.#donorOf(record))
  }

  /** What a subtask begins with at its inputs: as far as the edges are those of the checkpoint. */
  async readInputs(graph: JobGraph, plan: SubtaskPlan): Promise<AssignedInputs> {
    const channels: AssignedChannel[] = []
    let watermark = Number.POSITIVE_INFINITY
    for (const edge of new Set(plan.inputs.map((channel) => channel.edge))) {
      const name = edgeName(graph, edge)
      const record = this.metadata.operators.find(({ id }) => id === edge.toOperator)
      const share = this.#inputShare(graph, plan, edge, name, record)
      const needed = record === undefined ? [] : neededForInput(share, record.subtasks)
      const saved: SavedInput[] = []
      for (const old of needed) {
        const subtask = await this.#subtask(record!, old)
        const input = subtask?.inputs.find((each) => isSameEdge(each.edge, name))
        if (input !== undefined) saved.push({ ...input, watermark: subtask!.watermark })
      }
      channels.push(...assignChannels(share, saved))
      watermark = Math.min(watermark, eventTime(share, saved))
    }
    return { watermark: channels.length === 0 ? Number.NEGATIVE_INFINITY : watermark, channels }
  }

  enumeratorState(operatorId: string): Uint8Array | undefined {
    return this.metadata.enumerators.find(({ id }) => id === operatorId)?.state
  }

  #inputShare(
    graph: JobGraph,
    { inputs, vertex, index }: SubtaskPlan,
    edge: JobEdge,
    name: EdgeName,
    record: OperatorRecord | undefined,
  ): InputShare {
    const { operators, inFlight } = this.metadata
    const { parallelism, maxParallelism } = vertex
    const upstream = graph.vertices.find(({ id }) => id === edge.from)!.parallelism
    return {
      partitioner: edge.partitioner,
      partitionerBefore:
        inFlight.find((each) => isSameEdge(each.edge, name))?.partitioner ?? edge.partitioner,
      froms: inputs.filter((channel) => channel.edge === edge).map(({ from }) => from),
      upstream,
      upstreamBefore: operators.find(({ id }) => id === edge.fromOperator)?.parallelism ?? 0,
      parallelism,
      parallelismBefore: record?.parallelism ?? 0,
      maxParallelism,
      index,
      isFromReaders: isFromReaders(graph, edge),
    }
  }

  /** The subtask whose broadcast state is taken, where it has to go with what that subtask had not processed yet. */
  #donorOf({ id, subtasks }: OperatorRecord): number | null {
    const isBroadcast = this.metadata.inFlight.some(
      ({ edge, partitioner }) => edge.toOperator === id && partitioner === 'broadcast',
    )
    return isBroadcast ? broadcastDonor(subtasks) : null
  }

  async #subtask(record: OperatorRecord, index: number): Promise<SubtaskSnapshot | undefined> {
    const name = record.subtasks[index] ?? null
    if (name === null) return undefined
    const snapshot = this.#snapshots.get(name) ?? this.#snapshot(name)
    this.#snapshots.set(name, snapshot)
    return await snapshot
  }

  async #snapshot(name: string): Promise<SubtaskSnapshot> {
    const blobs = this.metadata.snapshots[name] ?? []
    const parts: SnapshotPart[] = []
    for (let i = 0; i < blobs.length; i += GETS_MAX) {
      parts.push(...(await Promise.all(blobs.slice(i, i + GETS_MAX).map((blob) => this.#part(blob)))))
    }
    return mergeParts(parts, `the state of ${name} in ${this.#store.uri}`)
  }

  async #part({ name }: BlobReference): Promise<SnapshotPart> {
    const path = `${this.#folder}${name}`
    return decodePart(await this.#store.get(path), path)
  }
}
