/**
 * Records into JetStream streams:
 *
 *     stream.sinkTo(jetstreamSink({ subject: (order) => `orders.${order.country}`, delivery: 'exactly-once' }))
 *
 * `at-least-once`: messages are published at once, and a checkpoint waits until the server has acknowledged every
 * message before it. After a failure the messages since the last checkpoint are published again.
 *
 * `exactly-once`: messages are kept in the checkpoint and published when it is complete, so they come later by up to
 * a checkpoint's interval. What has been published is noted in the stream SLUICE_COMMITS on the same server, and
 * a commit that was cut off is completed from what the target streams hold, within 7 days. It works with any server
 * from 2.9 on, whatever the duplicate window; only of streams that delete what has been consumed (work queues), a
 * commit that was cut off must be completed within the window. Messages of a checkpoint appear one after the other,
 * not all at the same instant. Without checkpoints nothing is ever repeated, and messages are published at once.
 *
 * Each message has an id, `<job>/<uid>/<subtask>/<epoch>/...`, by which the server knows it when it is sent twice. The
 * epoch is the last checkpoint *and the attempt*: after a restart, records may come in another order, and with the
 * same ids again the server would take different records for repetitions and drop them.
 *
 * The order of messages is kept as long as none has to be sent twice.
 */
import { SluiceError } from '../../base/errors.ts'
import { type ByteSize, type Duration, parseByteSize, parseDuration } from '../../base/units.ts'
import type { NatsOptions } from '../../bus/nats-options.ts'
import type { Sink } from '../../function/sink.ts'
import { toJsonText } from '../files/json-value.ts'
import { JetStreamCommitter } from './jetstream-committer.ts'
import { JETSTREAM_TRANSACTION, type JetStreamTransaction } from './jetstream-transaction.ts'
import { JetStreamTransactionWriter } from './jetstream-transaction-writer.ts'
import { JetStreamWriter } from './jetstream-writer.ts'
import { MessageFormat } from './message-format.ts'
import { isLiteralSubject } from './subject-filter.ts'

export interface JetStreamSinkOptions<I> {
  /** Where to; or by record. Some stream must take messages of it. */
  readonly subject: string | ((value: I) => string)
  /** The content of the message of a record; default: JSON. Text is sent as UTF-8. */
  readonly encode?: (value: I) => Uint8Array | string
  /** Besides Nats-Msg-Id. */
  readonly headers?: Readonly<Record<string, string>> | ((value: I) => Readonly<Record<string, string>>)
  /** What holds after a failure; default `at-least-once`. See above. */
  readonly delivery?: 'at-least-once' | 'exactly-once'
  /** Bytes of messages that wait in a subtask for a checkpoint to complete; more fail the job. Default 256 MB. */
  readonly uncommittedBytesMax?: ByteSize
  /** The server; default: the one the process was told. */
  readonly nats?: NatsOptions
  /** Messages sent and not acknowledged, per subtask; more hold up the job. Default 1000. */
  readonly inFlightMax?: number
  /** Their bytes. Default 16 MB. */
  readonly inFlightBytesMax?: ByteSize
  /**
   * A message that is not acknowledged for so long fails the job. Should be less than the duplicate window of the
   * stream. Default one minute.
   */
  readonly retryFor?: Duration
  /** Default `jetstream-sink`. */
  readonly name?: string
}

const IN_FLIGHT_MAX = 1000
const IN_FLIGHT_BYTES_MAX = '16mb'
const RETRY_FOR = '1m'
const UNCOMMITTED_BYTES_MAX = '256mb'

/** Throws GRAPH_INVALID for a subject nothing can be published to, CONFIG_INVALID for limits that are none. */
export function jetstreamSink<I>(options: JetStreamSinkOptions<I>): Sink<I, never, JetStreamTransaction> {
  const { nats, inFlightMax = IN_FLIGHT_MAX, delivery = 'at-least-once' } = options
  const inFlightBytesMax = parseByteSize(options.inFlightBytesMax ?? IN_FLIGHT_BYTES_MAX)
  const retryMs = parseDuration(options.retryFor ?? RETRY_FOR)
  const uncommittedBytesMax = parseByteSize(options.uncommittedBytesMax ?? UNCOMMITTED_BYTES_MAX)
  checkSubject(options.subject)
  if (!(inFlightMax >= 1) || !(inFlightBytesMax >= 1) || !(retryMs >= 1) || !(uncommittedBytesMax >= 1)) {
    throw new SluiceError(
      'CONFIG_INVALID',
      'jetstreamSink: expected inFlightMax, inFlightBytesMax, retryFor and uncommittedBytesMax to be at least 1',
    )
  }
  const publishing = { nats, inFlightMax, inFlightBytesMax, retryMs }
  const newFormat = () => {
    const { subject, encode = toJsonText, headers = null } = options
    return new MessageFormat<I>({ subject, encode, headers })
  }
  const name = options.name ?? 'jetstream-sink'
  if (delivery === 'at-least-once')
    return { name, createWriter: (context) => new JetStreamWriter(newFormat(), publishing, context) }
  return {
    name,
    createWriter: (context) =>
      context.hasCheckpoints
        ? new JetStreamTransactionWriter(newFormat(), publishing, uncommittedBytesMax, context)
        : new JetStreamWriter(newFormat(), publishing, context),
    createCommitter: (context) => new JetStreamCommitter(publishing, context),
    committableType: JETSTREAM_TRANSACTION,
  }
}

function checkSubject(subject: unknown): void {
  if (typeof subject !== 'string' || isLiteralSubject(subject)) return
  throw new SluiceError(
    'GRAPH_INVALID',
    `jetstreamSink: expected a subject without wildcards, found ${JSON.stringify(subject)}`,
  )
}
