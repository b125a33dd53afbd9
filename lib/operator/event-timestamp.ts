/** What operators say that need a timestamp with every record and find none, or one that is no time. */
import { SluiceError } from '../base/errors.ts'
import type { OperatorContext } from './stream-operator.ts'

/** TIMESTAMP_MISSING for NaN, which stands for none; else TIMESTAMP_INVALID. The task adds the record's position. */
export function timestampUnusable(timestamp: number, { operatorName, uid }: OperatorContext): SluiceError {
  if (!Number.isNaN(timestamp)) {
    return new SluiceError(
      'TIMESTAMP_INVALID',
      `operator "${operatorName}" (uid ${uid}) needs integer timestamps in milliseconds, found ${timestamp}`,
    )
  }
  return new SluiceError(
    'TIMESTAMP_MISSING',
    `operator "${operatorName}" (uid ${uid}) uses event time, but a record has no timestamp: set a watermark strategy that assigns one, for example .watermarks(boundedOutOfOrderness('5s', (r) => r.time))`,
  )
}
