/**
 * Where one job attempt in one slot meets checkpoint storage: reads what its subtasks begin with, stores their
 * snapshots, and tells the job master that it has. What a subtask has to tell of its snapshots is told in their order,
 * each when the one before it has been heard.
 *
 * Who deletes a blob: what the job master has never been told of is the slot's to delete, and goes when nothing builds
 * on it, at the latest when the attempt is given up. What it may have been told of is deleted only on its word; so what
 * has been told and not answered is told on after the end, for a while. What is left when nobody answers in that time,
 * or the node dies, is found by the next attempt or the end of the job, which look through the folder.
 */
import type { ActorRef, ReplyOf } from '../lib/actor/actor-ref.ts'
import { askPersistently } from '../lib/actor/persistent-ask.ts'
import { SluiceError, toErrorRecord } from '../lib/base/errors.ts'
import type { AssignedState } from '../lib/checkpoint/assign-state.ts'
import { inFlightOf } from '../lib/checkpoint/channel-snapshot.ts'
import {
  type BlobOrigin,
  blobName,
  folderUri,
  originOf,
  type SnapshotHandle,
  sharedFolder,
} from '../lib/checkpoint/checkpoint-files.ts'
import { type AssignedInputs, CheckpointReader } from '../lib/checkpoint/checkpoint-reader.ts'
import type { CheckpointSettings } from '../lib/checkpoint/checkpoint-settings.ts'
import { type CheckpointPlace, CheckpointStorage } from '../lib/checkpoint/checkpoint-storage.ts'
import { taskId } from '../lib/checkpoint/first-tasks.ts'
import { SnapshotChain, type StateSize, type StoredState } from '../lib/checkpoint/snapshot-chain.ts'
import { SnapshotUpload, UploadLane } from '../lib/checkpoint/snapshot-upload.ts'
import { mergeSubtaskStates, statesOf } from '../lib/checkpoint/state-record.ts'
import type { SnapshotTarget, SnapshotTimes, SubtaskSnapshot } from '../lib/checkpoint/subtask-snapshot.ts'
import { isSameSlot, type SubtaskPlan } from '../lib/graph/execution-graph.ts'
import type { CheckpointBarrier } from '../lib/network/stream-event.ts'
import { jobMasterName } from '../lib/protocol/dispatcher.ts'
import type { JobMasterProtocol } from '../lib/protocol/job-master.ts'
import type { Deployment } from '../lib/protocol/slot.ts'
import type { BlobStore } from '../lib/storage/blob-store.ts'
import { CopyingBlobStore } from '../lib/storage/copying-blob-store.ts'
import type { LocalCopies } from '../lib/storage/local-copies.ts'
import type { SlotEnvironment } from './slot-environment.ts'

/** What an attempt begins with. */
export interface Restored {
  stateOf(plan: SubtaskPlan, operatorId: string): AssignedState | undefined
  inputsOf(plan: SubtaskPlan): AssignedInputs | undefined
  enumeratorState(operatorId: string): Uint8Array | undefined
}

export const NOTHING_RESTORED: Restored = {
  stateOf: () => undefined,
  inputsOf: () => undefined,
  enumeratorState: () => undefined,
}

interface Subtask {
  readonly chain: SnapshotChain
  /** By checkpoint, those that are not done. */
  readonly uploads: Map<number, Upload>
  /** All that was to be told has been told. */
  told: Promise<void>
  /**
   * Blobs beside the job's checkpoints that the job master has not been told of. No more than the last snapshots that
   * came to nothing have: those that nothing builds on are deleted.
   */
  readonly untold: Set<string>
}

interface Upload {
  readonly upload: SnapshotUpload
  readonly isSavepoint: boolean
  /** Null until all keyed state has been written, and for ever if the checkpoint has come to nothing by then. */
  taken: { readonly snapshot: SubtaskSnapshot; readonly times: SnapshotTimes } | null
}

/** For how long after the end of an attempt it is asked on what is to become of its last snapshots. */
const ANSWER_PATIENCE_MS = 60_000

export class SlotCheckpoints {
  readonly #environment: SlotEnvironment
  readonly #deployment: Deployment
  readonly #settings: CheckpointSettings
  readonly #storage: CheckpointStorage
  readonly #lane = new UploadLane()
  readonly #subtasks = new Map<string, Subtask>()
  /** Of savepoints that are under way. */
  readonly #places = new Map<number, CheckpointPlace>()
  /** Local recovery; null: there is none. */
  readonly #copies: LocalCopies | null
  /** What the subtasks here have told that they need, by checkpoint, while it is pending; only for the copies. */
  readonly #needed = new Map<number, Set<string>>()
  #isClosed = false

  constructor(
    environment: SlotEnvironment,
    deployment: Deployment,
    settings: CheckpointSettings,
    copies: LocalCopies | null,
  ) {
    this.#environment = environment
    this.#deployment = deployment
    this.#settings = settings
    this.#copies = copies
    this.#storage = new CheckpointStorage(settings.storageUri, (uri) => this.#openStorage(uri))
    copies?.retain((path) => this.#isOfHere(path))
  }

  /** Whether a copy is of a subtask that is in this slot now, and not of one that has moved away. */
  #isOfHere(path: string): boolean {
    const { vertexId = '', index = -1 } = originOf(path.slice(this.#sharedPlace().folder.length)) ?? {}
    const location = this.#deployment.placement[vertexId]?.[index]
    return location !== undefined && isSameSlot(location, this.#environment.location)
  }

  async #openStorage(uri: string): Promise<BlobStore> {
    const store = await this.#environment.openStorage(uri)
    const { storageUri, folder } = this.#sharedPlace()
    if (this.#copies === null || uri !== storageUri) return store
    return new CopyingBlobStore(store, this.#copies, (path) => path.startsWith(folder))
  }

  /** Throws CHECKPOINT_UNREADABLE, and otherwise as CheckpointReader does. */
  async restore(plans: readonly SubtaskPlan[]): Promise<Restored> {
    const { restore } = this.#deployment
    if (restore === null) return NOTHING_RESTORED
    const copiesRead = this.#copies?.stats.read ?? 0
    try {
      const restored = await this.#storage.use(restore.storageUri, async (store) =>
        this.#read(await CheckpointReader.open(store, restore.folder), plans),
      )
      const localBlobs = (this.#copies?.stats.read ?? 0) - copiesRead
      this.#environment.log.info('state read', { checkpoint: restore.folder, localBlobs })
      return restored
    } catch (error) {
      throw asUnreadable(error, restore)
    }
  }

  /** A savepoint is on its way, which does not go where checkpoints go. */
  expect(checkpointId: number, place: CheckpointPlace): void {
    this.#places.set(checkpointId, place)
  }

  /**
   * Nobody waits for a checkpoint any more. Of a savepoint, what is still being written is given up. `isCompleted`: the
   * job would go on from it.
   */
  ended(checkpointId: number, isCompleted: boolean): void {
    this.#places.delete(checkpointId)
    this.#keepCopies(checkpointId, isCompleted)
    for (const { uploads } of this.#subtasks.values()) {
      const open = uploads.get(checkpointId)
      if (open?.isSavepoint === true) void open.upload.giveUp()
    }
  }

  async #read(reader: CheckpointReader, plans: readonly SubtaskPlan[]): Promise<Restored> {
    const states = new Map<string, AssignedState | undefined>()
    const inputs = new Map<SubtaskPlan, AssignedInputs>()
    for (const plan of plans) {
      const { vertex, index } = plan
      inputs.set(plan, await reader.readInputs(this.#deployment.graph, plan))
      for (const { id } of vertex.operators) {
        const { parallelism, maxParallelism } = vertex
        states.set(`${id}/${index}`, await reader.read(id, { parallelism, maxParallelism, index }))
      }
    }
    return {
      stateOf: ({ index }, operatorId) => states.get(`${operatorId}/${index}`),
      inputsOf: (plan) => inputs.get(plan),
      enumeratorState: (operatorId) => reader.enumeratorState(operatorId),
    }
  }

  /** The snapshot of a subtask is about to be taken. */
  open(
    plan: SubtaskPlan,
    { checkpointId, isSavepoint }: CheckpointBarrier,
    size: StateSize | null,
    onChange: () => void,
  ): SnapshotTarget {
    const subtask = this.#subtaskOf(plan)
    const { attempt } = this.#deployment
    const reference = { attempt, checkpointId, vertexId: plan.vertex.id, index: plan.index }
    const place = isSavepoint ? this.#places.get(checkpointId) : this.#sharedPlace()
    const upload = new SnapshotUpload({
      link: subtask.chain.begin(isSavepoint, size),
      lane: this.#lane,
      nameOf: (number) => blobName(reference, number),
      put: (name, content, signal) => this.#storage.put(knownPlace(place), name, content, signal),
      delete: (name) => this.#storage.deleteBlob(knownPlace(place), name),
      onChange,
    })
    subtask.uploads.set(checkpointId, { upload, isSavepoint, taken: null })
    if (place === undefined || this.#isClosed) void upload.giveUp()
    const before = subtask.told
    subtask.told = this.#follow(subtask, reference, before)
    return upload
  }

  /** All keyed state of the snapshot has been written; this is the rest. */
  store(plan: SubtaskPlan, checkpointId: number, snapshot: SubtaskSnapshot, times: SnapshotTimes): void {
    const open = this.#subtaskOf(plan).uploads.get(checkpointId)
    if (open === undefined) return
    open.taken = { snapshot, times }
    open.upload.finish(snapshot)
  }

  /** As `store`, of a checkpoint that will not be: the job master does not hear of it. */
  storeUnused(plan: SubtaskPlan, checkpointId: number, snapshot: SubtaskSnapshot): void {
    this.#subtaskOf(plan).uploads.get(checkpointId)?.upload.finish(snapshot)
  }

  /** Resolves when the job master knows that the snapshot is stored, or cannot be, or does not care any more. */
  async #follow(subtask: Subtask, reference: BlobOrigin, before: Promise<void>): Promise<void> {
    const { checkpointId } = reference
    const open = subtask.uploads.get(checkpointId)!
    const { upload } = open
    try {
      const stored = await upload.done
      await before
      const state = subtask.chain.stored(upload.link, stored)
      if (!open.isSavepoint) this.#note(subtask, stored, state)
      if (state === null) throw new SluiceError('CHECKPOINT_FAILED', 'a snapshot it builds on is not stored')
      if (open.taken === null || this.#isClosed) return
      const snapshot = this.#handleOf(state, bytesOf(stored), open, open.taken)
      for (const { name } of state.blobs) subtask.untold.delete(name)
      if (!open.isSavepoint) this.#need(checkpointId, state)
      await this.#acknowledge(reference, snapshot)
    } catch (error) {
      subtask.chain.failed(upload.link)
      await before
      await this.#declineStored(reference, error)
    } finally {
      subtask.uploads.delete(checkpointId)
    }
  }

  /** `state`: what the subtask's state is made of now; null: that cannot be told. */
  #note({ untold }: Subtask, stored: StoredState, state: StoredState | null): void {
    for (const { name } of stored.blobs) untold.add(name)
    if (state === null) return
    const needed = new Set(state.blobs.map(({ name }) => name))
    const unneeded = [...untold].filter((name) => !needed.has(name))
    for (const name of unneeded) untold.delete(name)
    void this.#deleteShared(unneeded)
  }

  #need(checkpointId: number, { blobs }: StoredState): void {
    if (this.#copies === null) return
    const needed = this.#needed.get(checkpointId) ?? new Set()
    for (const { name } of blobs) needed.add(name)
    this.#needed.set(checkpointId, needed)
  }

  /** Of what is local, what the last completed checkpoint needs, and those that may complete after it. */
  #keepCopies(checkpointId: number, isCompleted: boolean): void {
    const needed = this.#needed.get(checkpointId)
    this.#needed.delete(checkpointId)
    if (needed === undefined || !isCompleted) return
    // Those whose end nobody has told us.
    for (const id of this.#needed.keys()) if (id < checkpointId) this.#needed.delete(id)
    const { folder } = this.#sharedPlace()
    this.#copies?.retain((path) => {
      const name = path.slice(folder.length)
      return needed.has(name) || !this.#isOld(name, checkpointId)
    })
  }

  /** Whether one of the subtasks here has stored it, in an attempt before, or not after the checkpoint. */
  #isOld(name: string, checkpointId: number): boolean {
    const origin = originOf(name)
    if (origin === undefined || !this.#subtasks.has(taskId(origin.vertexId, origin.index))) return false
    return origin.attempt < this.#deployment.attempt || origin.checkpointId <= checkpointId
  }

  async #acknowledge(reference: BlobOrigin, snapshot: SnapshotHandle): Promise<void> {
    let patienceEndMs = Number.POSITIVE_INFINITY
    const answer = await this.#tell({ kind: 'acknowledge', ...reference, snapshot }, () => {
      if (!this.#isClosed) return false
      const nowMs = this.#environment.clock.monotonic()
      patienceEndMs = Math.min(patienceEndMs, nowMs + ANSWER_PATIENCE_MS)
      return nowMs >= patienceEndMs
    })
    await this.#deleteShared(answer?.unwanted ?? [])
  }

  /** Errors are for the log: whoever looks through the folder next finds what is left. */
  async #deleteShared(names: readonly string[]): Promise<void> {
    if (names.length === 0) return
    const place = this.#sharedPlace()
    const { jobId, attempt } = this.#deployment
    try {
      for (const name of names) await this.#storage.deleteBlob(place, name)
    } catch (error) {
      this.#environment.log.warn('what was stored in vain is left over', { job: jobId, attempt, error })
    }
  }

  async #declineStored(reference: BlobOrigin, error: unknown): Promise<void> {
    if (this.#isClosed) return
    const { jobId } = this.#deployment
    const { checkpointId } = reference
    this.#environment.log.warn('a snapshot could not be stored', {
      job: jobId,
      checkpoint: checkpointId,
      error,
    })
    await this.#decline(reference, error)
  }

  /** There will be no snapshot. Resolves when the job master knows, or does not care any more. */
  decline({ vertex, index }: SubtaskPlan, checkpointId: number, error: unknown): Promise<void> {
    const { attempt } = this.#deployment
    return this.#decline({ attempt, checkpointId, vertexId: vertex.id, index }, error)
  }

  async #decline(reference: BlobOrigin, error: unknown): Promise<void> {
    const message = { kind: 'decline', ...reference, error: toErrorRecord(error) } as const
    await this.#tell(message, () => this.#isClosed).catch(() => {})
  }

  #handleOf(
    { blobs, keyed }: StoredState,
    writtenBytes: number,
    { isSavepoint }: Upload,
    { snapshot, times }: NonNullable<Upload['taken']>,
  ): SnapshotHandle {
    const { operators, inputs } = snapshot
    const { isUnaligned, alignmentMs, syncMs, frozenMs } = times
    const asyncMs = this.#environment.clock.monotonic() - frozenMs
    const unions = operators
      .filter(({ operatorState }) => operatorState.some(({ mode }) => mode === 'union'))
      .map(({ id }) => id)
    const inFlight = inFlightOf(inputs)
    const channelBytes = inFlight.reduce((sum, edge) => sum + edge.byteLength, 0)
    const states = mergeSubtaskStates([keyed, statesOf(operators)])
    const stats = { isUnaligned, alignmentMs, syncMs, asyncMs, totalBytes: writtenBytes, channelBytes }
    return { blobs, isShared: !isSavepoint, unions, states, inFlight, stats }
  }

  /** What is still being stored is given up; that it is deleted is not waited for. */
  async close(): Promise<void> {
    this.#isClosed = true
    const subtasks = [...this.#subtasks.values()]
    const open = subtasks.flatMap(({ uploads }) => [...uploads.values()])
    const givenUp = open.map(({ upload }) => upload.giveUp())
    const told = subtasks.map((subtask) => subtask.told)
    void Promise.all([...givenUp, ...told])
      .then(() => this.#deleteShared(subtasks.flatMap(({ untold }) => [...untold])))
      .then(() => this.#storage.close())
  }

  #subtaskOf({ vertex, index }: SubtaskPlan): Subtask {
    const id = taskId(vertex.id, index)
    const known = this.#subtasks.get(id)
    if (known !== undefined) return known
    const subtask: Subtask = {
      chain: new SnapshotChain(this.#settings),
      uploads: new Map(),
      told: Promise.resolve(),
      untold: new Set(),
    }
    this.#subtasks.set(id, subtask)
    return subtask
  }

  #sharedPlace(): CheckpointPlace {
    return { storageUri: this.#settings.storageUri, folder: sharedFolder(this.#deployment.jobId) }
  }

  #tell<K extends 'acknowledge' | 'decline'>(
    message: { readonly kind: K } & Readonly<JobMasterProtocol[K]['request']>,
    isObsolete: () => boolean,
  ): Promise<ReplyOf<JobMasterProtocol, K> | undefined> {
    const { system, subjects, clock } = this.#environment
    const jobMaster: ActorRef<JobMasterProtocol> = {
      subject: subjects.control(jobMasterName(this.#deployment.jobId)),
    }
    return askPersistently<JobMasterProtocol, K>(system, jobMaster, message as never, { clock, isObsolete })
  }
}

const bytesOf = ({ blobs }: StoredState): number => blobs.reduce((sum, { byteLength }) => sum + byteLength, 0)

/** A savepoint whose place is not known any more was given up before its barrier came. */
function knownPlace(place: CheckpointPlace | undefined): CheckpointPlace {
  if (place !== undefined) return place
  throw new SluiceError('CHECKPOINT_FAILED', 'the savepoint was given up')
}

/** Missing and damaged are one thing for whoever restores: this checkpoint is of no use, another may be. */
function asUnreadable(error: unknown, { storageUri, folder }: CheckpointPlace): unknown {
  const { code, message, details } = toErrorRecord(error)
  if (code !== 'CHECKPOINT_DAMAGED' && code !== 'BLOB_NOT_FOUND') return error
  const text = `the checkpoint ${folderUri(storageUri, folder)} cannot be read: ${message}`
  return new SluiceError('CHECKPOINT_UNREADABLE', text, { cause: error, details: { ...details } })
}
