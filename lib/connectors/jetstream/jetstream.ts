/**
 * Records out of a JetStream stream:
 *
 *     env.source(jetstream({ stream: 'ORDERS', subject: 'orders.eu.>', type: order }))
 *
 * Exactly once: the position in a snapshot is the sequence of the stream, and reading goes on there after a failure.
 * Nothing is acknowledged, so the stream's consumers show no progress; `pending_messages` does. The messages a job has
 * not read must not expire, and the stream must not delete what is read (retention `limits`, which is the default).
 *
 * One subject filter is read by one subtask, since a stream has one order; several subjects by several.
 */
import { SluiceError } from '../../base/errors.ts'
import { type ByteSize, parseByteSize } from '../../base/units.ts'
import type { NatsOptions } from '../../bus/nats-options.ts'
import type { Source } from '../../function/source.ts'
import { t } from '../../types/t.ts'
import type { Type } from '../../types/type.ts'
import { jsonReader } from '../files/json-value.ts'
import {
  JETSTREAM_ENUMERATOR_STATE,
  JetStreamEnumerator,
  type JetStreamEnumeratorState,
  type JetStreamStart,
} from './jetstream-enumerator.ts'
import { JetStreamReader } from './jetstream-reader.ts'
import { JETSTREAM_SPLIT, type JetStreamSplit, splitId } from './jetstream-split.ts'
import type { JetStreamMessage } from './pulled-message.ts'
import { filtersOverlap, isSubjectFilter } from './subject-filter.ts'

export interface JetStreamSourceOptions<T> {
  readonly stream: string
  /** Only messages of this subject, which may have wildcards; default: all. */
  readonly subject?: string
  /** Several subjects, no two of which share a message; one split each. Instead of `subject`. */
  readonly subjects?: readonly string[]
  /** Of the records, which are JSON in the messages unless `decode` says otherwise. */
  readonly type?: Type<T>
  /** Makes a record of a message. What it throws is a malformed record. */
  readonly decode?: (message: JetStreamMessage) => T
  /** Where to begin: at the first message (default), after the last there is, at a sequence, or at a time (ms). */
  readonly from?: JetStreamStart
  /** Ends the job after the last message there is when it starts, or after a sequence. Default: never. */
  readonly boundedAt?: 'end' | { readonly sequence: number }
  /** What to do with a malformed record: fail the job (default), or skip and count it (malformed_records_total). */
  readonly onError?: 'fail' | 'skip'
  /** The server; default: the one the process was told. */
  readonly nats?: NatsOptions
  /** Messages held per subject; default 8192. */
  readonly bufferMessagesMax?: number
  /** Bytes held per subject, exceeded only by a single message; default 32 MB. */
  readonly bufferBytesMax?: ByteSize
  /** Default: the stream's name. */
  readonly name?: string
}

const BUFFER_MESSAGES_MAX = 8192
const BUFFER_BYTES_MAX = '32mb'

/**
 * Throws GRAPH_INVALID for names, subjects and positions that cannot be. A stream that is missing fails the job at its
 * start.
 */
export function jetstream<T = unknown>(
  options: JetStreamSourceOptions<T>,
): Source<T, JetStreamSplit, JetStreamEnumeratorState> {
  const {
    stream,
    type = t.any as Type<T>,
    nats,
    boundedAt = null,
    from = 'first',
    onError = 'fail',
  } = options
  const subjects = options.subjects ?? [options.subject ?? '>']
  check(options, subjects)
  const decode = options.decode ?? jsonDecoder(type)
  const bufferMessagesMax = options.bufferMessagesMax ?? BUFFER_MESSAGES_MAX
  const bufferBytesMax = parseByteSize(options.bufferBytesMax ?? BUFFER_BYTES_MAX)
  const ids = new Set(subjects.map((subject) => splitId(stream, subject)))
  const isWanted = ({ id }: JetStreamSplit) => ids.has(id)
  return {
    name: options.name ?? stream,
    isBounded: boundedAt !== null,
    type,
    splitType: JETSTREAM_SPLIT,
    enumeratorStateType: JETSTREAM_ENUMERATOR_STATE,
    createEnumerator: (context, restored) =>
      new JetStreamEnumerator({ nats, stream, subjects, from, boundedAt }, context, restored),
    createReader: (context) =>
      new JetStreamReader({ nats, decode, onError, bufferMessagesMax, bufferBytesMax, isWanted }, context),
  }
}

function jsonDecoder<T>(type: Type<T>): (message: JetStreamMessage) => T {
  const fromJson = jsonReader(type)
  return (message) => fromJson(JSON.parse(message.text()))
}

function check<T>(options: JetStreamSourceOptions<T>, subjects: readonly string[]): void {
  const { stream, from, boundedAt, subject } = options
  if (!/^[^\s.*>/\\]+$/.test(stream))
    throw invalid(`expected the name of a stream, found ${JSON.stringify(stream)}`)
  if (subject !== undefined && options.subjects !== undefined)
    throw invalid('give subject or subjects, not both')
  if (subjects.length === 0) throw invalid('expected at least one subject')
  const wrong = subjects.find((each) => !isSubjectFilter(each))
  if (wrong !== undefined)
    throw invalid(`expected a subject such as orders.*.eu or orders.>, found ${JSON.stringify(wrong)}`)
  for (const [i, a] of subjects.entries()) {
    const b = subjects.slice(0, i).find((other) => filtersOverlap(a, other))
    if (b !== undefined) throw invalid(`subjects "${b}" and "${a}" share messages, which would be read twice`)
  }
  for (const position of [from, boundedAt]) {
    if (typeof position !== 'object' || !('sequence' in position)) continue
    if (!Number.isSafeInteger(position.sequence) || position.sequence < 1) {
      throw invalid(`expected a sequence of at least 1, found ${position.sequence}`)
    }
  }
  if (typeof from === 'object' && 'time' in from && !Number.isSafeInteger(from.time)) {
    throw invalid(`expected from.time in integer ms, found ${from.time}`)
  }
}

function invalid(what: string): SluiceError {
  return new SluiceError('GRAPH_INVALID', `jetstream: ${what}`)
}
