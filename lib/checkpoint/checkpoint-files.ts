/**
 * What a checkpoint looks like in storage: one blob per subtask, and one with the metadata, which is written last and
 * makes the checkpoint real.
 *
 *     <folder>/<vertex>-<index>-...         the state of a subtask: SubtaskSnapshot
 *     <folder>/meta                         CheckpointMetadata, with the names of the others
 *
 * The folder of a checkpoint is `<job id>/chk-<id>` in the job's storage; a savepoint is a store of its own, named by
 * its URI, and nothing in it says where it is: it can be copied and moved.
 *
 * Both are msgpack. The store around it checks that they are whole; what is checked here is that they are ours.
 */
import { Packr } from 'msgpackr'
import { SluiceError } from '../base/errors.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { EdgeInFlight } from './channel-snapshot.ts'
import { taskId } from './first-tasks.ts'
import { mergeStates, type StateRecord, type SubtaskStates } from './state-record.ts'
import type { SubtaskSnapshot } from './subtask-snapshot.ts'

/** State of one operator, by subtask. */
export interface OperatorRecord {
  readonly id: string
  readonly name: string
  readonly parallelism: number
  readonly maxParallelism: number
  /** Name of the blob of each subtask; null: it had finished, and has no state. */
  readonly subtasks: readonly (string | null)[]
  /** Whether a list state of it is a union, of which every subtask gets the elements of all. */
  readonly hasUnion: boolean
  readonly states: readonly StateRecord[]
}

export interface CheckpointMetadata {
  readonly formatVersion: number
  readonly checkpointId: number
  /** When it was triggered, ms since the epoch. */
  readonly timestamp: number
  readonly jobId: string
  readonly jobName: string
  readonly isSavepoint: boolean
  readonly operators: readonly OperatorRecord[]
  /** State of split enumerators, by the operator id of their source. */
  readonly enumerators: readonly { readonly id: string; readonly state: Uint8Array }[]
  /** Of a checkpoint that was taken unaligned: edges with data in flight. */
  readonly inFlight: readonly EdgeInFlight[]
}

export const FORMAT_VERSION = 2

/** What a subtask acknowledges with. */
export interface SnapshotHandle {
  /** Name of the blob in the checkpoint's folder. */
  readonly name: string
  readonly byteLength: number
  /** Operators with union state. */
  readonly unions: readonly string[]
  /** All states of the subtask, those included whose entries lie in blobs of earlier checkpoints. */
  readonly states: SubtaskStates
  /** Edges with data in flight that is part of the snapshot. */
  readonly inFlight: readonly EdgeInFlight[]
  readonly stats: SnapshotStats
}

/** One subtask's part of a checkpoint, for people; times in ms. */
export interface SnapshotStats {
  /** Whether it overtook data, which is then part of it. */
  readonly isUnaligned: boolean
  /** From the first barrier to the last; 0 where there is only one. */
  readonly alignmentMs: number
  /** No record was processed. */
  readonly syncMs: number
  /** The state was written and stored while records flowed. */
  readonly asyncMs: number
  /** All that was stored. */
  readonly totalBytes: number
  /** Of these, data in flight. */
  readonly channelBytes: number
}

/** `snapshots`: by task id; tasks that had finished have none. */
export function operatorRecords(
  { vertices }: JobGraph,
  snapshots: ReadonlyMap<string, SnapshotHandle>,
): OperatorRecord[] {
  return vertices.flatMap(({ id: vertexId, operators, parallelism, maxParallelism }) => {
    const handles = Array.from({ length: parallelism }, (_, index) => snapshots.get(taskId(vertexId, index)))
    const subtasks = handles.map((handle) => handle?.name ?? null)
    return operators.map(({ id, name }) => {
      const states = mergeStates(handles.flatMap((handle) => handle?.states[id] ?? []))
      const hasUnion = handles.some((handle) => handle?.unions.includes(id) === true)
      return { id, name, parallelism, maxParallelism, subtasks, hasUnion, states }
    })
  })
}

/** Ends with a slash. */
export const checkpointFolder = (jobId: string, checkpointId: number): string =>
  `${jobId}/chk-${checkpointId}/`

export const METADATA = 'meta'

/** Names of all blobs of a checkpoint but the metadata. */
export function blobNames({ operators }: CheckpointMetadata): string[] {
  const names = operators.flatMap(({ subtasks }) => subtasks.filter((name) => name !== null))
  return [...new Set(names)]
}

/** Attempt and checkpoint are part of the name: an old one that still writes must not write over a new one. */
export const subtaskBlob = (vertexId: string, index: number, attempt: number, checkpointId: number): string =>
  `${vertexId}-${index}-${attempt}-${checkpointId}`

/** The URI of a folder of a store. */
export function folderUri(storageUri: string, folder: string): string {
  const [place = '', query] = storageUri.split('?')
  const base = place.endsWith('/') ? place.slice(0, -1) : place
  return `${base}/${folder}${query === undefined ? '' : `?${query}`}`
}

const packr = new Packr({ useRecords: false, moreTypes: false })

export function encodeSubtask(snapshot: SubtaskSnapshot): Uint8Array {
  return packr.pack(snapshot)
}

export function decodeSubtask(bytes: Uint8Array, path: string): SubtaskSnapshot {
  const value = unpack(bytes, path)
  if (typeof value === 'object' && value !== null && 'operators' in value && 'inputs' in value)
    return value as SubtaskSnapshot
  throw notOurs(path)
}

export function encodeMetadata(metadata: CheckpointMetadata): Uint8Array {
  return packr.pack(metadata)
}

/** Throws CHECKPOINT_DAMAGED, or STATE_INCOMPATIBLE for a format of another version. */
export function decodeMetadata(bytes: Uint8Array, path: string): CheckpointMetadata {
  const value = unpack(bytes, path)
  if (typeof value !== 'object' || value === null || !('formatVersion' in value)) throw notOurs(path)
  if (value.formatVersion === FORMAT_VERSION) return value as CheckpointMetadata
  throw new SluiceError(
    'STATE_INCOMPATIBLE',
    `${path} has format ${String(value.formatVersion)}, this version of Sluice reads format ${FORMAT_VERSION}`,
  )
}

function unpack(bytes: Uint8Array, path: string): unknown {
  try {
    return packr.unpack(bytes)
  } catch (cause) {
    throw new SluiceError('CHECKPOINT_DAMAGED', `${path} cannot be read`, { cause })
  }
}

function notOurs(path: string): SluiceError {
  return new SluiceError('CHECKPOINT_DAMAGED', `${path} is not part of a checkpoint`)
}
