/**
 * Records into JetStream streams:
 *
 *     stream.sinkTo(jetstreamSink({ subject: (order) => `orders.${order.country}` }))
 *
 * At least once: a checkpoint waits until the server has acknowledged every message before it. After a failure the
 * messages since the last checkpoint are published again.
 *
 * Each message has an id, `<job>/<uid>/<subtask>/<epoch>/<n>`, by which the server knows it when it is sent twice. The
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
import { JetStreamWriter } from './jetstream-writer.ts'
import { isLiteralSubject } from './subject-filter.ts'

export interface JetStreamSinkOptions<I> {
  /** Where to; or by record. Some stream must take messages of it. */
  readonly subject: string | ((value: I) => string)
  /** The content of the message of a record; default: JSON. Text is sent as UTF-8. */
  readonly encode?: (value: I) => Uint8Array | string
  /** Besides Nats-Msg-Id. */
  readonly headers?: Readonly<Record<string, string>> | ((value: I) => Readonly<Record<string, string>>)
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

/** Throws GRAPH_INVALID for a subject nothing can be published to, CONFIG_INVALID for limits that are none. */
export function jetstreamSink<I>(options: JetStreamSinkOptions<I>): Sink<I> {
  const { subject, headers = null, nats, inFlightMax = IN_FLIGHT_MAX } = options
  const inFlightBytesMax = parseByteSize(options.inFlightBytesMax ?? IN_FLIGHT_BYTES_MAX)
  const retryMs = parseDuration(options.retryFor ?? RETRY_FOR)
  const encode = options.encode ?? toJsonText
  if (typeof subject === 'string' && !isLiteralSubject(subject)) {
    throw new SluiceError(
      'GRAPH_INVALID',
      `jetstreamSink: expected a subject without wildcards, found ${JSON.stringify(subject)}`,
    )
  }
  if (!(inFlightMax >= 1) || !(inFlightBytesMax >= 1) || !(retryMs >= 1)) {
    throw new SluiceError(
      'CONFIG_INVALID',
      'jetstreamSink: expected inFlightMax, inFlightBytesMax and retryFor to be at least 1',
    )
  }
  return {
    name: options.name ?? 'jetstream-sink',
    createWriter: (context) =>
      new JetStreamWriter(
        { subject, encode, headers, nats, inFlightMax, inFlightBytesMax, retryMs },
        context,
      ),
  }
}
