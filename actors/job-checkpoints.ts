/**
 * The checkpoints of one job: shell of the checkpoint coordinator, which decides. It asks enumerators and the first
 * tasks for their snapshots, writes the metadata when all have acknowledged, tells the slots what became of it, and
 * knows what the next attempt begins with.
 */
import type { ActorRef, AskKind, MessageOf, Protocol, ReplyOf } from '../lib/actor/actor-ref.ts'
import type { ActorContext } from '../lib/actor/behavior.ts'
import { askPersistently } from '../lib/actor/persistent-ask.ts'
import { type ErrorRecord, SluiceError, toErrorRecord } from '../lib/base/errors.ts'
import type { Subjects } from '../lib/bus/subjects.ts'
import {
  CheckpointCoordinator,
  type CheckpointEvent,
  type CheckpointOrder,
} from '../lib/checkpoint/checkpoint-coordinator.ts'
import type { CheckpointFailureReason } from '../lib/checkpoint/checkpoint-failures.ts'
import {
  type CheckpointMetadata,
  checkpointFolder,
  encodeMetadata,
  FORMAT_VERSION,
  folderUri,
  METADATA,
  operatorRecords,
  type SnapshotHandle,
} from '../lib/checkpoint/checkpoint-files.ts'
import type { CheckpointRequest } from '../lib/checkpoint/checkpoint-request-decider.ts'
import type { CheckpointSettings } from '../lib/checkpoint/checkpoint-settings.ts'
import { type CheckpointPlace, CheckpointStorage } from '../lib/checkpoint/checkpoint-storage.ts'
import { firstTasks, type Task, taskId, tasksOf } from '../lib/checkpoint/first-tasks.ts'
import type { Placement, SlotLocation } from '../lib/graph/execution-graph.ts'
import type { JobGraph } from '../lib/graph/job-graph.ts'
import { slotName } from '../lib/protocol/dispatcher.ts'
import type { JobMasterProtocol, SavepointRequest } from '../lib/protocol/job-master.ts'
import type { SlotProtocol, SourceCoordinatorProtocol } from '../lib/protocol/slot.ts'
import type { BlobStore } from '../lib/storage/blob-store.ts'

export interface JobCheckpointsOptions {
  readonly jobId: string
  readonly graph: JobGraph
  readonly settings: CheckpointSettings
  readonly subjects: Subjects
  openStorage(uri: string): Promise<BlobStore>
  /** What the job was submitted with to begin from. */
  readonly restore: CheckpointPlace | null
  /** The savepoint it was to stop with is complete; what is not committed is left to who goes on from it. */
  onStopped(): void
  /** More checkpoints have failed than are tolerated. */
  onFailed(error: ErrorRecord): void
}

/** The job master, as far as it is needed here. */
type Host = Pick<ActorContext<JobMasterProtocol>, 'clock' | 'log' | 'ask'>
type Order = CheckpointOrder<SnapshotHandle>
type Event = CheckpointEvent<SnapshotHandle>

/** One attempt, and its coordinator. */
interface Round {
  readonly attempt: number
  readonly placement: Placement
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

type SavepointStatus = JobMasterProtocol['savepoint']['reply']

interface Savepoint extends SavepointRequest {
  readonly uri: string
  isDone: boolean
  failure: string | null
}

/** Orders that are remembered; the oldest is forgotten. */
const SAVEPOINTS_MAX = 100
const MISSING_SHOWN_MAX = 10

export class JobCheckpoints {
  readonly #options: JobCheckpointsOptions
  readonly #host: Host
  readonly #storage: CheckpointStorage
  #round: Round | null = null
  /** Completed and kept, oldest first. */
  #completed: readonly number[] = []
  #lastId = 0
  /** The savepoint that the job was to stop with is complete: it must not go on from an older checkpoint. */
  #last: Savepoint | null = null
  /** Writing and deleting that is under way. */
  readonly #background = new Set<Promise<void>>()
  /** By request. */
  readonly #savepoints = new Map<string, Savepoint>()

  constructor(options: JobCheckpointsOptions, host: Host) {
    this.#options = options
    this.#host = host
    this.#storage = new CheckpointStorage(options.settings.storageUri, (uri) => options.openStorage(uri))
  }

  /** What the next attempt begins with; null: from the beginning. */
  get restore(): CheckpointPlace | null {
    const latest = this.#completed.at(-1)
    return latest === undefined ? this.#options.restore : this.#checkpointPlace(latest)
  }

  /** How a savepoint is coming along; the first time it is asked for, it is begun. Throws CHECKPOINT_FAILED. */
  savepoint(order: SavepointRequest): SavepointStatus {
    const known = this.#savepoints.get(order.requestId)
    if (known === undefined) return this.#beginSavepoint(order)
    if (known.failure !== null) throw savepointFailed(known.failure)
    return { isDone: known.isDone, uri: known.uri }
  }

  /** All tasks of an attempt run. */
  begin(attempt: number, placement: Placement): void {
    const { settings, graph } = this.#options
    const tasks = tasksOf(graph).map(({ vertexId, index }) => taskId(vertexId, index))
    const options = {
      ...settings,
      intervalMs: settings.intervalMs ?? Number.POSITIVE_INFINITY,
      lastCheckpointId: this.#lastId,
      completed: this.#completed,
    }
    const brain = new CheckpointCoordinator<SnapshotHandle>(options, tasks, this.#nowMs())
    this.#round = { attempt, placement, brain, finished: new Set(), triggered: new Map() }
  }

  /** The attempt is over, or will be. */
  stop(reason: CheckpointFailureReason): void {
    if (this.#round === null) return
    this.#decide({ kind: 'stopped', reason })
    this.#round = null
    if (this.#last !== null) {
      this.#last.isDone = true
      this.#options.onStopped()
    }
    for (const savepoint of this.#savepoints.values()) if (!savepoint.isDone) savepoint.failure ??= reason
  }

  tick(): void {
    this.#decide({ kind: 'tick' })
  }

  acknowledged(attempt: number, checkpointId: number, task: string, snapshot: SnapshotHandle): void {
    if (attempt !== this.#round?.attempt) return
    this.#round.triggered.get(checkpointId)?.acknowledged.add(task)
    this.#decide({ kind: 'acknowledged', checkpointId, task, snapshot })
  }

  declined(attempt: number, checkpointId: number, task: string, error: ErrorRecord): void {
    if (attempt !== this.#round?.attempt) return
    this.#host.log.warn('a checkpoint was declined', { checkpoint: checkpointId, task, error: error.message })
    this.#decide({ kind: 'declined', checkpointId, task, reason: 'io-exception' })
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

  /** The job has ended and its checkpoints are of no more use. */
  async discardAll(): Promise<void> {
    this.#completed = []
    if (this.#lastId === 0) return
    const { settings, jobId } = this.#options
    await this.#deleteFolder({ storageUri: settings.storageUri, folder: `${jobId}/` })
  }

  /** Waits for what is being written and deleted. */
  async close(): Promise<void> {
    while (this.#background.size > 0) await Promise.all(this.#background)
    await this.#storage.close()
  }

  #beginSavepoint({ requestId, uri, stop }: SavepointRequest): SavepointStatus {
    const { settings, jobId } = this.#options
    const place = uri ?? folderUri(settings.storageUri, `savepoints/${jobId}-${requestId}`)
    const savepoint: Savepoint = { requestId, uri: place, stop, isDone: false, failure: null }
    this.#savepoints.set(requestId, savepoint)
    const [oldest] = this.#savepoints.keys()
    if (this.#savepoints.size > SAVEPOINTS_MAX) this.#savepoints.delete(oldest!)
    if (this.#round === null) {
      // Remembered: a copy of the order that comes late must not do what has been refused.
      savepoint.failure = 'the job is not running'
      throw savepointFailed(savepoint.failure)
    }
    const request = { id: requestId, type: 'savepoint', isPeriodic: false, isForced: true } as const
    this.#decide({ kind: 'requested', request })
    return { isDone: false, uri: place }
  }

  #decide(event: Event): void {
    const round = this.#round
    if (round === null) return
    for (const order of round.brain.on(event, this.#nowMs())) this.#carryOut(round, order)
  }

  #carryOut(round: Round, order: Order): void {
    switch (order.kind) {
      case 'trigger':
        this.#lastId = order.checkpointId
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
        this.#inBackground(this.#deleteFolder(this.#checkpointPlace(order.checkpointId)))
        break
      case 'failJob':
        this.#options.onFailed({
          code: 'CHECKPOINT_FAILED',
          message: `more than ${this.#options.settings.tolerableFailures} checkpoints in a row have failed, the last one: ${order.reason}`,
        })
        break
      case 'drop':
        this.#failSavepoint(order.request.id, order.reason)
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
    const savepoint = this.#savepoints.get(request.id)
    const isLast = savepoint !== undefined && savepoint.stop !== 'none'
    if (savepoint === undefined) this.#completed = [...this.#completed, checkpointId]
    if (isLast) this.#last = savepoint
    this.#host.log.info(`${request.type} completed`, { checkpoint: checkpointId })
    await this.#settle(round, checkpointId, savepoint === undefined || isLast)
    if (savepoint === undefined) return
    savepoint.isDone = true
    if (isLast && this.#round === round) this.#options.onStopped()
  }

  #abort(round: Round, { checkpointId, request, reason }: Extract<Order, { kind: 'abort' }>): void {
    const missing = this.#missing(round, checkpointId)
    this.#host.log.warn(`${request.type} aborted`, { checkpoint: checkpointId, reason, missing })
    void this.#settle(round, checkpointId, false)
    // The coordinator tries again without the task that has finished, in the same place.
    if (request.type === 'savepoint' && reason === 'declined-input-end-of-stream') return
    this.#failSavepoint(request.id, reason)
    this.#inBackground(this.#deleteFolder(this.#placeOf(checkpointId, request)))
  }

  /** Whose acknowledgement has not come, the first of them. */
  #missing({ triggered, finished }: Round, checkpointId: number): string[] {
    const acknowledged = triggered.get(checkpointId)?.acknowledged
    return tasksOf(this.#options.graph)
      .map(({ vertexId, index }) => taskId(vertexId, index))
      .filter((task) => !finished.has(task) && acknowledged?.has(task) !== true)
      .slice(0, MISSING_SHOWN_MAX)
  }

  #inBackground(work: Promise<void>): void {
    this.#background.add(work)
    void work.finally(() => this.#background.delete(work))
  }

  #failSavepoint(requestId: string, reason: string): void {
    const savepoint = this.#savepoints.get(requestId)
    if (savepoint !== undefined) savepoint.failure = reason
  }

  #placeOf(checkpointId: number, request: CheckpointRequest): CheckpointPlace {
    const savepoint = this.#savepoints.get(request.id)
    return savepoint === undefined
      ? this.#checkpointPlace(checkpointId)
      : { storageUri: savepoint.uri, folder: '' }
  }

  #checkpointPlace(checkpointId: number): CheckpointPlace {
    const { settings, jobId } = this.#options
    return { storageUri: settings.storageUri, folder: checkpointFolder(jobId, checkpointId) }
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
      const savepoint = this.#savepoints.get(request.id)
      if (savepoint !== undefined) await this.#expect(round, checkpointId, savepoint, isObsolete)
      const sources = this.#options.graph.vertices.filter(({ isSource }) => isSource)
      const enumerators = await Promise.all(
        sources.map(async ({ id }) => {
          const message = { kind: 'snapshot', attempt: round.attempt, checkpointId } as const
          const reply = await this.#ask<SourceCoordinatorProtocol, 'snapshot'>(
            this.#sourceCoordinator(id),
            message,
            isObsolete,
          )
          return { id, state: reply?.state ?? new Uint8Array() }
        }),
      )
      if (isObsolete()) return
      round.triggered.set(checkpointId, { timestamp, enumerators, acknowledged })
      for (const [slot, subtasks] of this.#firstTasks(round)) {
        const message = {
          kind: 'triggerCheckpoint',
          jobId: this.#options.jobId,
          attempt: round.attempt,
          checkpointId,
          timestamp,
          isSavepoint: savepoint !== undefined,
          subtasks,
        } as const
        void this.#ask<SlotProtocol, 'triggerCheckpoint'>(this.#slot(slot), message, isObsolete).catch(
          (error) => this.#fail(round, checkpointId, error),
        )
      }
    } catch (error) {
      this.#fail(round, checkpointId, error)
    }
  }

  /** Every slot must know where a savepoint goes before its barrier can come by. */
  async #expect(
    round: Round,
    checkpointId: number,
    { uri, stop }: Savepoint,
    isObsolete: () => boolean,
  ): Promise<void> {
    const { jobId } = this.#options
    const place = { storageUri: uri, folder: '' }
    const message = {
      kind: 'expectSavepoint',
      jobId,
      attempt: round.attempt,
      checkpointId,
      place,
      stop,
    } as const
    await Promise.all(
      slotsOf(round).map((slot) =>
        this.#ask<SlotProtocol, 'expectSavepoint'>(this.#slot(slot), message, isObsolete),
      ),
    )
  }

  #fail(round: Round, checkpointId: number, error: unknown): void {
    if (!this.#isPending(round, checkpointId)) return
    const { message } = toErrorRecord(error)
    this.#host.log.warn('a checkpoint could not be triggered', { checkpoint: checkpointId, error: message })
    this.#decide({ kind: 'declined', checkpointId, task: '', reason: 'trigger-failure' })
  }

  /** The tasks the barrier begins with, by slot. */
  #firstTasks({ placement, finished }: Round): [SlotLocation, Task[]][] {
    const bySlot = new Map<string, [SlotLocation, Task[]]>()
    for (const task of firstTasks(this.#options.graph, finished)) {
      const slot = placement[task.vertexId]![task.index]!
      const key = `${slot.node}/${slot.slot}`
      bySlot.set(key, [slot, [...(bySlot.get(key)?.[1] ?? []), task]])
    }
    return [...bySlot.values()]
  }

  async #storeMetadata(round: Round, order: Extract<Order, { kind: 'store' }>): Promise<void> {
    const { checkpointId, request } = order
    let isOk = true
    try {
      const bytes = encodeMetadata(this.#metadata(round, order))
      await this.#storage.put(this.#placeOf(checkpointId, request), METADATA, bytes)
    } catch (error) {
      this.#host.log.warn('the metadata of a checkpoint could not be written', {
        checkpoint: checkpointId,
        error,
      })
      isOk = false
    }
    if (this.#isPending(round, checkpointId)) this.#decide({ kind: 'stored', checkpointId, isOk })
    // Given up meanwhile: with its metadata it would look complete.
    else await this.#deleteFolder(this.#placeOf(checkpointId, request))
  }

  #metadata(
    round: Round,
    { checkpointId, request, snapshots }: Extract<Order, { kind: 'store' }>,
  ): CheckpointMetadata {
    const { jobId, graph } = this.#options
    const { timestamp = 0, enumerators = [] } = round.triggered.get(checkpointId) ?? {}
    return {
      formatVersion: FORMAT_VERSION,
      checkpointId,
      timestamp,
      jobId,
      jobName: graph.jobName,
      isSavepoint: request.type === 'savepoint',
      operators: operatorRecords(graph, snapshots),
      enumerators,
    }
  }

  /** Slots must learn what became of it: sinks commit, and readers stop waiting for its barrier. */
  async #settle(round: Round, checkpointId: number, mustCommit: boolean): Promise<void> {
    round.triggered.delete(checkpointId)
    const { jobId } = this.#options
    const message = {
      kind: 'checkpointEnded',
      jobId,
      attempt: round.attempt,
      checkpointId,
      mustCommit,
    } as const
    const isObsolete = () => this.#round !== round
    await Promise.all(
      slotsOf(round).map((slot) =>
        this.#ask<SlotProtocol, 'checkpointEnded'>(this.#slot(slot), message, isObsolete).catch((error) =>
          this.#host.log.warn('a slot does not hear of a checkpoint', { checkpoint: checkpointId, error }),
        ),
      ),
    )
  }

  #isPending(round: Round, checkpointId: number): boolean {
    return this.#round === round && round.triggered.has(checkpointId)
  }

  async #deleteFolder(place: CheckpointPlace): Promise<void> {
    try {
      await this.#storage.delete(place)
    } catch (error) {
      this.#host.log.warn('files of a checkpoint are left over', { ...place, error })
    }
  }

  #ask<P extends Protocol<P>, K extends AskKind<P>>(
    ref: ActorRef<P>,
    message: MessageOf<P, K>,
    isObsolete: () => boolean,
  ): Promise<ReplyOf<P, K> | undefined> {
    const { clock } = this.#host
    return askPersistently(this.#host, ref, message, { clock, isObsolete })
  }

  #slot({ node, slot }: SlotLocation): ActorRef<SlotProtocol> {
    return { subject: this.#options.subjects.control(slotName(node, slot)) }
  }

  #sourceCoordinator(vertexId: string): ActorRef<SourceCoordinatorProtocol> {
    return { subject: this.#options.subjects.actor(this.#options.jobId, vertexId, 'enumerator') }
  }

  #nowMs(): number {
    return this.#host.clock.monotonic()
  }
}

function slotsOf({ placement }: Round): SlotLocation[] {
  const slots = Object.values(placement).flat()
  return [...new Map(slots.map((slot) => [`${slot.node}/${slot.slot}`, slot])).values()]
}

function savepointFailed(reason: string): SluiceError {
  return new SluiceError('CHECKPOINT_FAILED', `the savepoint was not taken: ${reason}`)
}
