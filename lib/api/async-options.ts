/** What can be said about asynchronous functions, and what the operator makes of it. */
import { SluiceError } from '../base/errors.ts'
import { type Duration, parseDuration } from '../base/units.ts'
import type { AsyncOperatorOptions, AsyncRetry } from '../operator/async-operator.ts'
import type { OperatorOptions } from './operator-options.ts'

/** `R` is what the function's promise resolves to: a result, or for flatMapAsync several. */
export interface AsyncOptions<I, O, R = O> extends OperatorOptions<O> {
  /**
   * `ordered` (default): results leave in the order of the records. `unordered`: as they come, which is faster where
   * some take longer, but still on their side of every watermark.
   */
  readonly order?: 'ordered' | 'unordered'
  /** Requests on their way at once, per subtask; default 100. When as many records wait, no more are taken. */
  readonly capacity?: number
  /** From the first try to the result, retries included; default 60s. */
  readonly timeout?: Duration
  /** The result of a record whose request has timed out. Without it a timeout fails the job. */
  readonly onTimeout?: (value: I) => R
  /** Default: no retries; a rejected promise fails the job. */
  readonly retry?: AsyncRetryOptions<R>
}

export interface AsyncRetryOptions<R> {
  /** Tries after the first. When the last has failed, the job fails; a last result is taken as it is. */
  readonly retries: number
  /** Before the first retry; default 100ms. */
  readonly delay?: Duration
  /** Each delay is the one before times this; default 1, a fixed delay. 2 doubles it each time. */
  readonly multiplier?: number
  /** Where delays stop growing; default 10s. */
  readonly delayMax?: Duration
  /** Which errors are worth another try; default: all. */
  readonly onError?: (error: unknown) => boolean
  /** Which results are; default: none. */
  readonly onResult?: (result: R) => boolean
}

type Parsed<I, R> = Pick<
  AsyncOperatorOptions<I, R, never>,
  'isOrdered' | 'capacity' | 'timeoutMs' | 'onTimeout' | 'retry'
>

export function parseAsyncOptions<I, O, R>(options: AsyncOptions<I, O, R>): Parsed<I, R> {
  const { order = 'ordered', capacity = 100, timeout = '60s', onTimeout = null, retry } = options
  if (order !== 'ordered' && order !== 'unordered') {
    throw refused(`order must be 'ordered' or 'unordered', found ${JSON.stringify(order)}`)
  }
  if (!Number.isSafeInteger(capacity) || capacity < 1) {
    throw refused(`capacity must be an integer of at least 1, found ${capacity}`)
  }
  const timeoutMs = parseDuration(timeout)
  if (timeoutMs <= 0) throw refused(`timeout must be positive, found ${JSON.stringify(timeout)}`)
  return {
    isOrdered: order === 'ordered',
    capacity,
    timeoutMs,
    onTimeout,
    retry: retry === undefined ? null : parseRetry(retry),
  }
}

function parseRetry<R>(options: AsyncRetryOptions<R>): AsyncRetry<R> {
  const { retries, delay = '100ms', multiplier = 1, delayMax = '10s', onError, onResult } = options
  const delayMs = parseDuration(delay)
  const delayMaxMs = parseDuration(delayMax)
  if (!Number.isSafeInteger(retries) || retries < 1) {
    throw refused(`retry.retries must be an integer of at least 1, found ${retries}`)
  }
  if (!(multiplier >= 1)) throw refused(`retry.multiplier must be at least 1, found ${multiplier}`)
  if (delayMs < 0) throw refused(`retry.delay must not be negative, found ${JSON.stringify(delay)}`)
  return {
    retriesMax: retries,
    delayMs: (retry) => Math.min(delayMs * multiplier ** (retry - 1), Math.max(delayMs, delayMaxMs)),
    isErrorRetried: onError ?? (() => true),
    isResultRetried: onResult ?? (() => false),
  }
}

function refused(what: string): SluiceError {
  return new SluiceError('GRAPH_INVALID', `asynchronous operator: ${what}`)
}
