/**
 * What has become of transactions, in a stream of its own on the server the messages go to: a record when the first
 * message of one is about to be published, and another in its place when the last has been acknowledged. Records of
 * a transaction have a subject of their own, of which the stream keeps the last.
 *
 * L1. A transaction without a record has not been begun: none of its messages has been published.
 * L2. One that is done is not published again, however late it is committed again.
 */
import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstream,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream'
import { type JetStreamLink, jetStreamError } from './jetstream-link.ts'

/** `begun`: some messages may have been published, none before `sinceMs`, the server's time. */
export type CommitStatus =
  | { readonly kind: 'new' }
  | { readonly kind: 'begun'; readonly sinceMs: number }
  | { readonly kind: 'done' }

const STREAM = 'SLUICE_COMMITS'
const SUBJECT_PREFIX = 'sluice-commits'
/** A commit that was cut off is only completed within this time; longer ago, its messages are published again. */
const RECORD_AGE_MS = 7 * 24 * 3600 * 1000
/** Records of transactions that nobody will commit again; the older ones are deleted. */
const DONE_KEPT_MAX = 64
const NANOS_PER_MS = 1_000_000

export class CommitLog {
  readonly #link: JetStreamLink
  #isStreamKnown = false
  /** Subjects of transactions that are done, oldest first. */
  readonly #done: string[] = []

  constructor(link: JetStreamLink) {
    this.#link = link
  }

  /** Notes that a transaction is about to be published, and says what was known of it. Throws CONNECTOR_FAILED. */
  async begin(transactionId: string): Promise<CommitStatus> {
    try {
      await this.#findStream()
      const subject = subjectOf(transactionId)
      const expect = { lastSubjectSequence: 0 }
      await this.#publish(subject, { id: transactionId, isDone: false }, expect)
      return { kind: 'new' }
    } catch (error) {
      if (isWrongSequence(error)) return await this.#read(transactionId)
      throw jetStreamError('note a commit', this.#link, error)
    }
  }

  /** Every message of the transaction has been acknowledged. Throws CONNECTOR_FAILED. */
  async done(transactionId: string): Promise<void> {
    const subject = subjectOf(transactionId)
    try {
      await this.#publish(subject, { id: transactionId, isDone: true })
      this.#done.push(subject)
      while (this.#done.length > DONE_KEPT_MAX) await this.#forget(this.#done.shift()!)
    } catch (error) {
      throw jetStreamError('note a commit', this.#link, error)
    }
  }

  async #read(transactionId: string): Promise<CommitStatus> {
    try {
      const query = { last_by_subj: subjectOf(transactionId) }
      const message = await this.#link.manager.streams.getMessage(STREAM, query)
      if (message === null) return { kind: 'new' }
      const { isDone } = message.json<{ isDone: boolean }>()
      return isDone ? { kind: 'done' } : { kind: 'begun', sinceMs: message.time.getTime() }
    } catch (error) {
      throw jetStreamError('read what was committed', this.#link, error)
    }
  }

  async #publish(subject: string, record: object, expect?: { lastSubjectSequence: number }): Promise<void> {
    const client = jetstream(this.#link.bus.connection)
    await client.publish(subject, JSON.stringify(record), expect === undefined ? {} : { expect })
  }

  async #forget(subject: string): Promise<void> {
    await this.#link.manager.streams.purge(STREAM, { filter: subject })
  }

  async #findStream(): Promise<void> {
    if (this.#isStreamKnown) return
    const { streams } = this.#link.manager
    try {
      await streams.info(STREAM)
    } catch (error) {
      if (!(error instanceof JetStreamApiError) || error.code !== JetStreamApiCodes.StreamNotFound)
        throw error
      // Made by several at a time, with the same settings, it is one.
      await streams.add({
        name: STREAM,
        subjects: [`${SUBJECT_PREFIX}.>`],
        storage: StorageType.File,
        retention: RetentionPolicy.Limits,
        discard: DiscardPolicy.Old,
        max_msgs_per_subject: 1,
        max_age: RECORD_AGE_MS * NANOS_PER_MS,
      })
    }
    this.#isStreamKnown = true
  }
}

/** Ids may hold what subjects may not. */
const subjectOf = (transactionId: string): string =>
  `${SUBJECT_PREFIX}.${Buffer.from(transactionId).toString('base64url')}`

function isWrongSequence(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamWrongLastSequence
}
