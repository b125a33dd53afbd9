/**
 * The latest result of each key into a NATS key-value bucket: where results that replace each other belong.
 *
 *     totals.sinkTo(keyValueSink({ bucket: 'totals', key: ({ category }) => `category.${category}` }))
 *
 * A bucket is a stream that keeps the last message of each subject, so this is the JetStream sink with the subjects of
 * one. The bucket must exist (`nats kv add totals`). At least once is mostly enough: after a failure results since the
 * last checkpoint are written again, so a reader may see a key go back and come forward; exactly once it does not.
 */
import { SluiceError } from '../../base/errors.ts'
import type { Sink } from '../../function/sink.ts'
import { toJsonText } from '../files/json-value.ts'
import { type JetStreamSinkOptions, jetstreamSink } from './jetstream-sink.ts'
import type { JetStreamTransaction } from './jetstream-transaction.ts'

export interface KeyValueSinkOptions<I> extends Omit<JetStreamSinkOptions<I>, 'subject' | 'headers'> {
  /** 1 or more letters, digits, `_` and `-`. */
  readonly bucket: string
  /**
   * Letters, digits and `-/_=.`; no dot at either end, nor two in a row. Another one fails the job with
   * USER_FUNCTION_FAILED.
   */
  readonly key: (value: I) => string
  /** Whether a record deletes its key instead of setting it; default: none does. */
  readonly isDeletion?: (value: I) => boolean
}

const BUCKET = /^[A-Za-z0-9_-]+$/
const KEY = /^[-/_=A-Za-z0-9]+(\.[-/_=A-Za-z0-9]+)*$/
const PUT = {}
const DELETE = { 'KV-Operation': 'DEL' }

/** Throws GRAPH_INVALID for a name no bucket can have, and what `jetstreamSink` throws. */
export function keyValueSink<I>(options: KeyValueSinkOptions<I>): Sink<I, never, JetStreamTransaction> {
  const { bucket, key, isDeletion, encode = toJsonText, ...more } = options
  if (!BUCKET.test(bucket)) {
    throw new SluiceError(
      'GRAPH_INVALID',
      `keyValueSink: expected a bucket's name of letters, digits, _ and -, found ${JSON.stringify(bucket)}`,
    )
  }
  const subject = (value: I): string => {
    const name = key(value)
    if (KEY.test(name)) return `$KV.${bucket}.${name}`
    throw new SluiceError(
      'USER_FUNCTION_FAILED',
      `keyValueSink: expected a key of letters, digits and -/_=. without empty parts, found ${JSON.stringify(name)}`,
    )
  }
  const deleting =
    isDeletion === undefined
      ? { encode }
      : {
          encode: (value: I) => (isDeletion(value) ? '' : encode(value)),
          headers: (value: I) => (isDeletion(value) ? DELETE : PUT),
        }
  return jetstreamSink<I>({ name: 'key-value-sink', ...more, ...deleting, subject })
}
