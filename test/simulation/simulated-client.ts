/**
 * Who hands the job in, waits for its end, and perhaps takes a savepoint in the middle: to go on from it at another
 * parallelism, or just to have it. Patient, as a person would be: what is not answered is asked again.
 */
import type { GraphSettings } from '../../lib/api/stream-environment.ts'
import { type Clock, sleep } from '../../lib/base/clock.ts'
import { SluiceError } from '../../lib/base/errors.ts'
import { taskSettings } from '../../lib/config/config-settings.ts'
import { defaultConfig } from '../../lib/config/resolve-config.ts'
import type { JobGraph } from '../../lib/graph/job-graph.ts'
import { DISPATCHER, type DispatcherProtocol } from '../../lib/protocol/dispatcher.ts'
import type { JobDescription, JobRunSettings, RestoreSettings } from '../../lib/protocol/job-submission.ts'
import type { SubtaskProtocol } from '../../lib/protocol/slot.ts'
import { TERMINAL_JOB_STATES } from '../../lib/scheduler/job-state.ts'
import type { Plan } from './plan.ts'
import { type SimulatedCluster, SUBJECTS } from './simulated-cluster.ts'

export interface SimulatedClientOptions {
  readonly cluster: SimulatedCluster
  readonly plan: Plan
  readonly clock: Clock
}

export interface JobStats {
  readonly restarts: number
  readonly savepoints: number
}

const POLL_MS = 200
const TIMEOUT_MS = 1000
const RETRY_MS = 50
/** Nobody has said anything; other errors are answers. */
const UNANSWERED = [
  'TIMEOUT',
  'NO_RESPONDERS',
  'JOB_TAKEN_OVER',
  'CANNOT_CONNECT',
  'MAILBOX_FULL',
  'BUS_OVERLOADED',
  'STORAGE_FAILED',
  'NOT_LEADER',
]

export class SimulatedClient {
  readonly #options: SimulatedClientOptions
  #last: JobDescription | null = null
  #savepoints = 0

  constructor(options: SimulatedClientOptions) {
    this.#options = options
  }

  graphSettings(parallelism: number): GraphSettings {
    const { isChainingEnabled } = this.#options.plan
    return { parallelism, maxParallelism: 128, isChainingEnabled, args: [] }
  }

  /** Rejects if the job does not come to the end it should come to. */
  async runJob(graphOf: (parallelism: number) => JobGraph): Promise<JobStats> {
    const { plan } = this.#options
    await this.#submit('first', graphOf(plan.parallelism), plan.parallelism, null)
    const uri = plan.savepoint === null ? null : await this.#savepoint('first')
    const first = await this.#untilReadable('first', graphOf(plan.parallelism))
    if (uri === null || plan.savepoint?.stop !== 'suspend') {
      expectState(first, ['finished'])
      return { restarts: first.restarts, savepoints: this.#savepoints }
    }
    expectState(first, ['cancelled', 'finished'])
    const { parallelism } = plan.savepoint
    const second = await this.#goOn(uri, graphOf(parallelism), parallelism)
    expectState(second, ['finished'])
    return { restarts: first.restarts + second.restarts, savepoints: this.#savepoints }
  }

  /** Where subtask 0 of a vertex was last seen. */
  nodeOf(vertexId: string): string | undefined {
    return this.#last?.vertices.find(({ id }) => id === vertexId)?.subtasks[0]?.slot.node
  }

  /** What the job was last seen doing, and what each of its subtasks waits for. */
  async dump(): Promise<string[]> {
    const job = this.#last
    if (job === null) return ['the job has never been described']
    const places = job.vertices.flatMap(({ id, name, subtasks }) =>
      subtasks.map(({ index, slot }) => ({
        id,
        index,
        what: `${name} ${index} on ${slot.node}/${slot.slot}`,
      })),
    )
    const { client } = this.#options.cluster
    const subtasks = await Promise.all(
      places.map(async ({ id, index, what }) => {
        const ref = client.ref<SubtaskProtocol>(SUBJECTS.actor(job.jobId, id, index))
        const answer = client.ask<SubtaskProtocol, 'describe'>(ref, { kind: 'describe' }, TIMEOUT_MS)
        return answer.then(
          ({ state, waitsFor }) => `  ${what}: ${state}, waits for ${waitsFor}`,
          (error) => `  ${what}: ${error.message}`,
        )
      }),
    )
    const error = job.error === undefined ? '' : `, error ${job.error.message}`
    return [
      `${job.jobId} is ${job.state}, attempt ${job.attempt}, ${job.slotsHeld} of ${job.slotsNeeded} slots${error}`,
      ...subtasks,
    ]
  }

  /** A job that has no checkpoint left that can be read fails; who handed it in does so again. */
  async #untilReadable(jobId: string, graph: JobGraph): Promise<JobDescription> {
    const { plan } = this.#options
    for (let number = 0, id = jobId; ; number++) {
      const job = await this.#waitForEnd(id)
      const isDamaged = job.state === 'failed' && job.error?.code === 'CHECKPOINT_UNREADABLE'
      if (!isDamaged || plan.damages.length === 0) return job
      id = `${jobId}-again-${number}`
      await this.#submit(id, graph, plan.parallelism, null)
    }
  }

  /** A savepoint that cannot be read refuses the job at once; who hands it in tries again. */
  async #goOn(uri: string, graph: JobGraph, parallelism: number): Promise<JobDescription> {
    for (let number = 0; ; number++) {
      const jobId = `second-${number}`
      await this.#submit(jobId, graph, parallelism, { uri, isPartialAllowed: false })
      const job = await this.#waitForEnd(jobId)
      if (job.state !== 'failed' || job.error?.code !== 'STORAGE_FAILED') return job
    }
  }

  async #submit(
    jobId: string,
    graph: JobGraph,
    parallelism: number,
    restore: RestoreSettings | null,
  ): Promise<void> {
    const { plan } = this.#options
    const settings: JobRunSettings = {
      graph: this.graphSettings(parallelism),
      task: {
        ...taskSettings(defaultConfig()),
        exchange: 'nats',
        frameBytes: plan.frameBytes,
        state: plan.state,
        channelTimeoutMs: plan.channelTimeoutMs,
      },
      restart: { kind: 'fixed-delay', attempts: 1_000_000, delayMs: plan.restartDelayMs },
      checkpoint: {
        ...plan.checkpoint,
        mode: 'exactly-once',
        alignmentTimeoutMs: plan.alignmentTimeoutMs,
        storageUri: 'memory:checkpoints',
        retainOnCancel: false,
        retainOnFinish: false,
        historyMax: 20,
        localBytesMax: plan.localBytesMax,
      },
      restore,
      slotRequestTimeoutMs: 300_000,
      standbySlots: plan.standbySlots,
    }
    const module = { kind: 'registered', key: 'simulated' } as const
    await this.#ask({ kind: 'submit', submission: { jobId, module, graph, settings } })
  }

  /** The URI of the savepoint; null if the job ended before there was one. */
  async #savepoint(jobId: string): Promise<string | null> {
    const { clock, plan } = this.#options
    const { atMs, stop } = plan.savepoint!
    await sleep(clock, atMs)
    for (let number = 0; ; number++) {
      const uri = await this.#trySavepoint(jobId, `savepoint-${number}`, stop)
      if (uri !== null) return uri
      if (TERMINAL_JOB_STATES.includes((await this.#describe(jobId)).state)) return null
      await sleep(clock, POLL_MS)
    }
  }

  async #trySavepoint(jobId: string, requestId: string, stop: 'none' | 'suspend'): Promise<string | null> {
    try {
      for (;;) {
        const order = { kind: 'savepoint', job: jobId, requestId, uri: null, stop } as const
        const { isDone, uri } = await this.#ask(order)
        if (isDone) {
          this.#savepoints++
          return uri
        }
        await sleep(this.#options.clock, POLL_MS)
      }
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'CHECKPOINT_FAILED') return null
      throw error
    }
  }

  async #waitForEnd(jobId: string): Promise<JobDescription> {
    for (;;) {
      const description = await this.#describe(jobId)
      if (TERMINAL_JOB_STATES.includes(description.state)) return description
      await sleep(this.#options.clock, POLL_MS)
    }
  }

  async #describe(job: string): Promise<JobDescription> {
    this.#last = await this.#ask({ kind: 'describe', job })
    return this.#last
  }

  async #ask<K extends 'submit' | 'describe' | 'savepoint'>(
    message: { readonly kind: K } & DispatcherProtocol[K]['request'],
  ): Promise<DispatcherProtocol[K]['reply']> {
    const { cluster, clock } = this.#options
    const dispatcher = cluster.client.ref<DispatcherProtocol>(SUBJECTS.control(DISPATCHER))
    for (;;) {
      try {
        const reply: unknown = await cluster.client.ask<DispatcherProtocol, K>(
          dispatcher,
          message as never,
          TIMEOUT_MS,
        )
        return reply as DispatcherProtocol[K]['reply']
      } catch (error) {
        if (!(error instanceof SluiceError) || !UNANSWERED.includes(error.code)) throw error
        await sleep(clock, RETRY_MS)
      }
    }
  }
}

function expectState({ jobId, state, error }: JobDescription, expected: readonly string[]): void {
  if (expected.includes(state)) return
  throw new Error(`job ${jobId} is ${state}, not ${expected.join(' or ')}: ${JSON.stringify(error)}`)
}
