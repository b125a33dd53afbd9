/**
 * One slot: builds and runs the tasks of one job at a time, an assignment for each of its regions, and reports to the
 * job master what becomes of them. Reports are repeated with every heartbeat, so none has to arrive.
 *
 * S1. At most one attempt of a region at a time; a newer one replaces it once its tasks have ended, and another job all
 *     there is: the resource manager knows whose the slot is.
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
import { pipelinedRegions } from '../lib/graph/pipelined-regions.ts'
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
import type { TaskSettings } from '../lib/task/task-settings.ts'
import { NOTHING_RESTORED, type Restored, SlotCheckpoints } from './slot-checkpoints.ts'
import type { SlotEnvironment } from './slot-environment.ts'
import { sourceCoordinator } from './source-coordinator.ts'
import { answerProbe } from './storage-probe.ts'
import { connectSource, subtaskActor } from './subtask.ts'
import { watermarkAlignment } from './watermark-alignment.ts'

const REPORT_TIMEOUT_MS = 2000
/** For how long the local copies of a job are kept that has left the slot: it may be between two attempts. */
const COPIES_PATIENCE_MS = 120_000

/** What the slot has been given to do of one region. */
interface Assignment {
  readonly deployment: Deployment
  readonly plans: readonly SubtaskPlan[]
  readonly settings: TaskSettings
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
  isReporting: boolean
  /** A report would say something new. */
  hasNews: boolean
}

export class Slot {
  readonly #environment: SlotEnvironment
  /** By region, all of one job. */
  readonly #assignments = new Map<number, Assignment>()
  /** Deployments that wait for the tasks before them to end, by region, all of one job. */
  readonly #next = new Map<number, Deployment>()
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
        start: (order, sender) => {
          this.#current(order)?.tasks?.start()
          sender.reply({})
        },
        cancel: (order, sender) => {
          this.#cancel(this.#current(order))
          sender.reply({})
        },
        expectSavepoint: ({ checkpointId, place, stop, ...order }, sender) => {
          const assignment = this.#current(order)
          assignment?.checkpoints?.expect(checkpointId, place)
          if (stop !== 'none') assignment?.tasks?.haltAt(checkpointId, stop === 'drain')
          sender.reply({})
        },
        triggerCheckpoint: ({ checkpointId, timestamp, isSavepoint, subtasks, ...order }, sender) => {
          const assignment = this.#current(order)
          const settings = assignment?.deployment.settings.checkpoint ?? null
          const barrier = newBarrier(settings, { checkpointId, timestamp, isSavepoint })
          assignment?.tasks?.trigger(barrier, subtasks)
          sender.reply({})
        },
        checkpointEnded: ({ checkpointId, mustCommit, ...order }, sender) => {
          const assignment = this.#current(order)
          assignment?.checkpoints?.ended(checkpointId, mustCommit)
          const committed = assignment?.tasks?.checkpointEnded(checkpointId, mustCommit) ?? Promise.resolve()
          void committed.then(() => sender.reply({}))
        },
        abandon: ({ jobId }, sender) => {
          if (this.#jobId === jobId) this.#abandonAll()
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
          for (const assignment of this.#assignments.values()) void this.#end(assignment)
        },
      },
    )
  }

  #onDeploy(deployment: Deployment): void {
    const { jobId, region } = deployment
    const current = this.#assignments.get(region)
    if (this.#jobId === jobId && current !== undefined && current.deployment.attempt >= deployment.attempt)
      return
    for (const [waiting, next] of this.#next) if (next.jobId !== jobId) this.#next.delete(waiting)
    this.#next.set(region, deployment)
    if (this.#jobId !== jobId) this.#abandonAll()
    else if (current !== undefined) void this.#abandon(current)
    this.#beginNext()
  }

  /** The job the slot has something of. */
  get #jobId(): string | null {
    const [assignment] = this.#assignments.values()
    return assignment?.deployment.jobId ?? null
  }

  /** Begins what waits for nothing any more. */
  #beginNext(): void {
    for (const [region, deployment] of this.#next) {
      const isOthers = this.#jobId !== null && this.#jobId !== deployment.jobId
      if (isOthers || this.#assignments.has(region)) continue
      this.#next.delete(region)
      this.#begin(deployment)
    }
    if (this.#assignments.size > 0) return
    this.#environment.onOccupied(null)
    if (this.#copies === null || this.#isStopped) return
    this.#copiesTimer = this.#environment.clock.schedule(COPIES_PATIENCE_MS, () => this.#keepCopiesOf(null))
  }

  #begin(deployment: Deployment): void {
    const { log } = this.#environment
    const { settings } = deployment
    const { plans, regionCount } = this.#plan(deployment)
    const { state } = settings.task
    const assignment: Assignment = {
      deployment,
      plans,
      settings: { ...settings.task, state: { ...state, memoryBytes: state.memoryBytes / regionCount } },
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
      isReporting: false,
      hasNews: false,
    }
    const { jobId, region, attempt } = deployment
    this.#assignments.set(region, assignment)
    this.#environment.onOccupied(jobId)
    log.info('deploying', { job: jobId, region, attempt, subtasks: plans.length })
    this.#load(assignment).catch((error) => {
      assignment.error = toErrorRecord(error)
      log.error('deployment failed', { job: jobId, region, error })
      this.#changed(assignment)
    })
  }

  /** The subtasks of a region that run here, and how many regions have some: they share the memory of the slot. */
  #plan({ graph, placement, settings, region }: Deployment) {
    const regions = pipelinedRegions(graph, settings.restart.scope)
    const regionOf = ({ vertex, index }: SubtaskPlan) => regions.regionOf(vertex.id, index)
    const all = planSlot(graph, placement, this.#environment.location, settings.task.exchange)
    const plans = all.filter((plan) => regionOf(plan) === region)
    return { plans, regionCount: new Set(all.map(regionOf)).size }
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
    if (this.#jobId !== null || this.#preparedFor === jobId) return
    const definition = await loadJob(module)
    if (this.#jobId !== null) return
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
    const { backend, memoryBytes } = assignment.settings.state
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
    const { jobId, region, attempt, settings } = deployment
    const tasks = new SlotAttempt(
      {
        clock,
        random,
        log: log.child({ job: jobId, region, attempt }),
        connections: this.#environment.connections,
        jobId,
        jobName: graph.jobName,
        attempt,
        settings: assignment.settings,
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
        onChange: () => this.#changed(assignment),
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
    const { jobId, attempt, restoredId } = assignment.deployment
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
    connectSource(options, assignment.deployment, coordinator)
    if (index !== 0) return
    const behavior = sourceCoordinator({
      environment: this.#environment,
      source: built.source.source,
      parallelism: vertex.parallelism,
      attempt,
      restored: restored.enumeratorState(vertex.id),
      restoredId,
      subtaskRef: (subtask) => ({ subject: subjects.actor(jobId, vertex.id, subtask) }),
      onError: (error) => tasks.failBeside(built, built.task.chain.attribute(error, 'in the enumerator', 0)),
    })
    assignment.actors.push(this.#context.spawn(coordinator.subject, behavior))
  }

  /** Undefined: the slot does not have this attempt. */
  #current({ jobId, region, attempt }: Pick<Deployment, 'jobId' | 'region' | 'attempt'>) {
    const assignment = this.#assignments.get(region)
    const isCurrent = assignment?.deployment.jobId === jobId && assignment.deployment.attempt === attempt
    return isCurrent ? assignment : undefined
  }

  #cancel(assignment: Assignment | undefined): void {
    if (assignment === undefined) return
    const { tasks } = assignment
    assignment.isCancelled = true
    if (tasks === null) this.#changed(assignment)
    else void tasks.cancel()
  }

  #changed(assignment: Assignment): void {
    assignment.hasNews = true
    this.#report(assignment)
  }

  #scheduleHeartbeat(): void {
    const { clock, heartbeatIntervalMs } = this.#environment
    this.#heartbeat = clock.schedule(heartbeatIntervalMs, () => {
      this.#scheduleHeartbeat()
      for (const assignment of this.#assignments.values()) this.#report(assignment)
    })
  }

  /** One report of an assignment at a time; what changes meanwhile goes into the next. */
  #report(assignment: Assignment): void {
    const { jobId, region, attempt } = assignment.deployment
    if (assignment.isReporting || this.#assignments.get(region) !== assignment) return
    const { system, subjects, location } = this.#environment
    const jobMaster: ActorRef<JobMasterProtocol> = { subject: subjects.control(jobMasterName(jobId)) }
    assignment.isReporting = true
    assignment.hasNews = false
    const subtasks = this.#subtaskReports(assignment)
    system
      .ask(jobMaster, { kind: 'report', slot: location, region, attempt, subtasks }, REPORT_TIMEOUT_MS)
      .then(
        ({ isCurrent, epoch }) =>
          !this.#isFromLeader(epoch) || isCurrent ? undefined : this.#abandon(assignment),
        () => {},
      )
      .finally(() => {
        assignment.isReporting = false
        if (assignment.hasNews) this.#report(assignment)
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
    const { region } = assignment.deployment
    if (this.#assignments.get(region) !== assignment) return
    for (const actor of assignment.actors) this.#context.stop(actor)
    this.#assignments.delete(region)
    this.#beginNext()
  }

  #abandonAll(): void {
    for (const assignment of this.#assignments.values()) void this.#abandon(assignment)
  }
}

function graphMismatch({ jobId, graph }: Deployment, found: string): SluiceError {
  return new SluiceError(
    'GRAPH_MISMATCH',
    `job ${jobId} was submitted with graph ${graph.fingerprint}, but its code built graph ${found} here: the job function must not depend on the time, the host, the environment or chance`,
  )
}
