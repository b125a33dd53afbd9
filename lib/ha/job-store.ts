/**
 * The jobs of a cluster, as one leader leaves them to the next: a record of each in the key-value store, and its
 * submission in the blob store. A record is written in place of the one read or written before and bears the writer's
 * epoch, so:
 *
 * S1. Once a leader has taken a record over (`takeOver`), the one before it writes none any more: its next `save`
 *     rejects with NOT_LEADER.
 * S2. What `save` has resolved for is what the next leader finds. Saves of one job happen one after the other; of
 *     several that wait, the last is written, for all of them.
 * S3. A save that fails is tried again for as long as its leader leads.
 */
import { Packr } from 'msgpackr'
import { type Clock, sleep } from '../base/clock.ts'
import { SluiceError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { JobRecord } from '../protocol/job-record.ts'
import type { JobSubmission } from '../protocol/job-submission.ts'
import { notLeader } from '../protocol/not-leader.ts'
import type { BlobStore } from '../storage/blob-store.ts'
import type { KeyValue, KeyValueEntry } from './key-value.ts'

export interface JobStoreOptions {
  readonly keyValue: KeyValue
  /** For submissions; to be closed by whoever asks. */
  openBlobs(): Promise<BlobStore>
  readonly clock: Clock
  readonly log: Logger
  /** Of the leader this is for. */
  readonly epoch: number
  /** Whether it leads still. */
  isLeading(): boolean
}

export interface StoredJob {
  readonly submission: JobSubmission
  readonly record: JobRecord
  readonly entry: JobEntry
}

/** As stored: JSON, to be read by people with `nats kv get`. */
interface Stored {
  readonly formatVersion: number
  readonly epoch: number
  /** Counts writes, so that no two are alike. */
  readonly write: number
  readonly record: JobRecord
}

const FORMAT_VERSION = 1
const FOLDER = 'jobs'
const RETRY_MS = 100
/** Submissions that are read at once by a new leader. */
const READS_MAX = 16

const keyOf = (jobId: string): string => `${FOLDER}.${jobId}`
const submissionPath = (jobId: string): string => `submissions/${jobId}`
const packr = new Packr({ useRecords: false, moreTypes: true })

export class JobStore {
  readonly #options: JobStoreOptions

  constructor(options: JobStoreOptions) {
    this.#options = options
  }

  /** A new job. Rejects with STORAGE_FAILED or STORAGE_UNUSABLE; NOT_LEADER if another leader knows the job. */
  async add(submission: JobSubmission, record: JobRecord): Promise<JobEntry> {
    const blobs = await this.#options.openBlobs()
    try {
      await blobs.put(submissionPath(record.jobId), packr.pack(submission))
    } finally {
      await blobs.close()
    }
    const entry = new JobEntry(this.#options, record.jobId, null)
    await entry.save(() => record)
    return entry
  }

  /**
   * All jobs, in the order in which they were handed in; those of which the submission is gone are left out. Rejects
   * with STORAGE_FAILED, or NOT_LEADER once this leader leads no more.
   */
  async takeOver(): Promise<StoredJob[]> {
    const { keyValue, log } = this.#options
    const entries = await keyValue.list(FOLDER)
    const blobs = await this.#options.openBlobs()
    const jobs: StoredJob[] = []
    try {
      for (let from = 0; from < entries.length; from += READS_MAX) {
        const some = entries.slice(from, from + READS_MAX)
        const taken = await Promise.all(some.map((entry) => this.#take(entry, blobs)))
        jobs.push(...taken.filter((job) => job !== null))
      }
    } finally {
      await blobs.close()
    }
    if (jobs.length > 0) log.info('jobs taken over', { jobs: jobs.length })
    return jobs.sort((a, b) => a.record.submittedMs - b.record.submittedMs)
  }

  async #take({ key, revision, value }: KeyValueEntry, blobs: BlobStore): Promise<StoredJob | null> {
    const jobId = key.slice(keyOf('').length)
    const entry = new JobEntry(this.#options, jobId, revision)
    try {
      const record = await entry.takeOver(decodeRecord(key, value))
      const submission = packr.unpack(await blobs.get(submissionPath(jobId))) as JobSubmission
      return { submission, record, entry }
    } catch (error) {
      const isLost = error instanceof SluiceError && ['BLOB_NOT_FOUND', 'DECODE_FAILED'].includes(error.code)
      if (!isLost) throw error
      this.#options.log.error('a job is lost: what was stored of it is not whole', { job: jobId, error })
      return null
    }
  }
}

/** Where one job is kept. */
export class JobEntry {
  readonly #options: JobStoreOptions
  readonly #jobId: string
  /** Null: there is none yet. */
  #revision: number | null
  #writes = 0
  #last: Promise<void> = Promise.resolve()
  #next: Promise<void> | null = null

  constructor(options: JobStoreOptions, jobId: string, revision: number | null) {
    this.#options = options
    this.#jobId = jobId
    this.#revision = revision
  }

  /** `record` is asked when it is written. Rejects with NOT_LEADER, or STORAGE_UNUSABLE. */
  save(record: () => JobRecord): Promise<void> {
    this.#next ??= this.#last.then(() => {
      this.#next = null
      return this.#write(record)
    })
    this.#last = this.#next.catch(() => {})
    return this.#next
  }

  /** Makes the record this leader's (S1); what is in it may have changed since it was read. */
  async takeOver(found: Stored): Promise<JobRecord> {
    let stored = found
    for (;;) {
      this.#check(stored)
      const { record } = stored
      const revision = await this.#put({ ...this.#stamp(), record })
      if (revision !== null) {
        this.#revision = revision
        return record
      }
      const entry = await this.#options.keyValue.get(keyOf(this.#jobId))
      if (entry === null) throw new SluiceError('DECODE_FAILED', `the record of job ${this.#jobId} is gone`)
      this.#revision = entry.revision
      stored = decodeRecord(entry.key, entry.value)
    }
  }

  /** Forgets the job. */
  async remove(): Promise<void> {
    const { keyValue, openBlobs } = this.#options
    await this.#last
    if (this.#revision !== null) await keyValue.delete(keyOf(this.#jobId), this.#revision)
    const blobs = await openBlobs()
    await blobs.delete(submissionPath(this.#jobId)).finally(() => blobs.close())
  }

  async #write(record: () => JobRecord): Promise<void> {
    for (;;) {
      if (!this.#options.isLeading()) throw notLeader(this.#options.epoch, this.#options.epoch + 1)
      try {
        const revision = await this.#put({ ...this.#stamp(), record: record() })
        if (revision !== null) {
          this.#revision = revision
          return
        }
        await this.#lookAgain()
      } catch (error) {
        if (!(error instanceof SluiceError) || !error.retryable) throw error
        this.#options.log.warn('a job could not be saved, trying again', { job: this.#jobId, error })
        await sleep(this.#options.clock, RETRY_MS)
      }
    }
  }

  /** Somebody has written: a leader after us, or ourselves, in a write that was given up and came late. */
  async #lookAgain(): Promise<void> {
    const entry = await this.#options.keyValue.get(keyOf(this.#jobId))
    if (entry === null) {
      this.#revision = null
      return
    }
    this.#check(decodeRecord(entry.key, entry.value))
    this.#revision = entry.revision
  }

  #check({ epoch }: Stored): void {
    if (epoch > this.#options.epoch) throw notLeader(this.#options.epoch, epoch)
  }

  #put(stored: Stored): Promise<number | null> {
    const { keyValue } = this.#options
    const value = new TextEncoder().encode(JSON.stringify(stored))
    const key = keyOf(this.#jobId)
    return this.#revision === null ? keyValue.create(key, value) : keyValue.update(key, value, this.#revision)
  }

  #stamp(): Pick<Stored, 'formatVersion' | 'epoch' | 'write'> {
    return { formatVersion: FORMAT_VERSION, epoch: this.#options.epoch, write: ++this.#writes }
  }
}

function decodeRecord(key: string, value: Uint8Array): Stored {
  const stored = parse(value)
  if (typeof stored === 'object' && stored !== null && 'formatVersion' in stored) {
    if (stored.formatVersion === FORMAT_VERSION) return stored as Stored
    throw new SluiceError(
      'STATE_INCOMPATIBLE',
      `the record ${key} has format ${stored.formatVersion}, this version of Sluice reads format ${FORMAT_VERSION}`,
    )
  }
  throw new SluiceError('DECODE_FAILED', `the record ${key} cannot be read`)
}

function parse(value: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(value))
  } catch {
    return null
  }
}
