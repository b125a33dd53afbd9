/**
 * Event time: integer milliseconds since the Unix epoch, negative before it. The two ends are infinities, so
 * that arithmetic on them saturates by itself; a record without a timestamp carries NaN.
 */

export const MIN_TIMESTAMP = Number.NEGATIVE_INFINITY
/** The watermark after the last record: all event-time timers are due. */
export const MAX_TIMESTAMP = Number.POSITIVE_INFINITY
export const NO_TIMESTAMP = Number.NaN

/** How users see a record's timestamp. */
export function timestampOrUndefined(timestamp: number): number | undefined {
  return Number.isNaN(timestamp) ? undefined : timestamp
}
