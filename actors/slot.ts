/**
 * One slot: builds and runs the tasks of one job attempt at a time, and reports to the job master what becomes of them.
 * Reports are repeated with every heartbeat, so none has to arrive.
 *
 * S1. At most one attempt at a time; a newer one, or another job, replaces it once its tasks have ended: the
 *     resource manager knows whose the slot is.
 * S2. An attempt is given up when the job master says that it is not the current one, and not before: when all tasks
 *     here have ended, the enumerator beside them may still be needed elsewhere. While nobody answers it goes on.
 * S3. Once it has heard from a leader, those before it are refused.
 */
import type { ActorRef } from '../lib/actor/actor-ref.ts'
import { type ActorContext, type Behavior, handling } from '../lib/actor/behavior.ts'
import { type BuiltJob, buildJob } from '../lib/api/job.ts'
import { present } from '../lib/base/assert.ts'
import { type ErrorRecord, SluiceError, toErrorRecord } from '../lib/base/errors.ts'
import { newBarrier } from '../lib/checkpoint/checkpoint-settings.ts'
import { planSlot, type SubtaskPlan } from '../lib/graph/execution-graph.ts'
import { alignmentVertex } from '../lib/graph/job-graph.ts'
import { jobMasterName } from '../lib/protocol/dispatcher.ts'
import type { JobMasterProtocol } from '../lib/protocol/job-master.ts'
import type { JobModule, SubmittedGraphSettings } from '../lib/protocol/job-submission.ts'
import { notLeader } from '../lib/protocol/not-leader.ts'
import type {
  Deployment,
  SlotProtocol,
  SourceCoordinatorProtocol,
  SubtaskProtocol,
  WatermarkAlignmentProtocol,
} from '../lib/protocol/slot.ts'
import type { KeyValueStore } from '../lib/storage/key-value-store.ts'
import { LocalCopies } from '../lib/storage/local-copies.ts'
import type { BuiltTask } from '../lib/task/build-tasks.ts'
import { SlotAttempt } from '../lib/task/slot-attempt.ts'
import type { SubtaskReport } from '../lib/task/subtask-report.ts'
import { NOTHING_RESTORED, type Restored, SlotCheckpoints } from './slot-checkpoints.ts'
import type { SlotEnvironment } from './slot-environment.ts'
import { sourceCoordinator } from './source-coordinator.ts'
import { answerProbe } from './storage-probe.ts'
import { connectSource, subtaskActor } from './subtask.ts'
import { watermarkAlignment } from './watermark-alignment.ts'

const REPORT_TIMEOUT_MS = 2000
/** For how long the local copies of a job are kept that has left the slot: it may be between two attempts. */
const COPIES_PATIENCE_MS = 120_000

/** What the slot has been given to do. */
interface Assignment {
  readonly deployment: Deployment
  readonly plans: readonly SubtaskPlan[]
  /** Null until the job's code is loaded, and if that fails. */
  tasks: SlotAttempt | null
  /** Why there are no tasks. */
  error: ErrorRecord | null
  isCancelled: boolean
  readonly actors: ActorRef<unknown>[]
  /** Where the tasks keep their keyed state; null: in the heap. */
  store: KeyValueStore | null
  /** Null: the job takes none. */
  readonly checkpoints: SlotCheckpoints | null
}

export class Slot {
  readonly #environment: SlotEnvironment
  #assignment: Assignment | null = null
  /** A deployment that waits for the tasks before it to end. */
  #next: Deployment | null = null
  #isReporting = false
  #hasNews = false
  #heartbeat: { cancel(): void } | null = null
  #context!: ActorContext<SlotProtocol>
  /** Of what the job has stored, over its attempts; see localBytesMax. */
  #copies: { readonly jobId: string; readonly copies: LocalCopies } | null = null
  /** Runs while there are copies and no attempt: the job may come back. */
  #copiesTimer: { cancel(): void } | null = null
  #isStopped = false
  /** The job whose code was loaded last without a deployment. */
  #preparedFor: string | null = null
  /** Of the latest leader it has heard from. */
  #epoch = 0

  constructor(environment: SlotEnvironment) {
    this.#environment = environment
  }

  behavior(): Behavior<SlotProtocol> {
    const behavior = this.#handlers()
    return {
      ...behavior,
      receive: (message, sender, context) => {
        if ('epoch' in message && !this.#isFromLeader(message.epoch))
          sender.fail(notLeader(message.epoch, this.#epoch))
        else behavior.receive(message, sender, context)
      },
    }
  }

  /** S3. */
  #isFromLeader(epoch: number): boolean {
    if (epoch < this.#epoch) return false
    this.#epoch = epoch
    return true
  }

  #handlers(): Behavior<SlotProtocol> {
    return handling<SlotProtocol>(
      {
        deploy: ({ deployment }, sender) => {
          this.#onDeploy(deployment)
          sender.reply({})
        },
        prepare: ({ jobId, module, graph }, sender) => {
          this.#prepare(jobId, module, graph).then(
            () => sender.reply({}),
            (error) => sender.fail(error),
          )
        },
        probeStorage: (probe, sender) => {
          const { location, openStorage } = this.#environment
          answerProbe(probe, location.node, openStorage).then(
            () => sender.reply({}),
            (error) => sender.fail(error),
          )
        },
        start: ({ jobId, attempt }, sender) => {
          if (this.#isCurrent(jobId, attempt)) this.#assignment?.tasks?.start()
          sender.reply({})
        },
        cancel: ({ jobId, attempt }, sender) => {
          if (this.#isCurrent(jobId, attempt)) this.#cancel()
          sender.reply({})
        },
        expectSavepoint: ({ jobId, attempt, checkpointId, place, stop }, sender) => {
          if (this.#isCurrent(jobId, attempt)) {
            this.#assignment?.checkpoints?.expect(checkpointId, place)
            if (stop !== 'none') this.#assignment?.tasks?.haltAt(checkpointId, stop === 'drain')
          }
          sender.reply({})
        },
        triggerCheckpoint: ({ jobId, attempt, checkpointId, timestamp, isSavepoint, subtasks }, sender) => {
          if (this.#isCurrent(jobId, attempt)) {
            const settings = this.#assignment?.deployment.settings.checkpoint ?? null
            const barrier = newBarrier(settings, { checkpointId, timestamp, isSavepoint })
            this.#assignment?.tasks?.trigger(barrier, subtasks)
          }
          sender.reply({})
        },
        checkpointEnded: ({ jobId, attempt, checkpointId, mustCommit }, sender) => {
          const assignment = this.#isCurrent(jobId, attempt) ? this.#assignment : null
          assignment?.checkpoints?.ended(checkpointId, mustCommit)
          const committed = assignment?.tasks?.checkpointEnded(checkpointId, mustCommit) ?? Promise.resolve()
          void committed.then(() => sender.reply({}))
        },
        abandon: ({ jobId }, sender) => {
          if (this.#assignment?.deployment.jobId === jobId) void this.#abandon(this.#assignment)
          sender.reply({})
        },
      },
      {
        started: (context) => {
          this.#context = context
          this.#scheduleHeartbeat()
        },
        signal: (signal) => {
          if (signal.kind !== 'PostStop') return
          this.#isStopped = true
          this.#heartbeat?.cancel()
          this.#keepCopiesOf(null)
          if (this.#assignment !== null) void this.#end(this.#assignment)
        },
      },
    )
  }

  #onDeploy(deployment: Deployment): void {
    const current = this.#assignment
    if (current === null) {
      this.#begin(deployment)
      return
    }
    const { jobId, attempt } = current.deployment
    if (jobId === deployment.jobId && attempt >= deployment.attempt) return
    this.#next = deployment
    void this.#abandon(current)
  }

  #begin(deployment: Deployment): void {
    const { location, log } = this.#environment
    const { settings } = deployment
    const plans = planSlot(deployment.graph, deployment.placement, location, settings.task.exchange)
    const assignment: Assignment = {
      deployment,
      plans,
      tasks: null,
      error: null,
      isCancelled: false,
      actors: [],
      store: null,
      checkpoints:
        settings.checkpoint === null
          ? null
          : new SlotCheckpoints(
              this.#environment,
              deployment,
              settings.checkpoint,
              this.#copiesFor(deployment),
            ),
    }
    this.#assignment = assignment
    this.#environment.onOccupied(deployment.jobId)
    log.info('deploying', { job: deployment.jobId, attempt: deployment.attempt, subtasks: plans.length })
    this.#load(assignment).catch((error) => {
      assignment.error = toErrorRecord(error)
      log.error('deployment failed', { job: deployment.jobId, error })
      this.#changed()
    })
  }

  #copiesFor({ jobId, settings }: Deployment): LocalCopies | null {
    this.#keepCopiesOf(jobId)
    const bytesMax = settings.checkpoint?.localBytesMax ?? null
    if (bytesMax === null) return null
    const { openCopies, log } = this.#environment
    this.#copies ??= { jobId, copies: new LocalCopies({ store: openCopies(), bytesMax, log }) }
    return this.#copies.copies
  }

  /** Null: of none. */
  #keepCopiesOf(jobId: string | null): void {
    this.#copiesTimer?.cancel()
    if (this.#copies === null || this.#copies.jobId === jobId) return
    const { copies } = this.#copies
    this.#copies = null
    void copies.close()
  }

  /** What is loaded stays loaded with the thread: a deployment finds it there. */
  async #prepare(jobId: string, module: JobModule, settings: SubmittedGraphSettings): Promise<void> {
    const { loadJob, log } = this.#environment
    if (this.#assignment !== null || this.#preparedFor === jobId) return
    const definition = await loadJob(module)
    if (this.#assignment !== null) return
    buildJob(definition, settings)
    this.#preparedFor = jobId
    log.debug('standing by', { job: jobId })
  }

  async #load(assignment: Assignment): Promise<void> {
    const { deployment, checkpoints, plans } = assignment
    const [definition, restored] = await Promise.all([
      this.#environment.loadJob(deployment.module),
      checkpoints?.restore(plans) ?? NOTHING_RESTORED,
    ])
    if (assignment.isCancelled) return
    const { backend, memoryBytes } = deployment.settings.task.state
    const store = backend === 'heap' ? null : await this.#environment.openState(memoryBytes)
    if (assignment.isCancelled) {
      await store?.close()
      return
    }
    assignment.store = store
    this.#build(assignment, buildJob(definition, deployment.settings.graph), restored)
  }

  #build(assignment: Assignment, { graph, origin }: BuiltJob, restored: Restored): void {
    const { deployment, plans } = assignment
    if (graph.fingerprint !== deployment.graph.fingerprint) throw graphMismatch(deployment, graph.fingerprint)
    const { clock, random, log, busPort } = this.#environment
    const { jobId, attempt, settings } = deployment
    const tasks = new SlotAttempt(
      {
        clock,
        random,
        log: log.child({ job: jobId, attempt }),
        connections: this.#environment.connections,
        jobId,
        jobName: graph.jobName,
        attempt,
        settings: settings.task,
        stateStore: assignment.store,
        checkpoint: settings.checkpoint,
        restoredOf: (plan, operatorId) => restored.stateOf(plan, operatorId),
        restoredInputsOf: (plan) => restored.inputsOf(plan),
        graph,
        origin,
        portOf: ({ carrier, peer }) =>
          carrier === 'thread' ? this.#environment.threadPort(peer.slot) : busPort,
      },
      plans,
      {
        onChange: () => this.#changed(),
        onDeclined: (plan, checkpointId, error) =>
          void assignment.checkpoints?.decline(plan, checkpointId, error),
        onUnused: (plan, checkpointId, snapshot) =>
          assignment.checkpoints?.storeUnused(plan, checkpointId, snapshot),
        openSnapshot: (plan, barrier, size, onChange) =>
          present(assignment.checkpoints, 'checkpoints').open(plan, barrier, size, onChange),
        onSnapshot: (plan, { checkpointId }, snapshot, times) =>
          assignment.checkpoints?.store(plan, checkpointId, snapshot, times),
      },
    )
    const alignment = this.#startAlignment(assignment)
    for (const built of tasks.tasks) this.#startActors(assignment, tasks, built, restored, alignment)
    assignment.tasks = tasks
    tasks.open()
  }

  /** Where sources ask how far others are; null if none does. It runs beside the first subtask of the first. */
  #startAlignment({ deployment, plans, actors }: Assignment): ActorRef<WatermarkAlignmentProtocol> | null {
    const { jobId, graph, attempt } = deployment
    const vertex = alignmentVertex(graph)
    if (vertex === undefined) return null
    const alignment = { subject: this.#environment.subjects.actor(jobId, vertex.id, 'alignment') }
    if (plans.some((plan) => plan.vertex.id === vertex.id && plan.index === 0)) {
      actors.push(this.#context.spawn(alignment.subject, watermarkAlignment(graph, attempt)))
    }
    return alignment
  }

  /** The subtask's own actor and, beside subtask 0 of a source, the one that runs its enumerator. */
  #startActors(
    assignment: Assignment,
    tasks: SlotAttempt,
    built: BuiltTask,
    restored: Restored,
    alignment: ActorRef<WatermarkAlignmentProtocol> | null,
  ): void {
    const { subjects } = this.#environment
    const { jobId, attempt } = assignment.deployment
    const { vertex, index } = built.plan
    const metrics = () => tasks.metricsOf(built)
    const options = { environment: this.#environment, built, attempt, metrics, alignment }
    const addresses = vertex.operators.flatMap(({ id }) => [
      subjects.actor(jobId, id, index),
      subjects.actor(jobId, id, 'all'),
    ])
    const [subject, ...aliases] = addresses
    assignment.actors.push(this.#context.spawn<SubtaskProtocol>(subject!, subtaskActor(options), { aliases }))
    if (built.source === null) return
    const coordinator: ActorRef<SourceCoordinatorProtocol> = {
      subject: subjects.actor(jobId, vertex.id, 'enumerator'),
    }
    connectSource(options, coordinator)
    if (index !== 0) return
    const behavior = sourceCoordinator({
      environment: this.#environment,
      source: built.source.source,
      parallelism: vertex.parallelism,
      attempt,
      restored: restored.enumeratorState(vertex.id),
      subtaskRef: (subtask) => ({ subject: subjects.actor(jobId, vertex.id, subtask) }),
      onError: (error) => void built.task.fail(built.task.chain.attribute(error, 'in the enumerator', 0)),
    })
    assignment.actors.push(this.#context.spawn(coordinator.subject, behavior))
  }

  #isCurrent(jobId: string, attempt: number): boolean {
    const deployment = this.#assignment?.deployment
    return deployment?.jobId === jobId && deployment.attempt === attempt
  }

  #cancel(): void {
    if (this.#assignment === null) return
    const { tasks } = this.#assignment
    this.#assignment.isCancelled = true
    if (tasks === null) this.#changed()
    else void tasks.cancel()
  }

  #changed(): void {
    this.#hasNews = true
    this.#report()
  }

  #scheduleHeartbeat(): void {
    const { clock, heartbeatIntervalMs } = this.#environment
    this.#heartbeat = clock.schedule(heartbeatIntervalMs, () => {
      this.#scheduleHeartbeat()
      this.#report()
    })
  }

  /** One report at a time; what changes meanwhile goes into the next. */
  #report(): void {
    const assignment = this.#assignment
    if (assignment === null || this.#isReporting) return
    const { system, subjects, location } = this.#environment
    const { jobId, attempt } = assignment.deployment
    const jobMaster: ActorRef<JobMasterProtocol> = { subject: subjects.control(jobMasterName(jobId)) }
    this.#isReporting = true
    this.#hasNews = false
    const subtasks = this.#subtaskReports(assignment)
    system
      .ask(jobMaster, { kind: 'report', slot: location, attempt, subtasks }, REPORT_TIMEOUT_MS)
      .then(
        ({ isCurrent, epoch }) =>
          !this.#isFromLeader(epoch) || isCurrent ? undefined : this.#abandon(assignment),
        () => {},
      )
      .finally(() => {
        this.#isReporting = false
        if (this.#hasNews) this.#report()
      })
  }

  #subtaskReports({ tasks, plans, error, isCancelled }: Assignment): SubtaskReport[] {
    if (tasks !== null) return tasks.report()
    return plans.map(({ vertex, index }) => ({
      vertexId: vertex.id,
      index,
      state: error !== null ? 'failed' : isCancelled ? 'cancelled' : 'created',
      metrics: null,
      ...(error === null ? {} : { error }),
    }))
  }

  /** Ends what still runs of an assignment. */
  async #end(assignment: Assignment): Promise<void> {
    assignment.isCancelled = true
    await assignment.tasks?.cancel()
    await assignment.checkpoints?.close()
    await assignment.store?.close()
  }

  /** Ends an assignment and makes room for the next. */
  async #abandon(assignment: Assignment): Promise<void> {
    await this.#end(assignment)
    if (this.#assignment !== assignment) return
    for (const actor of assignment.actors) this.#context.stop(actor)
    this.#assignment = null
    const next = this.#next
    this.#next = null
    if (next !== null) {
      this.#begin(next)
      return
    }
    this.#environment.onOccupied(null)
    if (this.#copies === null || this.#isStopped) return
    this.#copiesTimer = this.#environment.clock.schedule(COPIES_PATIENCE_MS, () => this.#keepCopiesOf(null))
  }
}

function graphMismatch({ jobId, graph }: Deployment, found: string): SluiceError {
  return new SluiceError(
    'GRAPH_MISMATCH',
    `job ${jobId} was submitted with graph ${graph.fingerprint}, but its code built graph ${found} here: the job function must not depend on the time, the host, the environment or chance`,
  )
}
