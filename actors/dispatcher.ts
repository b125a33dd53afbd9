/**
 * Takes jobs in, starts a job master for each, and finds jobs by id or name for those who ask. A job has been taken in
 * once it is stored; one that another leader took in is gone on with.
 */
import type { ActorRef } from '../lib/actor/actor-ref.ts'
import { type ActorContext, type Behavior, handling, type Sender } from '../lib/actor/behavior.ts'
import { SluiceError } from '../lib/base/errors.ts'
import { didYouMean } from '../lib/base/nearest-name.ts'
import type { Subjects } from '../lib/bus/subjects.ts'
import type { JobEntry, JobStore, StoredJob } from '../lib/ha/job-store.ts'
import { type DispatcherProtocol, jobMasterName, type LeaderView } from '../lib/protocol/dispatcher.ts'
import type { JobMasterProtocol } from '../lib/protocol/job-master.ts'
import type { JobRecord } from '../lib/protocol/job-record.ts'
import type { JobSubmission, JobSummary } from '../lib/protocol/job-submission.ts'
import { type JobState, TERMINAL_JOB_STATES } from '../lib/scheduler/job-state.ts'
import type { BlobStore } from '../lib/storage/blob-store.ts'
import { JobMaster } from './job-master.ts'

export interface DispatcherOptions {
  readonly subjects: Subjects
  readonly heartbeatTimeoutMs: number
  /** The leader that this is part of. */
  readonly leader: LeaderView
  /** Null: jobs go with the leader. */
  readonly store: JobStore | null
  /** Jobs of the leader before. */
  readonly stored: readonly StoredJob[]
  /** A blob store by its URI, for checkpoints. */
  openStorage(uri: string): Promise<BlobStore>
}

/** Jobs that have ended and can still be asked about; older ones are forgotten. */
const ENDED_JOBS_MAX = 100
const ASK_TIMEOUT_MS = 2000

interface KnownJob {
  readonly name: string
  readonly ref: ActorRef<JobMasterProtocol>
  readonly entry: JobEntry | null
  state: JobState
}

interface Submitted {
  readonly submission: JobSubmission
  readonly submittedMs: number
  readonly entry: JobEntry | null
  readonly record: JobRecord | null
}

type Protocol = DispatcherProtocol & {
  stored: { request: { submitted: Submitted } }
  notStored: { request: { jobId: string; error: SluiceError } }
}
type Context = ActorContext<Protocol>

export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #jobs = new Map<string, KnownJob>()
  /** Who waits for a job to be stored, by its id; as many as ask. */
  readonly #storing = new Map<string, Sender<{ readonly jobId: string }>[]>()
  #context!: Context

  constructor(options: DispatcherOptions) {
    this.#options = options
    for (const { record, entry } of options.stored)
      this.#know(record.jobId, record.name, entry, record.job.state)
  }

  isKnownJob(jobId: string): boolean {
    return this.#jobs.has(jobId)
  }

  isLiveJob(jobId: string): boolean {
    const job = this.#jobs.get(jobId)
    return job !== undefined && !TERMINAL_JOB_STATES.includes(job.state)
  }

  behavior(): Behavior<Protocol> {
    return handling<Protocol>(
      {
        leader: (_message, sender) => sender.reply(this.#options.leader),
        submit: ({ submission }, sender) => this.#submit(submission, sender),
        stored: ({ submitted }) => this.#onStored(submitted),
        notStored: ({ jobId, error }) => {
          for (const sender of this.#storing.get(jobId) ?? []) sender.fail(error)
          this.#storing.delete(jobId)
        },
        list: (_message, sender) => this.#list(sender),
        describe: ({ job }, sender) =>
          this.#forward(job, sender, (ref) => this.#context.ask(ref, { kind: 'describe' }, ASK_TIMEOUT_MS)),
        cancel: ({ job }, sender) =>
          this.#forward(job, sender, async (ref, jobId) => {
            await this.#context.ask(ref, { kind: 'cancel' }, ASK_TIMEOUT_MS)
            return { jobId }
          }),
        savepoint: ({ job, requestId, uri, stop }, sender) =>
          this.#forward(job, sender, async (ref, jobId) => {
            const order = { kind: 'savepoint', requestId, uri, stop } as const
            return { jobId, ...(await this.#context.ask(ref, order, ASK_TIMEOUT_MS)) }
          }),
        checkpoint: ({ job, requestId }, sender) =>
          this.#forward(job, sender, async (ref, jobId) => {
            const order = { kind: 'checkpoint', requestId } as const
            return { jobId, ...(await this.#context.ask(ref, order, ASK_TIMEOUT_MS)) }
          }),
        checkpoints: ({ job, checkpointId }, sender) =>
          this.#forward(job, sender, (ref) =>
            this.#context.ask(ref, { kind: 'checkpoints', checkpointId }, ASK_TIMEOUT_MS),
          ),
        submission: ({ job }, sender) =>
          this.#forward(job, sender, (ref) => this.#context.ask(ref, { kind: 'submission' }, ASK_TIMEOUT_MS)),
      },
      {
        started: (context) => {
          this.#context = context
          for (const { submission, record, entry } of this.#options.stored)
            this.#start({ submission, submittedMs: record.submittedMs, entry, record })
        },
      },
    )
  }

  #submit(submission: JobSubmission, sender: Sender<{ readonly jobId: string }>): void {
    const { jobId, graph } = submission
    const waiting = this.#storing.get(jobId)
    if (waiting !== undefined) waiting.push(sender)
    else if (this.#jobs.has(jobId)) sender.reply({ jobId })
    else {
      this.#storing.set(jobId, [sender])
      const { store } = this.#options
      const submittedMs = this.#context.clock.now()
      const plain = { submission, submittedMs, record: null }
      if (store === null) {
        this.#onStored({ ...plain, entry: null })
        return
      }
      this.#context.pipeToSelf(
        store.add(submission, newRecord(jobId, graph.jobName, submittedMs)),
        (entry) => ({ kind: 'stored', submitted: { ...plain, entry } }),
        (error) => ({ kind: 'notStored', jobId, error }),
      )
    }
  }

  #onStored(submitted: Submitted): void {
    const { jobId, graph } = submitted.submission
    this.#forgetOldest()
    this.#know(jobId, graph.jobName, submitted.entry, 'created')
    this.#start(submitted)
    for (const sender of this.#storing.get(jobId) ?? []) sender.reply({ jobId })
    this.#storing.delete(jobId)
  }

  #know(jobId: string, name: string, entry: JobEntry | null, state: JobState): void {
    const subject = this.#options.subjects.control(jobMasterName(jobId))
    this.#jobs.set(jobId, { name, ref: { subject }, entry, state })
  }

  #start({ submission, submittedMs, entry, record }: Submitted): void {
    const { subjects, heartbeatTimeoutMs, leader } = this.#options
    const { jobId } = submission
    const master = new JobMaster({
      subjects,
      submission,
      submittedMs,
      epoch: leader.epoch,
      entry,
      record,
      heartbeatTimeoutMs,
      openStorage: (uri) => this.#options.openStorage(uri),
      onState: (state) => {
        const job = this.#jobs.get(jobId)
        if (job !== undefined) job.state = state
      },
    })
    this.#context.spawn(subjects.control(jobMasterName(jobId)), master.behavior())
  }

  #list(sender: Sender<{ readonly jobs: readonly JobSummary[] }>): void {
    const asks = [...this.#jobs.values()].map(({ ref }) =>
      this.#context.ask(ref, { kind: 'summarise' }, ASK_TIMEOUT_MS),
    )
    Promise.all(asks).then(
      (jobs) => sender.reply({ jobs }),
      (error) => sender.fail(error),
    )
  }

  #forward<R>(
    reference: string,
    sender: Sender<R>,
    ask: (ref: ActorRef<JobMasterProtocol>, jobId: string) => Promise<R>,
  ): void {
    const found = this.#find(reference)
    if (found instanceof SluiceError) {
      sender.fail(found)
      return
    }
    ask(found.ref, found.jobId).then(
      (reply) => sender.reply(reply),
      (error) => sender.fail(error),
    )
  }

  /** By id; by a beginning of an id that fits only one; by the name of the only job that has not ended. */
  #find(reference: string): { readonly jobId: string; readonly ref: KnownJob['ref'] } | SluiceError {
    const all = [...this.#jobs]
    const exact = this.#jobs.get(reference)
    if (exact !== undefined) return { jobId: reference, ref: exact.ref }
    const named = all.filter(([, { name }]) => name === reference)
    const live = named.filter(([, { state }]) => !TERMINAL_JOB_STATES.includes(state))
    const candidates =
      live.length > 0
        ? live
        : named.length > 0
          ? named.slice(-1)
          : all.filter(([id]) => id.startsWith(reference))
    const [first, ...more] = candidates
    if (first !== undefined && more.length === 0) return { jobId: first[0], ref: first[1].ref }
    if (first !== undefined) {
      const ids = candidates.map(([id]) => id).join(', ')
      return new SluiceError('USAGE', `"${reference}" fits several jobs: ${ids}; say which by its id`)
    }
    const known = all.flatMap(([id, { name }]) => [id, name])
    return new SluiceError('JOB_NOT_FOUND', `there is no job "${reference}".${didYouMean(reference, known)}`)
  }

  #forgetOldest(): void {
    const ended = [...this.#jobs].filter(([, { state }]) => TERMINAL_JOB_STATES.includes(state))
    for (const [jobId, { ref, entry }] of ended.slice(0, Math.max(0, ended.length - ENDED_JOBS_MAX + 1))) {
      this.#jobs.delete(jobId)
      this.#context.stop(ref)
      entry?.remove().catch((error) => this.#context.log.warn('a record is left over', { job: jobId, error }))
    }
  }
}

function newRecord(jobId: string, name: string, submittedMs: number): JobRecord {
  const job = { state: 'created', restarts: 0, regions: [], places: [] } as const
  return { jobId, name, submittedMs, endedMs: null, job, checkpoints: null }
}
