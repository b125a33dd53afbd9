/** What programs use to run jobs on a cluster: the verbs of the dispatcher and the resource manager as methods. */

import type { ActorRef } from '../actor/actor-ref.ts'
import type { ActorSystem } from '../actor/actor-system.ts'
import { type Clock, sleep } from '../base/clock.ts'
import { fromErrorRecord, SluiceError } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { Subjects } from '../bus/subjects.ts'
import type { DemandStatus } from '../checkpoint/checkpoint-demands.ts'
import { DISPATCHER, type DispatcherProtocol, RESOURCE_MANAGER } from '../protocol/dispatcher.ts'
import type { CheckpointsView, SavepointRequest } from '../protocol/job-master.ts'
import type { JobDescription, JobSubmission, JobSummary } from '../protocol/job-submission.ts'
import type { ResourceManagerProtocol } from '../protocol/resource-manager.ts'
import { TERMINAL_JOB_STATES } from '../scheduler/job-scheduler.ts'
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

/** How often a job is asked how it is doing while somebody waits for it. */
const POLL_MS = 200

export class ClusterClient {
  readonly #system: ActorSystem
  readonly #clock: Clock
  readonly #dispatcher: ActorRef<DispatcherProtocol>
  readonly #resourceManager: ActorRef<ResourceManagerProtocol>
  readonly #timeoutMs: number

  constructor({ system, subjects, clock, timeoutMs = 5000 }: ClusterClientOptions) {
    this.#system = system
    this.#clock = clock
    this.#dispatcher = { subject: subjects.control(DISPATCHER) }
    this.#resourceManager = { subject: subjects.control(RESOURCE_MANAGER) }
    this.#timeoutMs = timeoutMs
  }

  async submit(submission: JobSubmission): Promise<string> {
    const { jobId } = await this.#ask(
      this.#system.ask(this.#dispatcher, { kind: 'submit', submission }, this.#timeoutMs),
    )
    return jobId
  }

  async jobs(): Promise<readonly JobSummary[]> {
    return (await this.#ask(this.#system.ask(this.#dispatcher, { kind: 'list' }, this.#timeoutMs))).jobs
  }

  describe(job: string): Promise<JobDescription> {
    return this.#ask(this.#system.ask(this.#dispatcher, { kind: 'describe', job }, this.#timeoutMs))
  }

  /** Begins the cancellation; returns the job's id. */
  async cancel(job: string): Promise<string> {
    return (await this.#ask(this.#system.ask(this.#dispatcher, { kind: 'cancel', job }, this.#timeoutMs)))
      .jobId
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
    return await this.#untilTaken(() => this.#system.ask(this.#dispatcher, message, this.#timeoutMs))
  }

  /** Takes a checkpoint of a running job, whatever its interval. Throws CHECKPOINT_FAILED. */
  async checkpoint(job: string): Promise<TakenCheckpoint> {
    const message = { kind: 'checkpoint', job, requestId: newId() } as const
    return await this.#untilTaken(() => this.#system.ask(this.#dispatcher, message, this.#timeoutMs))
  }

  /** The last checkpoints and savepoints; `checkpointId`: of the one whose subtasks are to be told too. */
  checkpoints(job: string, checkpointId: number | null = null): Promise<CheckpointsView> {
    const message = { kind: 'checkpoints', job, checkpointId } as const
    return this.#ask(this.#system.ask(this.#dispatcher, message, this.#timeoutMs))
  }

  /** What a job was submitted with, as long as the cluster knows it. */
  async submission(job: string): Promise<JobSubmission> {
    const message = { kind: 'submission', job } as const
    return (await this.#ask(this.#system.ask(this.#dispatcher, message, this.#timeoutMs))).submission
  }

  async nodes(): Promise<readonly (NodeView & { readonly silentMs: number })[]> {
    const reply = await this.#ask(this.#system.ask(this.#resourceManager, { kind: 'nodes' }, this.#timeoutMs))
    return reply.nodes.map((node) => ({ ...node, silentMs: Math.max(0, reply.nowMs - node.lastSeenMs) }))
  }

  /** Resolves with the last description when the job has ended, however it did. Survives a silent coordinator. */
  async waitForEnd(
    job: string,
    onProgress: (description: JobDescription) => void = () => {},
  ): Promise<JobDescription> {
    for (;;) {
      const description = await this.describe(job).catch((error: unknown) => {
        if (error instanceof SluiceError && error.retryable) return null
        throw error
      })
      if (description !== null) {
        onProgress(description)
        if (TERMINAL_JOB_STATES.includes(description.state)) return description
      }
      await sleep(this.#clock, POLL_MS)
    }
  }

  async #untilTaken(ask: () => Promise<DemandStatus & { readonly jobId: string }>): Promise<TakenCheckpoint> {
    for (;;) {
      const { isDone, jobId, checkpointId, uri } = await this.#ask(ask())
      if (isDone) return { jobId, checkpointId: checkpointId!, uri }
      await sleep(this.#clock, POLL_MS)
    }
  }

  #ask<T>(answer: Promise<T>): Promise<T> {
    return answer.catch((error: unknown) => {
      if (!(error instanceof SluiceError) || error.code !== 'NO_RESPONDERS') throw error
      throw new SluiceError(
        'NO_RESPONDERS',
        'no coordinator answers on this cluster: start one with `sluice coordinator`, or check --cluster and --nats',
        { cause: error },
      )
    })
  }
}

/** The error of a job that did not finish, or undefined. */
export function failureOf({ state, error, name }: JobDescription): SluiceError | undefined {
  if (state === 'finished') return undefined
  if (state === 'cancelled') return new SluiceError('JOB_CANCELLED', `job "${name}" was cancelled`)
  return error === undefined ? new SluiceError('JOB_FAILED', `job "${name}" failed`) : fromErrorRecord(error)
}
