/** What programs use to run jobs on a cluster: the verbs of the dispatcher and the resource manager as methods. */

import type { ActorRef, AskKind, MessageOf, ReplyOf } from '../actor/actor-ref.ts'
import type { ActorSystem } from '../actor/actor-system.ts'
import { type Clock, sleep } from '../base/clock.ts'
import { fromErrorRecord, SluiceError } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { Subjects } from '../bus/subjects.ts'
import type { DemandStatus } from '../checkpoint/checkpoint-demands.ts'
import { COORDINATORS, type CoordinatorIdentity, type CoordinatorProtocol } from '../protocol/coordinator.ts'
import {
  DISPATCHER,
  type DispatcherProtocol,
  type LeaderView,
  RESOURCE_MANAGER,
} from '../protocol/dispatcher.ts'
import type { CheckpointsView, SavepointRequest } from '../protocol/job-master.ts'
import type { JobDescription, JobSubmission, JobSummary } from '../protocol/job-submission.ts'
import type { ResourceManagerProtocol } from '../protocol/resource-manager.ts'
import { TERMINAL_JOB_STATES } from '../scheduler/job-state.ts'
import type { NodeView } from '../scheduler/slot-ledger.ts'

export interface ClusterClientOptions {
  readonly system: ActorSystem
  readonly subjects: Subjects
  readonly clock: Clock
  /** Of one request; default 5 s. */
  readonly timeoutMs?: number | undefined
}

export interface TakenCheckpoint {
  readonly jobId: string
  readonly checkpointId: number
  readonly uri: string
}

/** How long requests are repeated while coordinators are there and none of them leads. */
const TAKE_OVER_PATIENCE_MS = 20_000
const PROBE_TIMEOUT_MS = 1000
/** Nobody has said anything, or to ask again; other errors are answers. */
const MOMENTARY = ['TIMEOUT', 'NO_RESPONDERS', 'JOB_TAKEN_OVER']

/** How often something is asked for while somebody waits for it. */
const POLL_MS = 200
/** A job is asked more often at first: nobody waits longer for its end than this share of the time it took. */
const POLL_SHARE = 0.03
const POLL_MIN_MS = 5

export class ClusterClient {
  readonly #system: ActorSystem
  readonly #clock: Clock
  readonly #dispatcher: ActorRef<DispatcherProtocol>
  readonly #resourceManager: ActorRef<ResourceManagerProtocol>
  readonly #coordinators: ActorRef<CoordinatorProtocol>
  readonly #timeoutMs: number

  constructor({ system, subjects, clock, timeoutMs = 5000 }: ClusterClientOptions) {
    this.#system = system
    this.#clock = clock
    this.#dispatcher = { subject: subjects.control(DISPATCHER) }
    this.#coordinators = { subject: subjects.control(COORDINATORS) }
    this.#resourceManager = { subject: subjects.control(RESOURCE_MANAGER) }
    this.#timeoutMs = timeoutMs
  }

  async submit(submission: JobSubmission): Promise<string> {
    return (await this.#ask({ kind: 'submit', submission })).jobId
  }

  /** Who leads, since when; who stands by. */
  async leader(): Promise<LeaderView & { readonly standbys: readonly CoordinatorIdentity[] }> {
    const [leader, { standbys }] = await Promise.all([
      this.#ask({ kind: 'leader' }),
      this.#system.ask(this.#coordinators, { kind: 'identify' }, PROBE_TIMEOUT_MS),
    ])
    return { ...leader, standbys }
  }

  async jobs(): Promise<readonly JobSummary[]> {
    return (await this.#ask({ kind: 'list' })).jobs
  }

  describe(job: string): Promise<JobDescription> {
    return this.#ask({ kind: 'describe', job })
  }

  /** Begins the cancellation; returns the job's id. */
  async cancel(job: string): Promise<string> {
    return (await this.#ask({ kind: 'cancel', job })).jobId
  }

  /**
   * Takes a savepoint of a running job, and resolves when it is complete; with `stop`, when everything before it has
   * been committed. Throws CHECKPOINT_FAILED.
   */
  async savepoint(
    job: string,
    { uri = null, stop = 'none' }: { uri?: string | null; stop?: SavepointRequest['stop'] } = {},
  ): Promise<TakenCheckpoint> {
    const message = { kind: 'savepoint', job, requestId: newId(), uri, stop } as const
    return await this.#untilTaken(() => this.#ask(message))
  }

  /** Takes a checkpoint of a running job, whatever its interval. Throws CHECKPOINT_FAILED. */
  async checkpoint(job: string): Promise<TakenCheckpoint> {
    const message = { kind: 'checkpoint', job, requestId: newId() } as const
    return await this.#untilTaken(() => this.#ask(message))
  }

  /** The last checkpoints and savepoints; `checkpointId`: of the one whose subtasks are to be told too. */
  checkpoints(job: string, checkpointId: number | null = null): Promise<CheckpointsView> {
    const message = { kind: 'checkpoints', job, checkpointId } as const
    return this.#ask(message)
  }

  /** What a job was submitted with, as long as the cluster knows it. */
  async submission(job: string): Promise<JobSubmission> {
    const message = { kind: 'submission', job } as const
    return (await this.#ask(message)).submission
  }

  async nodes(): Promise<readonly (NodeView & { readonly silentMs: number })[]> {
    const nodes = () => this.#system.ask(this.#resourceManager, { kind: 'nodes' }, this.#timeoutMs)
    const reply = await this.#patiently(nodes)
    return reply.nodes.map((node) => ({ ...node, silentMs: Math.max(0, reply.nowMs - node.lastSeenMs) }))
  }

  /** Resolves with the last description when the job has ended, however it did. Survives a silent coordinator. */
  async waitForEnd(
    job: string,
    onProgress: (description: JobDescription) => void = () => {},
  ): Promise<JobDescription> {
    const startedMs = this.#clock.monotonic()
    for (;;) {
      const description = await this.describe(job).catch((error: unknown) => {
        if (error instanceof SluiceError && error.retryable) return null
        throw error
      })
      if (description !== null) {
        onProgress(description)
        if (TERMINAL_JOB_STATES.includes(description.state)) return description
      }
      const waitedMs = this.#clock.monotonic() - startedMs
      await sleep(this.#clock, Math.min(POLL_MS, POLL_MIN_MS + waitedMs * POLL_SHARE))
    }
  }

  async #untilTaken(ask: () => Promise<DemandStatus & { readonly jobId: string }>): Promise<TakenCheckpoint> {
    for (;;) {
      const { isDone, jobId, checkpointId, uri } = await ask()
      if (isDone) return { jobId, checkpointId: checkpointId!, uri }
      await sleep(this.#clock, POLL_MS)
    }
  }

  #ask<K extends AskKind<DispatcherProtocol>>(
    message: MessageOf<DispatcherProtocol, K>,
  ): Promise<ReplyOf<DispatcherProtocol, K>> {
    return this.#patiently(() =>
      this.#system.ask<DispatcherProtocol, K>(this.#dispatcher, message, this.#timeoutMs),
    )
  }

  /** While one coordinator takes over from another nobody answers for a moment; asking twice changes nothing. */
  async #patiently<T>(ask: () => Promise<T>): Promise<T> {
    const deadlineMs = this.#clock.monotonic() + TAKE_OVER_PATIENCE_MS
    let isLast = false
    for (;;) {
      try {
        return await ask()
      } catch (error) {
        if (!(error instanceof SluiceError) || !MOMENTARY.includes(error.code)) throw error
        if (isLast || this.#clock.monotonic() >= deadlineMs) throw explained(error)
        const leadership = error.code === 'JOB_TAKEN_OVER' ? 'open' : await this.#probeLeadership()
        if (leadership === 'unknown') throw explained(error)
        // It may have come to lead since the question was asked.
        isLast = leadership === 'led'
        await sleep(this.#clock, POLL_MS)
      }
    }
  }

  /** `open`: a coordinator is there, and none leads, or none that answers. `unknown`: there is none. */
  async #probeLeadership(): Promise<'led' | 'open' | 'unknown'> {
    return await this.#system.ask(this.#coordinators, { kind: 'identify' }, PROBE_TIMEOUT_MS).then(
      ({ self, leader }) => (self.incarnation === leader?.incarnation ? 'led' : 'open'),
      () => 'unknown',
    )
  }
}

function explained(error: SluiceError): SluiceError {
  if (error.code !== 'NO_RESPONDERS') return error
  return new SluiceError(
    'NO_RESPONDERS',
    'no coordinator answers on this cluster: start one with `sluice coordinator`, or check --cluster and --nats',
    { cause: error },
  )
}

/** The error of a job that did not finish, or undefined. */
export function failureOf({ state, error, name }: JobDescription): SluiceError | undefined {
  if (state === 'finished') return undefined
  if (state === 'cancelled') return new SluiceError('JOB_CANCELLED', `job "${name}" was cancelled`)
  return error === undefined ? new SluiceError('JOB_FAILED', `job "${name}" failed`) : fromErrorRecord(error)
}
