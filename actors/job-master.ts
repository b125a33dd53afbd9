/**
 * One job: shell of the job scheduler, which decides. It keeps what slots report, for descriptions, and carries out
 * the scheduler's orders with messages to slots and the resource manager: once what the job has become is saved, so
 * that a leader to come never knows less than the slots.
 */
import type { ActorRef, MessageOf } from '../lib/actor/actor-ref.ts'
import { type ActorContext, type Behavior, handling, type Sender } from '../lib/actor/behavior.ts'
import { asError, type ErrorRecord, SluiceError, toErrorRecord } from '../lib/base/errors.ts'
import type { Subjects } from '../lib/bus/subjects.ts'
import { placeOf } from '../lib/checkpoint/checkpoint-storage.ts'
import { taskId } from '../lib/checkpoint/first-tasks.ts'
import type { SlotLocation } from '../lib/graph/execution-graph.ts'
import { type PipelinedRegions, pipelinedRegions, type SubtaskId } from '../lib/graph/pipelined-regions.ts'
import type { JobEntry } from '../lib/ha/job-store.ts'
import { RESOURCE_MANAGER, slotName } from '../lib/protocol/dispatcher.ts'
import type { JobMasterProtocol } from '../lib/protocol/job-master.ts'
import type { JobRecord } from '../lib/protocol/job-record.ts'
import type { JobDescription, JobNotice, JobSubmission, JobSummary } from '../lib/protocol/job-submission.ts'
import type { ResourceManagerProtocol } from '../lib/protocol/resource-manager.ts'
import type { Deployment, SlotProtocol } from '../lib/protocol/slot.ts'
import type { JobEvent, JobOrder } from '../lib/scheduler/job-events.ts'
import { JobScheduler } from '../lib/scheduler/job-scheduler.ts'
import { type JobState, TERMINAL_JOB_STATES } from '../lib/scheduler/job-state.ts'
import { newRestartStrategy } from '../lib/scheduler/restart-strategy.ts'
import type { BlobStore } from '../lib/storage/blob-store.ts'
import type { SubtaskMetrics, SubtaskReport } from '../lib/task/subtask-report.ts'
import { checkRestore } from './check-restore.ts'
import { JobCheckpoints } from './job-checkpoints.ts'
import { StandbySlots } from './standby-slots.ts'
import { StorageProbe } from './storage-probe.ts'

export interface JobMasterOptions {
  readonly subjects: Subjects
  readonly submission: JobSubmission
  readonly submittedMs: number
  /** Of the leader this is part of. */
  readonly epoch: number
  /** Where the job is kept for leaders to come; null: it goes with this one. */
  readonly entry: JobEntry | null
  /** What the leader before has left of it; null: it is new. */
  readonly record: JobRecord | null
  /** A slot that has not reported for this long is lost. */
  readonly heartbeatTimeoutMs: number
  onState(state: JobState): void
  openStorage(uri: string): Promise<BlobStore>
}

type Protocol = JobMasterProtocol & {
  tick: { request: object }
  slotsScarce: { request: { free: number } }
  deployFailed: { request: { region: number; attempt: number; error: SluiceError } }
  checkpointsFailed: { request: { error: ErrorRecord } }
  fit: { request: object }
  refused: { request: { error: SluiceError } }
  stopped: { request: object }
  saved: { request: { count: number } }
  saveFailed: { request: { count: number; error: SluiceError } }
  ignore: { request: object }
}

const TICK_MS = 100
const ORDER_TIMEOUT_MS = 5000
/** The oldest is forgotten. */
const NOTICES_MAX = 20

export class JobMaster {
  readonly #options: JobMasterOptions
  readonly #metrics = new Map<string, SubtaskMetrics>()
  readonly #regions: PipelinedRegions
  /** By region, what its attempt began with. */
  readonly #restores = new Map<number, Pick<Deployment, 'restore' | 'restoredId'>>()
  #scheduler!: JobScheduler
  #context!: ActorContext<Protocol>
  #notices: JobNotice[] = []
  #endedMs: number | null = null
  /** Null: the job takes none. */
  #checkpoints: JobCheckpoints | null = null
  /** Null: the job wants none. */
  #standby: StandbySlots | null = null
  /** Null: there is no storage. */
  #probe: StorageProbe | null = null
  /**
   * What waits for the job to be saved, in order, and how much has been done before it. No more than comes up while a
   * leader leads that cannot save, which is less than its lease.
   */
  #held: (() => void)[] = []
  #doneCount = 0
  #savesPending = 0
  /** It ran under another leader, and not all of its subtasks have been heard of. */
  #isAdopting = false
  /** All regions run, and that has been saved. */
  #mayCheckpoint = false

  constructor(options: JobMasterOptions) {
    this.#options = options
    const { graph, settings } = options.submission
    this.#regions = pipelinedRegions(graph, settings.restart.scope)
  }

  behavior(): Behavior<Protocol> {
    return handling<Protocol>(
      {
        slotsGranted: ({ epoch, slots }) => {
          if (epoch === this.#options.epoch) this.#decide({ kind: 'slotsGranted', slots })
        },
        slotsLost: ({ epoch, slots, reason }) => {
          if (epoch === this.#options.epoch) this.#decide({ kind: 'slotsLost', slots, reason })
        },
        report: ({ slot, region, attempt, subtasks }, sender) => {
          if (attempt === this.#scheduler.attemptOf(region)) {
            this.#note(subtasks)
            this.#fallBack(region, attempt, subtasks)
          }
          this.#decide({ kind: 'reported', slot, region, attempt, subtasks })
          this.#beginCheckpoints()
          const isCurrent = this.#held.length > 0 || this.#scheduler.isCurrent(slot, region, attempt)
          sender.reply({ isCurrent, epoch: this.#options.epoch })
        },
        acknowledge: ({ snapshot, ...reference }, sender) =>
          sender.reply({ unwanted: this.#checkpoints?.acknowledged(reference, snapshot) ?? [] }),
        decline: ({ error, ...reference }, sender) => {
          this.#checkpoints?.declined(reference, error)
          sender.reply({})
        },
        savepoint: (order, sender) => this.#answer(sender, (checkpoints) => checkpoints.savepoint(order)),
        checkpoint: ({ requestId }, sender) =>
          this.#answer(sender, (checkpoints) => checkpoints.checkpoint(requestId)),
        checkpoints: ({ checkpointId }, sender) =>
          this.#answer(sender, (checkpoints) => checkpoints.view(checkpointId)),
        submission: (_message, sender) => sender.reply({ submission: this.#options.submission }),
        fit: () => this.#decide({ kind: 'submitted' }),
        refused: ({ error }) => this.#decide({ kind: 'refused', error: toErrorRecord(error) }),
        stopped: () => this.#decide({ kind: 'cancelRequested' }),
        checkpointsFailed: ({ error }) => this.#decide({ kind: 'checkpointsFailed', error }),
        summarise: (_message, sender) => sender.reply(this.#summary()),
        describe: (_message, sender) => sender.reply(this.#description()),
        cancel: (_message, sender) => {
          this.#decide({ kind: 'cancelRequested' })
          this.#whenSaved(() => sender.reply({}))
        },
        tick: () => {
          this.#decide({ kind: 'tick' })
          this.#checkpoints?.tick()
          this.#standby?.tick(this.#scheduler.state === 'running')
        },
        slotsScarce: ({ free }) => this.#decide({ kind: 'slotsScarce', free }),
        deployFailed: ({ region, attempt, error }) =>
          this.#decide({ kind: 'deployFailed', region, attempt, error: toErrorRecord(error) }),
        saved: ({ count }) => this.#release(count),
        saveFailed: ({ count, error }, _sender, { log }) => {
          if (error.code === 'NOT_LEADER') return
          log.error('a job cannot be saved: it will not outlive this coordinator', { error })
          this.#release(count)
        },
        ignore: () => {},
      },
      {
        started: (context) => this.#start(context),
        signal: ({ kind }) => {
          if (kind === 'PostStop') void this.#checkpoints?.leave()
        },
      },
    )
  }

  #answer<R>(sender: Sender<R>, answer: (checkpoints: JobCheckpoints) => R): void {
    try {
      if (this.#checkpoints === null) throw noCheckpoints()
      if (this.#isAdopting) throw new SluiceError('JOB_TAKEN_OVER', 'the job is being taken over: ask again')
      sender.reply(answer(this.#checkpoints))
    } catch (error) {
      sender.fail(asError(error))
    }
  }

  #start(context: ActorContext<Protocol>): void {
    const { submission, heartbeatTimeoutMs } = this.#options
    this.#context = context
    this.#scheduler = new JobScheduler({
      graph: submission.graph,
      regions: this.#regions,
      restart: newRestartStrategy(submission.settings.restart, context.random),
      hasCheckpoints: submission.settings.checkpoint !== null,
      slotRequestTimeoutMs: submission.settings.slotRequestTimeoutMs,
      heartbeatTimeoutMs,
    })
    const { checkpoint } = submission.settings
    if (checkpoint !== null) {
      const { subjects, openStorage } = this.#options
      const { jobId, graph } = submission
      const onFailed = (error: ErrorRecord) => this.#tellSelf({ kind: 'checkpointsFailed', error })
      const onStopped = () => this.#tellSelf({ kind: 'stopped' })
      this.#checkpoints = new JobCheckpoints(
        {
          ...{ jobId, graph, settings: checkpoint, subjects, openStorage, onFailed, onStopped },
          restore: submission.settings.restore,
          epoch: this.#options.epoch,
          attemptOf: (subtask) => this.#attemptOf(subtask),
          isCurrent: (slot, region, attempt) => this.#scheduler.isCurrent(slot, region, attempt),
          saved: this.#options.record?.checkpoints ?? null,
          save: () => this.#save(),
        },
        context,
      )
    }
    if (checkpoint !== null) {
      const { restore } = submission.settings
      this.#probe = new StorageProbe(
        {
          ...{ jobId: submission.jobId, storageUri: checkpoint.storageUri },
          restore: restore === null ? null : placeOf(restore.uri),
          ...{ subjects: this.#options.subjects, openStorage: this.#options.openStorage },
        },
        context,
      )
    }
    if ((submission.settings.standbySlots ?? 0) > 0) {
      const { subjects, epoch } = this.#options
      const checkNode = (slot: SlotLocation) => this.#checkNode(slot)
      this.#standby = new StandbySlots({ submission, subjects, epoch, checkNode }, context)
    }
    context.timers.every('tick', TICK_MS, { kind: 'tick' })
    const { record } = this.#options
    if (record === null || record.job.state === 'created') this.#begin()
    else this.#adopt(record)
  }

  /** Not over the bus, which may lose it. */
  #tellSelf(message: MessageOf<Protocol, 'checkpointsFailed'> | MessageOf<Protocol, 'stopped'>): void {
    const ignored = () => ({ kind: 'ignore' }) as const
    this.#context.pipeToSelf(Promise.resolve(), () => message, ignored)
  }

  /** Another leader had the job. */
  #adopt({ job, endedMs }: JobRecord): void {
    this.#endedMs = endedMs
    this.#context.log.info('job taken over', { job: this.#options.submission.jobId, state: job.state })
    if (job.state === 'running') this.#isAdopting = true
    this.#decide({ kind: 'adopted', saved: job })
    if (!this.#isAdopting && this.#checkpoints?.isStopped === true) this.#decide({ kind: 'cancelRequested' })
  }

  #attemptOf({ vertexId, index }: SubtaskId): number {
    const region = this.#regions.regionOf(vertexId, index)
    return region === undefined ? -1 : this.#scheduler.attemptOf(region)
  }

  /** Once all regions run, and it is known which tasks have finished. */
  #beginCheckpoints(): void {
    const checkpoints = this.#checkpoints
    if (checkpoints === null || checkpoints.hasBegun || !this.#mayCheckpoint) return
    if (this.#scheduler.state !== 'running' || !this.#scheduler.isAllHeard) return
    this.#isAdopting = false
    checkpoints.begin(this.#scheduler.deployed)
    for (const { vertexId, index, state } of this.#scheduler.subtasks())
      if (state === 'finished') checkpoints.taskFinished(taskId(vertexId, index))
  }

  /** What does not fit is refused before anything is deployed. */
  #begin(): void {
    this.#context.pipeToSelf(
      this.#check(),
      () => ({ kind: 'fit' }),
      (error) => ({ kind: 'refused', error }),
    )
  }

  async #check(): Promise<void> {
    const { submission, openStorage } = this.#options
    const { restore } = submission.settings
    await this.#probe?.checkHere()
    if (restore !== null) await checkRestore(restore, submission.graph, openStorage)
    if (this.#probe === null) return
    const asked = this.#context.ask(this.#resourceManager(), { kind: 'nodes' }, ORDER_TIMEOUT_MS)
    // Nodes that nobody knows of now are looked at when the job is to run there.
    const nodes = await asked.then(
      (reply) => reply.nodes,
      () => [],
    )
    await Promise.all(nodes.map(({ nodeId }) => this.#probe?.checkNode({ node: nodeId, slot: 0 })))
  }

  #decide(event: JobEvent): void {
    const { slotsHeld } = this.#scheduler
    const orders = this.#scheduler.on(event, this.#context.clock.monotonic())
    const isChanged = orders.some(({ kind }) => kind === 'stateChanged' || kind === 'regionChanged')
    const isSmaller = event.kind === 'slotsLost' && this.#scheduler.slotsHeld < slotsHeld
    if (orders.some((order) => order.kind === 'stateChanged' && TERMINAL_JOB_STATES.includes(order.state)))
      this.#endedMs ??= this.#context.clock.now()
    const mustSave = this.#options.entry !== null && (isChanged || isSmaller)
    // What follows waits, also if nothing else does.
    if (mustSave) this.#held.push(() => {})
    for (const order of orders) this.#whenSaved(() => this.#carryOut(order))
    if (mustSave) this.#saveHeld()
  }

  /** At once if nothing waits: what was ordered first comes first. */
  #whenSaved(work: () => void): void {
    if (this.#held.length === 0) work()
    else this.#held.push(work)
  }

  #saveHeld(): void {
    const count = this.#doneCount + this.#held.length
    this.#savesPending++
    this.#context.pipeToSelf(
      this.#save(),
      () => ({ kind: 'saved', count }),
      (error) => ({ kind: 'saveFailed', count, error }),
    )
  }

  /** Does what has waited, up to the `count`th in all, and what only waited for its turn. */
  #release(count: number): void {
    this.#savesPending--
    while (this.#held.length > 0 && (this.#doneCount < count || this.#savesPending === 0)) {
      this.#doneCount++
      this.#held.shift()!()
    }
  }

  async #save(): Promise<void> {
    await this.#options.entry?.save(() => this.#record())
  }

  #record(): JobRecord {
    const { submission, submittedMs } = this.#options
    return {
      jobId: submission.jobId,
      name: submission.graph.jobName,
      submittedMs,
      endedMs: this.#endedMs,
      job: this.#scheduler.saved,
      checkpoints: this.#checkpoints?.saved ?? null,
    }
  }

  #carryOut(order: JobOrder): void {
    switch (order.kind) {
      case 'requestSlots':
        this.#requestSlots(order)
        break
      case 'releaseSlots':
        this.#context.tell(this.#resourceManager(), {
          kind: 'releaseSlots',
          epoch: this.#options.epoch,
          jobId: this.#options.submission.jobId,
          ...(this.#scheduler.isTerminal() ? {} : { slots: order.slots }),
        })
        break
      case 'deploy':
        for (const { vertexId, index } of order.subtasks) this.#metrics.delete(taskId(vertexId, index))
        this.#checkpoints?.attemptEnded(order.subtasks)
        this.#restores.set(order.region, {
          restore: this.#checkpoints?.restore ?? null,
          restoredId: this.#checkpoints?.restoreId ?? 0,
        })
        for (const slot of order.slots) this.#deploy(slot, order)
        break
      case 'start':
      case 'cancel':
        for (const slot of order.slots) this.#tellSlot(slot, order)
        break
      case 'regionChanged':
        this.#onRegion(order)
        break
      case 'stateChanged':
        this.#onState(order)
    }
  }

  #requestSlots({ count, held }: Extract<JobOrder, { kind: 'requestSlots' }>): void {
    const { epoch, submission } = this.#options
    const asked = this.#context.ask(
      this.#resourceManager(),
      { kind: 'requestSlots', epoch, jobId: submission.jobId, count, held },
      ORDER_TIMEOUT_MS,
    )
    this.#context.pipeToSelf(
      asked,
      ({ free }) => {
        if (free >= count) return { kind: 'ignore' }
        this.#context.log.info('waiting for slots', { needed: count, free })
        return { kind: 'slotsScarce', free }
      },
      () => ({ kind: 'ignore' }),
    )
  }

  #deploy(slot: SlotLocation, order: Extract<JobOrder, { kind: 'deploy' }>): void {
    const { jobId, module, graph, settings } = this.#options.submission
    const { epoch } = this.#options
    const { region, attempt, placement } = order
    const leadingAttempt = this.#scheduler.attemptOf(this.#regions.leaderOf(region))
    const deployment: Deployment = {
      ...{ jobId, region, attempt, leadingAttempt, module, graph, placement, settings },
      ...this.#restores.get(region)!,
    }
    const deploy = () =>
      this.#context.ask(this.#slot(slot), { kind: 'deploy', epoch, deployment }, ORDER_TIMEOUT_MS)
    this.#context.pipeToSelf(
      this.#checkNode(slot).then(deploy),
      () => ({ kind: 'ignore' }),
      (error) => ({ kind: 'deployFailed', region, attempt, error }),
    )
  }

  async #checkNode(slot: SlotLocation): Promise<void> {
    if (this.#probe?.hasPassed(slot.node) === false) await this.#probe.checkNode(slot)
  }

  /** Lost orders are made up for: a slot that was not started or cancelled shows it in its next report. */
  #tellSlot(
    slot: SlotLocation,
    { kind, region, attempt }: Extract<JobOrder, { kind: 'start' | 'cancel' }>,
  ): void {
    const { epoch, submission } = this.#options
    this.#context.tell(this.#slot(slot), { kind, epoch, jobId: submission.jobId, region, attempt })
  }

  /** One of several. */
  #onRegion(order: Extract<JobOrder, { kind: 'regionChanged' }>): void {
    const { region, attempt, state, error, firstRegion } = order
    const { jobId } = this.#options.submission
    const subtasks = this.#regions.regions[region]!.length
    const of = this.#regions.regions.reduce((sum, each) => sum + each.length, 0)
    const fields = { job: jobId, region, attempt, state, subtasks, of }
    this.#context.log.info('region state', error === undefined ? fields : { ...fields, error: error.message })
    if (state !== 'failing' || firstRegion !== region) return
    // The last failure of each region is enough: there are few other notices, and they are to stay.
    const about = `region ${region} (${subtasks} of ${of} subtasks)`
    this.#notices = this.#notices.filter(({ text }) => !text.startsWith(about))
    this.#notice(`${about} failed: ${error?.message}`)
  }

  #notice(text: string): void {
    this.#notices.push({ atMs: this.#context.clock.now(), text })
    if (this.#notices.length > NOTICES_MAX) this.#notices.shift()
  }

  #onState({ state, error }: Extract<JobOrder, { kind: 'stateChanged' }>): void {
    const { submission, onState } = this.#options
    this.#context.log.info('job state', {
      job: submission.jobId,
      name: submission.graph.jobName,
      state,
      ...(error === undefined ? {} : { error: error.message }),
    })
    this.#onCheckpointState(state)
    if (this.#scheduler.isTerminal()) this.#context.timers.cancel('tick')
    onState(state)
  }

  #onCheckpointState(state: JobState): void {
    const checkpoints = this.#checkpoints
    if (checkpoints === null) return
    if (this.#isAdopting && state !== 'running') {
      this.#isAdopting = false
      if (checkpoints.isStopped) this.#tellSelf({ kind: 'stopped' })
    }
    const isOver = TERMINAL_JOB_STATES.includes(state)
    this.#mayCheckpoint = state === 'running'
    if (state === 'running') this.#beginCheckpoints()
    else checkpoints.stop(isOver ? 'coordinator-shutdown' : 'job-failover-region')
    if (!isOver) return
    checkpoints.attemptEnded(null)
    void checkpoints.end(state).then(() => checkpoints.close())
  }

  #note(subtasks: readonly SubtaskReport[]): void {
    for (const { vertexId, index, metrics, state, isAwaitingCheckpoint } of subtasks) {
      if (metrics !== null) this.#metrics.set(taskId(vertexId, index), metrics)
      if (state === 'finished') this.#checkpoints?.taskFinished(taskId(vertexId, index))
      else if (isAwaitingCheckpoint === true) this.#checkpoints?.taskAwaits(taskId(vertexId, index))
    }
  }

  /** The first report of it decides; in the others the attempt is failing already. */
  #fallBack(region: number, attempt: number, subtasks: readonly SubtaskReport[]): void {
    const error = subtasks.find((subtask) => subtask.error?.code === 'CHECKPOINT_UNREADABLE')?.error
    if (error === undefined || this.#scheduler.regions[region]?.state !== 'deploying') return
    const canFallBack =
      this.#checkpoints?.fallBack(error, this.#restores.get(region)?.restoredId ?? 0) ?? false
    const what = canFallBack ? 'went back to an older checkpoint' : 'no checkpoint is left to go on from'
    this.#notice(`${what}: ${error.message}`)
    this.#decide({ kind: 'restoreFailed', region, attempt, error, canFallBack })
  }

  #summary(): JobSummary {
    const { submission, submittedMs } = this.#options
    const { state, error, restartCount, slotsHeld, slotsNeeded } = this.#scheduler
    return {
      jobId: submission.jobId,
      name: submission.graph.jobName,
      state,
      submittedMs,
      endedMs: this.#endedMs,
      restarts: restartCount,
      slotsHeld,
      slotsNeeded,
      ...(error === undefined ? {} : { error }),
    }
  }

  #description(): JobDescription {
    const { graph } = this.#options.submission
    const subtasks = this.#scheduler.subtasks()
    return {
      ...this.#summary(),
      graph,
      notices: this.#notices,
      attempt: this.#scheduler.regions.reduce((sum, { attempt }) => sum + attempt, 0),
      regions: this.#scheduler.regions,
      checkpoints: this.#checkpoints?.summary ?? null,
      vertices: graph.vertices.map(({ id, name, parallelism }) => ({
        id,
        name,
        parallelism,
        subtasks: subtasks
          .filter(({ vertexId }) => vertexId === id)
          .map(({ index, state, slot }) => ({
            index,
            state,
            slot,
            metrics: this.#metrics.get(taskId(id, index)) ?? null,
          })),
      })),
    }
  }

  #slot({ node, slot }: SlotLocation): ActorRef<SlotProtocol> {
    return { subject: this.#options.subjects.control(slotName(node, slot)) }
  }

  #resourceManager(): ActorRef<ResourceManagerProtocol> {
    return { subject: this.#options.subjects.control(RESOURCE_MANAGER) }
  }
}

function noCheckpoints(): SluiceError {
  return new SluiceError('UNSUPPORTED', 'this job was submitted without storage for checkpoints')
}
