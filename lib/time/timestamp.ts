/**
 * Event time: integer milliseconds since the Unix epoch, negative before it. The two ends are infinities, so
 * that arithmetic on them saturates by itself; a record without a timestamp carries NaN.
 */

import { SluiceError } from '../base/errors.ts'

export const MIN_TIMESTAMP = Number.NEGATIVE_INFINITY
/** The watermark after the last record: all event-time timers are due. */
export const MAX_TIMESTAMP = Number.POSITIVE_INFINITY
export const NO_TIMESTAMP = Number.NaN

/** Throws TIMESTAMP_INVALID unless `timestamp` is a whole number or one of the ends of time. */
export function checkWatermark(timestamp: number): void {
  if (Number.isSafeInteger(timestamp) || timestamp === MAX_TIMESTAMP || timestamp === MIN_TIMESTAMP) return
  throw new SluiceError(
    'TIMESTAMP_INVALID',
    `a watermark must be an integer number of milliseconds since the epoch, found ${timestamp}`,
  )
}

/** How users see a record's timestamp. */
export function timestampOrUndefined(timestamp: number): number | undefined {
  return Number.isNaN(timestamp) ? undefined : timestamp
}
