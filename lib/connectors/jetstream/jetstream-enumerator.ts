/**
 * Finds out where each subject of a stream begins and ends, once, and deals the splits out. Its state is what has not
 * been dealt out, and which subjects it knows: those a later version of a job adds are found on restore.
 */
import { AckPolicy, type ConsumerConfig, DeliverPolicy, RetentionPolicy } from '@nats-io/jetstream'
import { SluiceError } from '../../base/errors.ts'
import type { NatsOptions } from '../../bus/nats-options.ts'
import type { EnumeratorContext, SplitEnumerator } from '../../function/source.ts'
import { t } from '../../types/t.ts'
import type { Type } from '../../types/type.ts'
import {
  describeStreams,
  isStreamMissing,
  type JetStreamLink,
  jetStreamError,
  openJetStream,
} from './jetstream-link.ts'
import { JETSTREAM_SPLIT, type JetStreamSplit, splitId } from './jetstream-split.ts'
import { filtersOverlap } from './subject-filter.ts'

/** Where to begin. Times are ms. */
export type JetStreamStart = 'first' | 'new' | { readonly sequence: number } | { readonly time: number }

export interface JetStreamEnumeratorOptions {
  readonly nats: NatsOptions | undefined
  readonly stream: string
  readonly subjects: readonly string[]
  readonly from: JetStreamStart
  /** The last sequence; `end`: as of the start of the job. Null: never. */
  readonly boundedAt: 'end' | { readonly sequence: number } | null
}

export interface JetStreamEnumeratorState {
  readonly pending: readonly JetStreamSplit[]
  /** Ids of splits. */
  readonly known: readonly string[]
}

export const JETSTREAM_ENUMERATOR_STATE: Type<JetStreamEnumeratorState> = t.object({
  pending: t.list(JETSTREAM_SPLIT),
  known: t.list(t.string),
})

export class JetStreamEnumerator implements SplitEnumerator<JetStreamEnumeratorState, JetStreamSplit> {
  readonly #options: JetStreamEnumeratorOptions
  readonly #context: EnumeratorContext<JetStreamSplit>
  readonly #known: Set<string>
  /** Per reader: split i goes to reader i modulo their number. */
  readonly #pending: (readonly JetStreamSplit[])[] = []
  #splitCount = 0

  constructor(
    options: JetStreamEnumeratorOptions,
    context: EnumeratorContext<JetStreamSplit>,
    restored: JetStreamEnumeratorState | undefined,
  ) {
    this.#options = options
    this.#context = context
    this.#known = new Set(restored?.known)
    this.#add(restored?.pending ?? [])
  }

  async start(): Promise<void> {
    const { stream, subjects } = this.#options
    const added = subjects.filter((subject) => !this.#known.has(splitId(stream, subject)))
    if (added.length === 0) return
    const link = await openJetStream(this.#options.nats, this.#context)
    try {
      this.#add(await this.#find(link, added))
    } finally {
      await link.bus.close()
    }
  }

  onSplitRequest(subtaskIndex: number): void {
    for (const split of this.#pending[subtaskIndex] ?? []) this.#context.assign(split, subtaskIndex)
    this.#pending[subtaskIndex] = []
    this.#context.noMoreSplits(subtaskIndex)
  }

  addSplitsBack(splits: readonly JetStreamSplit[], subtaskIndex: number): void {
    this.#pending[subtaskIndex] = [...(this.#pending[subtaskIndex] ?? []), ...splits]
  }

  snapshot(): JetStreamEnumeratorState {
    return { pending: this.#pending.flat(), known: [...this.#known] }
  }

  close(): void {}

  #add(splits: readonly JetStreamSplit[]): void {
    for (const split of splits) {
      const reader = this.#splitCount++ % this.#context.parallelism
      this.#known.add(split.id)
      this.#pending[reader] = [...(this.#pending[reader] ?? []), split]
    }
  }

  async #find(link: JetStreamLink, subjects: readonly string[]): Promise<JetStreamSplit[]> {
    const { stream, from, boundedAt } = this.#options
    try {
      const { config, state } = await link.manager.streams.info(stream)
      if (config.retention !== RetentionPolicy.Limits) throw forgetful(stream, config.retention)
      this.#warnOfForeignSubjects(config.subjects ?? [], subjects)
      const next =
        from === 'first'
          ? 1
          : from === 'new'
            ? state.last_seq + 1
            : 'sequence' in from
              ? from.sequence
              : await sequenceAt(link, stream, from.time)
      const end = boundedAt === null ? null : boundedAt === 'end' ? state.last_seq : boundedAt.sequence
      return subjects.map((subject) => ({ id: splitId(stream, subject), stream, subject, next, end }))
    } catch (error) {
      if (!isStreamMissing(error)) throw jetStreamError(`read stream ${stream}`, link, error)
      throw new SluiceError(
        'CONNECTOR_FAILED',
        `there is no stream ${stream} at ${link.servers}${await describeStreams(link, stream)}`,
        { cause: error },
      )
    }
  }

  /** A stream keeps messages of subjects it once had, and others have none of their own: so this is no error. */
  #warnOfForeignSubjects(ofStream: readonly string[], subjects: readonly string[]): void {
    for (const subject of subjects) {
      if (ofStream.length === 0 || ofStream.some((filter) => filtersOverlap(filter, subject))) continue
      const { stream } = this.#options
      this.#context.log.warn('a stream does not take messages of this subject', {
        stream,
        subject,
        subjects: ofStream,
      })
    }
  }
}

/** What is read from such a stream is gone: after a failure, a job could not read it again. */
function forgetful(stream: string, retention: string): SluiceError {
  return new SluiceError(
    'UNSUPPORTED',
    `stream ${stream} removes messages as they are consumed (retention "${retention}"), so a job could not go back to its last checkpoint; read a stream with retention "limits", such as a mirror of it`,
  )
}

/** The first sequence stored at or after a time: where the server would begin to deliver. */
async function sequenceAt(link: JetStreamLink, stream: string, timeMs: number): Promise<number> {
  const config: Partial<ConsumerConfig> = {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: new Date(timeMs).toISOString(),
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: 5_000_000_000,
  }
  const info = await link.manager.consumers.add(stream, config)
  await link.manager.consumers.delete(stream, info.name)
  return info.delivered.stream_seq + 1
}
