/**
 * What a checkpoint looks like in storage: blobs with the state of subtasks, and one with the metadata, which is
 * written last and makes the checkpoint real.
 *
 *     <job id>/chk-<id>/meta      CheckpointMetadata, with the names of the blobs
 *     <job id>/shared/<blob>      a piece of a subtask's snapshot (snapshot-blob.ts), of one checkpoint or several
 *
 *     meta                        a savepoint is a store of its own, named by its URI, and nothing in it says where
 *     <blob>                      it is: it can be copied and moved
 *
 * Metadata is msgpack. The store around it checks that it is whole; what is checked here is that it is ours.
 */
import { Packr } from 'msgpackr'
import { SluiceError } from '../base/errors.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import { addInFlight, type EdgeInFlight } from './channel-snapshot.ts'
import { taskId } from './first-tasks.ts'
import { mergeStates, type StateRecord, type SubtaskStates } from './state-record.ts'

/** State of one operator, by subtask. */
export interface OperatorRecord {
  readonly id: string
  readonly name: string
  readonly parallelism: number
  readonly maxParallelism: number
  /** Of each subtask, under which name `snapshots` has it; null: it had finished, and has no state. */
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
  /** By task: the blobs that are its state, in the order in which they apply. */
  readonly snapshots: Readonly<Record<string, readonly BlobReference[]>>
  /** State of split enumerators, by the operator id of their source. */
  readonly enumerators: readonly { readonly id: string; readonly state: Uint8Array }[]
  /** Of a checkpoint that was taken unaligned: edges with data in flight. */
  readonly inFlight: readonly EdgeInFlight[]
}

export const FORMAT_VERSION = 3

export interface BlobReference {
  readonly name: string
  readonly byteLength: number
}

/** What a subtask acknowledges with. */
export interface SnapshotHandle {
  /** What its state is made of, in the order in which they apply; not all need have been stored for this checkpoint. */
  readonly blobs: readonly BlobReference[]
  /** Whether the blobs are in the folder that the checkpoints of the job share: not those of a savepoint. */
  readonly isShared: boolean
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
function operatorRecords(
  { vertices }: JobGraph,
  snapshots: ReadonlyMap<string, SnapshotHandle>,
): OperatorRecord[] {
  return vertices.flatMap(({ id: vertexId, operators, parallelism, maxParallelism }) => {
    const handles = Array.from({ length: parallelism }, (_, index) => snapshots.get(taskId(vertexId, index)))
    const subtasks = handles.map((handle, index) => (handle === undefined ? null : taskId(vertexId, index)))
    return operators.map(({ id, name }) => {
      const states = mergeStates(handles.flatMap((handle) => handle?.states[id] ?? []))
      const hasUnion = handles.some((handle) => handle?.unions.includes(id) === true)
      return { id, name, parallelism, maxParallelism, subtasks, hasUnion, states }
    })
  })
}

function snapshotRecords(snapshots: ReadonlyMap<string, SnapshotHandle>): CheckpointMetadata['snapshots'] {
  return Object.fromEntries([...snapshots].map(([task, { blobs }]) => [task, blobs]))
}

/** `snapshots`: by task id; tasks that had finished have none. */
export function metadataOf(
  head: Pick<CheckpointMetadata, 'checkpointId' | 'timestamp' | 'jobId' | 'isSavepoint' | 'enumerators'>,
  graph: JobGraph,
  snapshots: ReadonlyMap<string, SnapshotHandle>,
): CheckpointMetadata {
  return {
    ...head,
    formatVersion: FORMAT_VERSION,
    jobName: graph.jobName,
    operators: operatorRecords(graph, snapshots),
    snapshots: snapshotRecords(snapshots),
    inFlight: addInFlight([...snapshots.values()].flatMap(({ inFlight }) => inFlight)),
  }
}

/** Ends with a slash. */
export const checkpointFolder = (jobId: string, checkpointId: number): string =>
  `${jobId}/chk-${checkpointId}/`

export const METADATA = 'meta'
const SHARED = 'shared/'

/** Names of all blobs of a checkpoint but the metadata. */
export function blobNames({ snapshots }: CheckpointMetadata): string[] {
  const blobs = Object.values(snapshots).flat()
  return [...new Set(blobs.map(({ name }) => name))]
}

/** Ends with a slash. */
export const jobFolder = (jobId: string): string => `${jobId}/`
export const sharedFolder = (jobId: string): string => `${jobId}/${SHARED}`

/** Where the blobs are that the metadata in `folder` names. */
export function blobFolder({ isSavepoint }: CheckpointMetadata, folder: string): string {
  return isSavepoint ? folder : `${jobFolderOf(folder)}${SHARED}`
}

/** The folder of the job that a checkpoint's folder is in. */
export const jobFolderOf = (folder: string): string => folder.replace(/[^/]+\/$/, '')

/**
 * Attempt and checkpoint are part of the name: an old one that still writes must not write over a new one, and what
 * nobody refers to can be told from what is just being written.
 */
export const blobName = ({ vertexId, index, attempt, checkpointId }: BlobOrigin, number: number): string =>
  `${vertexId}-${index}-${attempt}-${checkpointId}-${number}`

export interface BlobOrigin {
  readonly vertexId: string
  readonly index: number
  readonly attempt: number
  readonly checkpointId: number
}

/** What stored a blob; undefined for a name that is none of ours. */
export function originOf(name: string): BlobOrigin | undefined {
  const [, vertexId, ...numbers] = /^(.+)-(\d+)-(\d+)-(\d+)-\d+$/.exec(name) ?? []
  if (vertexId === undefined) return undefined
  const [index, attempt, checkpointId] = numbers.map(Number) as [number, number, number]
  return { vertexId, index, attempt, checkpointId }
}

/** The checkpoint whose metadata this is; undefined if it is none. `path`: within the folder of the job. */
export function checkpointIdOf(path: string): number | undefined {
  const id = /^chk-(\d+)\/meta$/.exec(path)?.[1]
  return id === undefined ? undefined : Number(id)
}

/** The URI of a folder of a store. */
export function folderUri(storageUri: string, folder: string): string {
  const [place = '', query] = storageUri.split('?')
  const base = place.endsWith('/') ? place.slice(0, -1) : place
  return `${base}/${folder}${query === undefined ? '' : `?${query}`}`
}

const packr = new Packr({ useRecords: false, moreTypes: false })

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
