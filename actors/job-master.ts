/**
 * One job: shell of the job scheduler, which decides. It keeps what slots report, for descriptions, and carries out
 * the scheduler's orders with messages to slots and the resource manager.
 */
import type { ActorRef } from '../lib/actor/actor-ref.ts'
import { type ActorContext, type Behavior, handling, type Sender } from '../lib/actor/behavior.ts'
import { present } from '../lib/base/assert.ts'
import { asError, type ErrorRecord, SluiceError, toErrorRecord } from '../lib/base/errors.ts'
import type { Subjects } from '../lib/bus/subjects.ts'
import { placeOf } from '../lib/checkpoint/checkpoint-storage.ts'
import { taskId } from '../lib/checkpoint/first-tasks.ts'
import type { SlotLocation } from '../lib/graph/execution-graph.ts'
import { RESOURCE_MANAGER, slotName } from '../lib/protocol/dispatcher.ts'
import type { JobMasterProtocol } from '../lib/protocol/job-master.ts'
import type { JobDescription, JobSubmission, JobSummary } from '../lib/protocol/job-submission.ts'
import type { ResourceManagerProtocol } from '../lib/protocol/resource-manager.ts'
import type { Deployment, SlotProtocol } from '../lib/protocol/slot.ts'
import {
  type JobEvent,
  type JobOrder,
  JobScheduler,
  type JobState,
  TERMINAL_JOB_STATES,
} from '../lib/scheduler/job-scheduler.ts'
import { newRestartStrategy } from '../lib/scheduler/restart-strategy.ts'
import type { BlobStore } from '../lib/storage/blob-store.ts'
import type { SubtaskMetrics, SubtaskReport } from '../lib/task/subtask-report.ts'
import { checkRestore } from './check-restore.ts'
import { JobCheckpoints } from './job-checkpoints.ts'
import { StorageProbe } from './storage-probe.ts'

export interface JobMasterOptions {
  readonly subjects: Subjects
  readonly submission: JobSubmission
  readonly submittedMs: number
  /** A slot that has not reported for this long is lost. */
  readonly slotTimeoutMs: number
  onState(state: JobState): void
  openStorage(uri: string): Promise<BlobStore>
}

type Protocol = JobMasterProtocol & {
  tick: { request: object }
  slotsScarce: { request: { free: number } }
  deployFailed: { request: { slot: SlotLocation; attempt: number; error: SluiceError } }
  checkpointsFailed: { request: { error: ErrorRecord } }
  fit: { request: object }
  refused: { request: { error: SluiceError } }
  stopped: { request: object }
  ignore: { request: object }
}

const TICK_MS = 100
const ORDER_TIMEOUT_MS = 5000

export class JobMaster {
  readonly #options: JobMasterOptions
  readonly #metrics = new Map<string, SubtaskMetrics>()
  #scheduler!: JobScheduler
  #context!: ActorContext<Protocol>
  #endedMs: number | null = null
  /** Null: the job takes none. */
  #checkpoints: JobCheckpoints | null = null
  /** Null: there is no storage. */
  #probe: StorageProbe | null = null

  constructor(options: JobMasterOptions) {
    this.#options = options
  }

  behavior(): Behavior<Protocol> {
    return handling<Protocol>(
      {
        slotsGranted: ({ slots }) => this.#decide({ kind: 'slotsGranted', slots }),
        slotsLost: ({ slots, reason }) => this.#decide({ kind: 'slotsLost', slots, reason }),
        report: ({ slot, attempt, subtasks }, sender) => {
          if (attempt === this.#scheduler.attempt) this.#note(subtasks)
          this.#decide({ kind: 'reported', slot, attempt, subtasks })
          sender.reply({ isCurrent: this.#scheduler.isCurrent(slot, attempt) })
        },
        acknowledge: ({ attempt, checkpointId, vertexId, index, snapshot }, sender) => {
          this.#checkpoints?.acknowledged(attempt, checkpointId, taskId(vertexId, index), snapshot)
          sender.reply({})
        },
        decline: ({ attempt, checkpointId, vertexId, index, error }, sender) => {
          this.#checkpoints?.declined(attempt, checkpointId, taskId(vertexId, index), error)
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
          sender.reply({})
        },
        tick: () => {
          this.#decide({ kind: 'tick' })
          this.#checkpoints?.tick()
        },
        slotsScarce: ({ free }) => this.#decide({ kind: 'slotsScarce', free }),
        deployFailed: ({ slot, attempt, error }) =>
          this.#decide({ kind: 'deployFailed', slot, attempt, error: toErrorRecord(error) }),
        ignore: () => {},
      },
      { started: (context) => this.#start(context) },
    )
  }

  #answer<R>(sender: Sender<R>, answer: (checkpoints: JobCheckpoints) => R): void {
    try {
      if (this.#checkpoints === null) throw noCheckpoints()
      sender.reply(answer(this.#checkpoints))
    } catch (error) {
      sender.fail(asError(error))
    }
  }

  #start(context: ActorContext<Protocol>): void {
    const { submission, slotTimeoutMs } = this.#options
    this.#context = context
    this.#scheduler = new JobScheduler({
      graph: submission.graph,
      restart: newRestartStrategy(submission.settings.restart, context.random),
      slotRequestTimeoutMs: submission.settings.slotRequestTimeoutMs,
      slotTimeoutMs,
    })
    const { checkpoint } = submission.settings
    if (checkpoint !== null) {
      const { subjects, openStorage } = this.#options
      const { jobId, graph } = submission
      // To itself, but not over the bus, which may lose it.
      const ignored = () => ({ kind: 'ignore' }) as const
      const onFailed = (error: ErrorRecord) =>
        context.pipeToSelf(Promise.resolve(), () => ({ kind: 'checkpointsFailed', error }), ignored)
      const onStopped = () => context.pipeToSelf(Promise.resolve(), () => ({ kind: 'stopped' }), ignored)
      this.#checkpoints = new JobCheckpoints(
        {
          ...{ jobId, graph, settings: checkpoint, subjects, openStorage, onFailed, onStopped },
          restore: submission.settings.restore,
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
    context.timers.every('tick', TICK_MS, { kind: 'tick' })
    this.#begin()
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
    for (const order of this.#scheduler.on(event, this.#context.clock.monotonic())) this.#carryOut(order)
  }

  #carryOut(order: JobOrder): void {
    switch (order.kind) {
      case 'requestSlots':
        this.#requestSlots(order)
        break
      case 'releaseSlots':
        this.#context.tell(this.#resourceManager(), {
          kind: 'releaseSlots',
          jobId: this.#options.submission.jobId,
          ...(this.#scheduler.isTerminal() ? {} : { slots: order.slots }),
        })
        break
      case 'deploy':
        this.#metrics.clear()
        for (const slot of order.slots) this.#deploy(slot, order)
        break
      case 'start':
      case 'cancel':
        for (const slot of order.slots) this.#tellSlot(slot, order.kind, order.attempt)
        break
      case 'stateChanged':
        this.#onState(order)
    }
  }

  #requestSlots({ count, held }: Extract<JobOrder, { kind: 'requestSlots' }>): void {
    const { jobId } = this.#options.submission
    const asked = this.#context.ask(
      this.#resourceManager(),
      { kind: 'requestSlots', jobId, count, held },
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

  #deploy(slot: SlotLocation, { attempt, placement }: Extract<JobOrder, { kind: 'deploy' }>): void {
    const { jobId, module, graph, settings } = this.#options.submission
    const restore = this.#checkpoints?.restore ?? null
    const deployment: Deployment = { jobId, attempt, module, graph, placement, settings, restore }
    const deploy = () => this.#context.ask(this.#slot(slot), { kind: 'deploy', deployment }, ORDER_TIMEOUT_MS)
    const mustProbe = this.#probe !== null && !this.#probe.hasPassed(slot.node)
    this.#context.pipeToSelf(
      mustProbe ? this.#probe!.checkNode(slot).then(deploy) : deploy(),
      () => ({ kind: 'ignore' }),
      (error) => ({ kind: 'deployFailed', slot, attempt, error }),
    )
  }

  /** Lost orders are made up for: a slot that was not started or cancelled shows it in its next report. */
  #tellSlot(slot: SlotLocation, kind: 'start' | 'cancel', attempt: number): void {
    const { jobId } = this.#options.submission
    this.#context.tell(this.#slot(slot), { kind, jobId, attempt })
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
    if (this.#scheduler.isTerminal()) {
      this.#endedMs = this.#context.clock.now()
      this.#context.timers.cancel('tick')
    }
    onState(state)
  }

  #onCheckpointState(state: JobState): void {
    const checkpoints = this.#checkpoints
    if (checkpoints === null) return
    const { attempt, placement } = this.#scheduler
    if (state === 'running') checkpoints.begin(attempt, present(placement, 'a placement'))
    else
      checkpoints.stop(TERMINAL_JOB_STATES.includes(state) ? 'coordinator-shutdown' : 'job-failover-region')
    if (!TERMINAL_JOB_STATES.includes(state)) return
    void checkpoints.end(state).then(() => checkpoints.close())
  }

  #note(subtasks: readonly SubtaskReport[]): void {
    for (const { vertexId, index, metrics, state, isAwaitingCheckpoint } of subtasks) {
      if (metrics !== null) this.#metrics.set(taskId(vertexId, index), metrics)
      if (state === 'finished') this.#checkpoints?.taskFinished(taskId(vertexId, index))
      else if (isAwaitingCheckpoint === true) this.#checkpoints?.taskAwaits(taskId(vertexId, index))
    }
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
      attempt: this.#scheduler.attempt,
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
