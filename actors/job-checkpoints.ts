/**
 * The checkpoints of one job: shell of the checkpoint coordinator, which decides. It asks enumerators and the first
 * tasks for their snapshots, writes the metadata when all have acknowledged, tells the slots what became of it, and
 * knows what the next attempt begins with.
 *
 * A checkpoint is complete once the record of the job says so, which is saved after the metadata: only then is it
 * announced, and only then are older ones deleted. So a leader that has been replaced, whose saves fail, commits
 * nothing and deletes nothing that its successor relies on. What it had begun its successor gives up.
 */
import { type ErrorRecord, toErrorRecord } from '../lib/base/errors.ts'
import type { Subjects } from '../lib/bus/subjects.ts'
import {
  CheckpointCoordinator,
  type CheckpointEvent,
  type CheckpointOrder,
} from '../lib/checkpoint/checkpoint-coordinator.ts'
import {
  type CheckpointDemand,
  CheckpointDemands,
  type DemandStatus,
} from '../lib/checkpoint/checkpoint-demands.ts'
import type { CheckpointFailureReason } from '../lib/checkpoint/checkpoint-failures.ts'
import {
  blobNames,
  type CheckpointMetadata,
  checkpointFolder,
  encodeMetadata,
  folderUri,
  METADATA,
  metadataOf,
  type SnapshotHandle,
} from '../lib/checkpoint/checkpoint-files.ts'
import { CheckpointHistory, type CheckpointSummary } from '../lib/checkpoint/checkpoint-history.ts'
import type { CheckpointRequest } from '../lib/checkpoint/checkpoint-request-decider.ts'
import type { CheckpointSettings } from '../lib/checkpoint/checkpoint-settings.ts'
import {
  type CheckpointPlace,
  CheckpointStorage,
  placeOf,
  uriOf,
} from '../lib/checkpoint/checkpoint-storage.ts'
import { missingTasks, taskId, tasksOf } from '../lib/checkpoint/first-tasks.ts'
import type { SlotLocation } from '../lib/graph/execution-graph.ts'
import type { JobGraph } from '../lib/graph/job-graph.ts'
import type { SubtaskId } from '../lib/graph/pipelined-regions.ts'
import type { CheckpointReference, CheckpointsView, SavepointRequest } from '../lib/protocol/job-master.ts'
import { latestId, lostIds, type SavedCheckpoints } from '../lib/protocol/job-record.ts'
import type { RestoreSettings } from '../lib/protocol/job-submission.ts'
import type { DeployedRegion } from '../lib/scheduler/job-events.ts'
import type { JobState } from '../lib/scheduler/job-state.ts'
import type { BlobStore } from '../lib/storage/blob-store.ts'
import { AttemptSlots, type Host } from './attempt-slots.ts'
import { CheckpointBlobs } from './checkpoint-blobs.ts'
import { EnumeratorSnapshots } from './enumerator-snapshots.ts'

export interface JobCheckpointsOptions {
  readonly jobId: string
  readonly graph: JobGraph
  readonly settings: CheckpointSettings
  readonly subjects: Subjects
  openStorage(uri: string): Promise<BlobStore>
  /** What the job was submitted with to begin from. */
  readonly restore: RestoreSettings | null
  /** The savepoint it was to stop with is complete; what is not committed is left to who goes on from it. */
  onStopped(): void
  /** More checkpoints have failed than are tolerated. */
  onFailed(error: ErrorRecord): void
  /** Of the leader that does this. */
  readonly epoch: number
  /** The present attempt of a subtask. */
  attemptOf(subtask: SubtaskId): number
  /** Whether a slot has this attempt of a region still. */
  isCurrent(slot: SlotLocation, region: number, attempt: number): boolean
  /** What the leader before has left; null: there was none. */
  readonly saved: SavedCheckpoints | null
  /** Saves the record of the job, with what `saved` says now. Rejects once another leads. */
  save(): Promise<void>
}

type Order = CheckpointOrder<SnapshotHandle>
type Event = CheckpointEvent<SnapshotHandle>

/** From when all regions run until one of them does not; and its coordinator. */
interface Round {
  readonly slots: AttemptSlots
  readonly brain: CheckpointCoordinator<SnapshotHandle>
  readonly finished: Set<string>
  /** By checkpoint, while it is pending. */
  readonly triggered: Map<
    number,
    {
      readonly timestamp: number
      readonly enumerators: CheckpointMetadata['enumerators']
      readonly acknowledged: Set<string>
    }
  >
}

/** Ids that are reserved at once, so that not every checkpoint has to be saved before it is begun. */
const IDS_RESERVED = 10

export class JobCheckpoints {
  readonly #options: JobCheckpointsOptions
  readonly #host: Host
  readonly #storage: CheckpointStorage
  readonly #blobs: CheckpointBlobs
  readonly #enumerators: EnumeratorSnapshots
  #round: Round | null = null
  /** Completed and kept, oldest first. */
  #completed: readonly number[] = []
  /** Those of them that could not be read. Deleted with the next one that completes, till then somebody may look. */
  readonly #unreadable: number[] = []
  #lastId = 0
  /** The request for the savepoint the job was to stop with, which is complete: it must not go on from an older one. */
  #stoppedWith: string | null = null
  /** Writing and deleting that is under way. */
  readonly #background = new Set<Promise<void>>()
  readonly #demands: CheckpointDemands
  readonly #history: CheckpointHistory
  #reservedId: number
  /** Their metadata is being written: whoever writes it cleans up if they are given up. */
  readonly #storing = new Set<number>()
  /** Checkpoints of the leader before of which tasks that ran under it are still to be told. */
  #inherited: SavedCheckpoints | null
  #hasLeft = false
  #hasEnded = false

  constructor(options: JobCheckpointsOptions, host: Host) {
    this.#options = options
    this.#host = host
    const { jobId, settings, restore, saved } = options
    this.#inherited = saved
    this.#completed = saved?.completed ?? []
    this.#reservedId = saved?.reservedId ?? 0
    this.#lastId = this.#reservedId
    this.#demands = new CheckpointDemands(saved?.demands)
    this.#stoppedWith = this.#demands.stoppedWith
    this.#history = new CheckpointHistory(settings.historyMax)
    for (const checkpointId of this.#completed) {
      const uri = uriOf(this.#checkpointPlace(checkpointId))
      this.#history.adopted({ checkpointId, subtaskCount: tasksOf(options.graph).length, uri })
    }
    this.#storage = new CheckpointStorage(settings.storageUri, (uri) => options.openStorage(uri))
    this.#enumerators = new EnumeratorSnapshots(
      { ...options, storage: this.#storage, lastPlace: () => this.restore, lastId: () => this.restoreId },
      host,
    )
    this.#blobs = new CheckpointBlobs({
      ...{ jobId, storageUri: settings.storageUri, storage: this.#storage },
      claimed: restore?.claimMode === 'claim' ? placeOf(restore.uri) : null,
      ...{ inherited: this.#completed, log: host.log },
    })
  }

  /** What the next attempt begins with; null: from the beginning. */
  get restore(): CheckpointPlace | null {
    const { restore } = this.#options
    if (this.restoreId > 0) return this.#checkpointPlace(this.restoreId)
    return restore === null ? null : placeOf(restore.uri)
  }

  /** Which checkpoint of this job that is; 0: none. */
  get restoreId(): number {
    return this.#completed.at(-1) ?? 0
  }

  /** For the record of the job. */
  get saved(): SavedCheckpoints {
    const demands = this.#demands.saved
    return { completed: this.#completed, reservedId: this.#reservedId, demands }
  }

  /** Whether the job has ended with a savepoint, and must not go on from before it. */
  get isStopped(): boolean {
    return this.#stoppedWith !== null
  }

  /** Checkpoints may be taken. */
  get hasBegun(): boolean {
    return this.#round !== null
  }

  get summary(): CheckpointSummary {
    return this.#history.summary
  }

  /** `checkpointId`: of the one whose subtasks are to be told too. */
  view(checkpointId: number | null): CheckpointsView {
    const { records, summary } = this.#history
    const detail = checkpointId === null ? null : (this.#history.detail(checkpointId) ?? null)
    return { jobId: this.#options.jobId, records, summary, detail }
  }

  /**
   * A subtask cannot read what its attempt was to begin with, `beganId`. The checkpoints that need what is damaged are
   * of no use; true if an older one is left to begin with. Said once of an attempt, however many subtasks complain,
   * and of several regions only the first that began there need do anything.
   */
  fallBack(error: ErrorRecord, beganId: number): boolean {
    const latest = this.#completed.at(-1)
    if (latest === undefined) return false
    if (beganId !== latest) return true
    const name = `${error.details?.path ?? ''}`.split('/').at(-1)!
    const useless = new Set([latest, ...this.#blobs.checkpointsWith(name)])
    this.#unreadable.push(...this.#completed.filter((id) => useless.has(id)))
    this.#completed = this.#completed.filter((id) => !useless.has(id))
    void this.#options.save().catch(() => {})
    const next = this.#completed.at(-1) ?? null
    const fields = { job: this.#options.jobId, checkpoint: latest, next, error: error.message }
    if (next === null) this.#host.log.warn('no checkpoint is left to go on from', fields)
    else this.#host.log.warn('a checkpoint is damaged, an older one takes its place', fields)
    return next !== null
  }

  /** How a savepoint is coming along; the first time it is asked for, it is begun. Throws CHECKPOINT_FAILED. */
  savepoint({ requestId, uri, stop }: SavepointRequest): DemandStatus {
    const { settings, jobId } = this.#options
    const place = uri ?? folderUri(settings.storageUri, `savepoints/${jobId}-${requestId}`)
    return this.#demand({ requestId, type: 'savepoint', uri: place, stop })
  }

  /** As `savepoint`, for a checkpoint. */
  checkpoint(requestId: string): DemandStatus {
    const uri = folderUri(this.#options.settings.storageUri, `${this.#options.jobId}/`)
    return this.#demand({ requestId, type: 'checkpoint', uri, stop: 'none' })
  }

  /** All tasks of all regions run. Those of some may have before; `stop` has told them what came to nothing. */
  begin(regions: readonly DeployedRegion[]): void {
    const { jobId, subjects, epoch, settings, graph, isCurrent } = this.#options
    const tasks = tasksOf(graph).map(({ vertexId, index }) => taskId(vertexId, index))
    const options = {
      ...settings,
      ...{ lastCheckpointId: this.#lastId, completed: this.#completed },
      intervalMs: settings.intervalMs ?? Number.POSITIVE_INFINITY,
    }
    const brain = new CheckpointCoordinator<SnapshotHandle>(options, tasks, this.#nowMs())
    const slots = new AttemptSlots({ jobId, graph, subjects, epoch, regions, isCurrent }, this.#host)
    this.#round = { slots, brain, finished: new Set(), triggered: new Map() }
    if (this.#completed.length > 0 || regions.some(({ attempt }) => attempt > 0))
      this.#sweep(this.#options.attemptOf)
    this.#inherit(this.#round)
  }

  /**
   * Tasks that run have under another leader. Whatever it had pending is given up, for they may wait for it; what it
   * completed is announced, for it may not have come to that.
   */
  #inherit(round: Round): void {
    const saved = this.#inherited
    this.#inherited = null
    if (saved === null) return
    const latest = latestId(saved)
    const lost = lostIds(saved).map((id) => this.#settle(round, id, false))
    const settled = latest === 0 ? lost : [this.#settle(round, latest, true), ...lost]
    void Promise.all(settled).then(() => this.#stopped(round))
  }

  /** This leader leads no more, or stops: nothing is given up, announced or deleted any more. */
  async leave(): Promise<void> {
    this.#hasLeft = true
    this.#round = null
    this.#blobs.leave()
    await this.close()
  }

  /** These subtasks have no attempt any more that builds on what it has stored; null: none of the job has. */
  attemptEnded(subtasks: readonly SubtaskId[] | null): void {
    this.#blobs.attemptEnded(subtasks?.map(({ vertexId, index }) => taskId(vertexId, index)) ?? null)
  }

  /** Not all regions run any more; those that do are told that what is pending is given up. */
  stop(reason: CheckpointFailureReason): void {
    if (this.#round === null) return
    this.#decide({ kind: 'stopped', reason })
    this.#round = null
    if (this.#stoppedWith !== null) {
      this.#demands.done(this.#stoppedWith)
      this.#options.onStopped()
    }
    this.#demands.failAll(reason)
  }

  tick(): void {
    this.#decide({ kind: 'tick' })
  }

  /** Returns which of the blobs nobody needs. */
  acknowledged(reference: CheckpointReference, snapshot: SnapshotHandle): string[] {
    const { attempt, checkpointId, vertexId, index } = reference
    const attemptOf = this.#hasEnded ? () => Number.POSITIVE_INFINITY : this.#options.attemptOf
    if (attempt !== attemptOf(reference)) return this.#blobs.unwanted(snapshot, attemptOf)
    const task = taskId(vertexId, index)
    const triggered = this.#round?.triggered.get(checkpointId)
    triggered?.acknowledged.add(task)
    this.#blobs.acknowledged(task, { checkpointId, isPending: triggered !== undefined }, snapshot)
    this.#history.acknowledged(checkpointId, task, snapshot.stats, this.#nowMs())
    this.#decide({ kind: 'acknowledged', checkpointId, task, snapshot })
    return []
  }

  declined(reference: CheckpointReference, error: ErrorRecord): void {
    const { attempt, checkpointId, vertexId, index } = reference
    if (this.#round === null || attempt !== this.#options.attemptOf(reference)) return
    const task = taskId(vertexId, index)
    this.#history.declined(checkpointId, `${task}: ${error.message}`)
    this.#host.log.warn('a checkpoint was declined', { checkpoint: checkpointId, task, error: error.message })
    const reason = error.code === 'CHECKPOINT_SUBSUMED' ? 'declined-subsumed' : 'io-exception'
    this.#decide({ kind: 'declined', checkpointId, task, reason })
  }

  taskFinished(task: string): void {
    const round = this.#round
    if (round === null || round.finished.has(task)) return
    round.finished.add(task)
    this.#decide({ kind: 'finished', task })
  }

  /** A task has nothing left to do but wait for a checkpoint: there is no point in waiting for the interval. */
  taskAwaits(task: string): void {
    const pending = this.#round?.brain.pendingIds.length ?? 0
    if (this.#round === null || pending > 0) return
    const request = { id: `final-${task}`, type: 'checkpoint', isPeriodic: false, isForced: true } as const
    this.#decide({ kind: 'requested', request })
  }

  /** The job has ended. Checkpoints that nobody is to go on from are deleted; those of a job that failed are kept. */
  async end(state: JobState): Promise<void> {
    const { retainOnCancel, retainOnFinish } = this.#options.settings
    if (this.#stoppedWith !== null) this.#demands.done(this.#stoppedWith)
    const isCancelled = state === 'cancelled' && this.#stoppedWith === null
    const isRetained = state === 'failed' || (isCancelled ? retainOnCancel : retainOnFinish)
    this.#hasEnded = true
    if (state === 'finished' && !isRetained) this.#blobs.discardClaimed()
    if (this.#lastId === 0) return
    if (isRetained) {
      this.#sweep(() => Number.POSITIVE_INFINITY)
      return
    }
    for (const checkpointId of this.#completed) this.#history.discarded(checkpointId)
    this.#completed = []
    this.#blobs.discardAll()
    await this.#blobs.close()
    // Nothing is left for a leader to come.
    this.#lastId = 0
    this.#reservedId = 0
    await this.#options.save().catch(() => {})
  }

  /** Nothing is left of what attempts before this one have stored but what checkpoints need. */
  #sweep(attemptOf: (subtask: SubtaskId) => number): void {
    const completed = [...this.#unreadable, ...this.#completed]
    this.#blobs.sweep({ attemptOf, lastId: this.#lastId, completed })
  }

  /** Waits for what is being written and deleted. */
  async close(): Promise<void> {
    while (this.#background.size > 0) await Promise.all(this.#background)
    await this.#blobs.close()
    await this.#storage.close()
  }

  #demand(demand: CheckpointDemand): DemandStatus {
    const { requestId, type } = demand
    const known = this.#demands.status(requestId)
    if (known !== undefined) return known
    this.#demands.add(demand)
    if (this.#round === null) {
      // Remembered: a copy of the order that comes late must not do what has been refused.
      this.#demands.failed(requestId, 'the job is not running')
    } else {
      const request = { id: requestId, type, isPeriodic: false, isForced: type === 'savepoint' } as const
      this.#decide({ kind: 'requested', request })
    }
    return this.#demands.status(requestId)!
  }

  #decide(event: Event): void {
    const round = this.#round
    if (round === null) return
    for (const order of round.brain.on(event, this.#nowMs())) this.#carryOut(round, order)
  }

  #carryOut(round: Round, order: Order): void {
    switch (order.kind) {
      case 'trigger':
        this.#record(order)
        void this.#trigger(round, order)
        break
      case 'store':
        this.#inBackground(this.#storeMetadata(round, order))
        break
      case 'announce':
        void this.#announce(round, order)
        break
      case 'abort':
        this.#abort(round, order)
        break
      case 'discard':
        this.#completed = this.#completed.filter((id) => id !== order.checkpointId)
        this.#history.discarded(order.checkpointId)
        this.#blobs.discard(order.checkpointId)
        break
      case 'failJob':
        this.#options.onFailed({
          code: 'CHECKPOINT_FAILED',
          message: `more than ${this.#options.settings.tolerableFailures} checkpoints in a row have failed, the last one: ${this.#history.summary.lastFailed?.failure ?? order.reason}`,
        })
        break
      case 'drop':
        this.#demands.failed(order.request.id, order.reason)
        break
      case 'defer':
      case 'ignore':
        break
    }
  }

  /**
   * A completed checkpoint is what a restart begins with; slots commit. A savepoint is not, and so what it holds is
   * committed with the next checkpoint, or a restart would commit it twice: unless the job ends with it.
   */
  async #announce(
    round: Round,
    { checkpointId, request }: Extract<Order, { kind: 'announce' }>,
  ): Promise<void> {
    const isSavepoint = request.type === 'savepoint'
    const isLast = isSavepoint && this.#demands.find(request.id)?.stop !== 'none'
    if (!isSavepoint) {
      this.#enumerators.completed(round.triggered.get(checkpointId)?.enumerators ?? [])
      for (const id of this.#unreadable.splice(0)) this.#blobs.discard(id)
    }
    if (this.#completed.length >= this.#options.settings.retained) this.#blobs.discardClaimed()
    if (isLast) this.#stoppedWith = request.id
    this.#history.completed(checkpointId, this.#nowMs())
    this.#host.log.info(`${request.type} completed`, { checkpoint: checkpointId })
    await this.#settle(round, checkpointId, !isSavepoint || isLast)
    this.#demands.done(request.id)
    if (isLast) this.#stopped(round)
  }

  #stopped(round: Round): void {
    if (this.#stoppedWith === null || this.#round !== round) return
    this.#demands.done(this.#stoppedWith)
    this.#options.onStopped()
  }

  #abort(round: Round, { checkpointId, request, reason }: Extract<Order, { kind: 'abort' }>): void {
    const acknowledged = round.triggered.get(checkpointId)?.acknowledged
    const missing = missingTasks(this.#options.graph, round.finished, acknowledged)
    this.#host.log.warn(`${request.type} aborted`, { checkpoint: checkpointId, reason, missing })
    this.#history.failed(checkpointId, reason, this.#nowMs())
    void this.#settle(round, checkpointId, false)
    // The coordinator tries again without the task that has finished; a savepoint, in the same place.
    const isTriedAgain = reason === 'declined-input-end-of-stream'
    if (!isTriedAgain) this.#demands.failed(request.id, reason)
    this.#completed = this.#completed.filter((id) => id !== checkpointId)
    if ((isTriedAgain && request.type === 'savepoint') || this.#storing.has(checkpointId)) return
    this.#discard(checkpointId, request)
  }

  /** What has come to nothing. */
  #discard(checkpointId: number, request: CheckpointRequest): void {
    if (request.type === 'savepoint') this.#blobs.discardFolder(this.#placeOf(checkpointId, request))
    else this.#blobs.discard(checkpointId)
  }

  #inBackground(work: Promise<void>): void {
    this.#background.add(work)
    void work.finally(() => this.#background.delete(work))
  }

  #placeOf(checkpointId: number, { id, type }: CheckpointRequest): CheckpointPlace {
    const demand = type === 'savepoint' ? this.#demands.find(id) : undefined
    return demand === undefined ? this.#checkpointPlace(checkpointId) : { storageUri: demand.uri, folder: '' }
  }

  #checkpointPlace(checkpointId: number): CheckpointPlace {
    const { settings, jobId } = this.#options
    return { storageUri: settings.storageUri, folder: checkpointFolder(jobId, checkpointId) }
  }

  #record({ checkpointId, request, tasks }: Extract<Order, { kind: 'trigger' }>): void {
    this.#lastId = checkpointId
    const uri = uriOf(this.#placeOf(checkpointId, request))
    const { type } = request
    const triggeredMs = this.#host.clock.now()
    const subtaskCount = tasks.length
    this.#history.triggered({ checkpointId, type, triggeredMs, subtaskCount, uri }, this.#nowMs())
    this.#demands.triggered(request.id, checkpointId, uri)
  }

  /** Enumerators first: what they hand out afterwards reaches no reader before its barrier does. */
  async #trigger(
    round: Round,
    { checkpointId, request }: Extract<Order, { kind: 'trigger' }>,
  ): Promise<void> {
    const timestamp = this.#host.clock.now()
    const acknowledged = new Set<string>()
    round.triggered.set(checkpointId, { timestamp, enumerators: [], acknowledged })
    const isObsolete = () => !this.#isPending(round, checkpointId)
    try {
      if (checkpointId > this.#reservedId) await this.#reserveIds()
      const savepoint = request.type === 'savepoint' ? this.#demands.find(request.id) : undefined
      if (savepoint !== undefined) await round.slots.expect(checkpointId, savepoint, isObsolete)
      const { slots, finished } = round
      const enumerators = await this.#enumerators.take(checkpointId, slots.regions, finished, isObsolete)
      if (isObsolete()) return
      round.triggered.set(checkpointId, { timestamp, enumerators, acknowledged })
      const barrier = { checkpointId, timestamp, isSavepoint: savepoint !== undefined }
      await round.slots.trigger(barrier, round.finished, isObsolete)
    } catch (error) {
      this.#fail(round, checkpointId, error)
    }
  }

  /** So that no leader uses an id that another has used. */
  async #reserveIds(): Promise<void> {
    this.#reservedId = Math.max(this.#reservedId, this.#lastId + IDS_RESERVED)
    await this.#options.save()
  }

  #fail(round: Round, checkpointId: number, error: unknown): void {
    if (!this.#isPending(round, checkpointId)) return
    const { message } = toErrorRecord(error)
    this.#history.declined(checkpointId, message)
    this.#host.log.warn('a checkpoint could not be triggered', { checkpoint: checkpointId, error: message })
    this.#decide({ kind: 'declined', checkpointId, task: '', reason: 'trigger-failure' })
  }

  async #storeMetadata(round: Round, order: Extract<Order, { kind: 'store' }>): Promise<void> {
    const { checkpointId, request } = order
    let isOk = true
    let isForNothing = true
    this.#storing.add(checkpointId)
    try {
      const { timestamp = 0, enumerators = [] } = round.triggered.get(checkpointId) ?? {}
      const { jobId, graph } = this.#options
      const isSavepoint = request.type === 'savepoint'
      const head = { jobId, checkpointId, timestamp, enumerators, isSavepoint }
      const metadata = metadataOf(head, graph, order.snapshots)
      const place = this.#placeOf(checkpointId, request)
      if (metadata.isSavepoint) await this.#storage.requireAll(place, blobNames(metadata))
      await this.#storage.put(place, METADATA, encodeMetadata(metadata))
      isForNothing = !this.#isPending(round, checkpointId)
      if (!isForNothing) await this.#complete(checkpointId, request)
    } catch (error) {
      this.#history.declined(checkpointId, `the metadata: ${toErrorRecord(error).message}`)
      const fields = { checkpoint: checkpointId, error }
      this.#host.log.warn('the metadata of a checkpoint could not be written', fields)
      isOk = false
    }
    this.#storing.delete(checkpointId)
    if (this.#isPending(round, checkpointId)) this.#decide({ kind: 'stored', checkpointId, isOk })
    // Given up meanwhile: with its metadata it would look complete.
    else if (!this.#hasLeft) await this.#undo(checkpointId, request)
    // No leader to come can know of it, nor use its id; a savepoint it may be taking anew in the same place.
    else if (isForNothing && request.type === 'checkpoint') await this.#unwrite(checkpointId)
  }

  /** The step that makes it real; until it has been announced it can still be given up. */
  async #complete(checkpointId: number, { id, type }: CheckpointRequest): Promise<void> {
    if (type === 'savepoint') this.#demands.completed(id, true)
    else this.#completed = [...this.#completed, checkpointId].sort((a, b) => a - b)
    await this.#reserveIds()
  }

  async #undo(checkpointId: number, request: CheckpointRequest): Promise<void> {
    this.#demands.completed(request.id, false)
    const isSaved = await this.#options.save().then(
      () => true,
      () => false,
    )
    if (isSaved) this.#discard(checkpointId, request)
  }

  /** Its blobs are for the next leader to find. */
  async #unwrite(checkpointId: number): Promise<void> {
    const place = this.#checkpointPlace(checkpointId)
    await this.#storage
      .deleteBlob(place, METADATA)
      .catch((error) =>
        this.#host.log.warn('the metadata of a checkpoint that is none is left over', { ...place, error }),
      )
  }

  async #settle(round: Round, checkpointId: number, mustCommit: boolean): Promise<void> {
    round.triggered.delete(checkpointId)
    await round.slots.ended(checkpointId, mustCommit, () => this.#hasLeft)
  }

  #isPending(round: Round, checkpointId: number): boolean {
    return this.#round === round && round.triggered.has(checkpointId)
  }

  #nowMs(): number {
    return this.#host.clock.monotonic()
  }
}
