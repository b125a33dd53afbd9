/**
 * When a part file is finished and the next one begun. Pure decisions, after Flink's DefaultRollingPolicy and
 * OnCheckpointRollingPolicy. Size is looked at before a record is written and has to be above the limit, so a part
 * exceeds it by up to one record.
 */
import { SluiceError } from '../../base/errors.ts'
import { type ByteSize, type Duration, parseByteSize, parseDuration } from '../../base/units.ts'

/** What is known of a part in progress. Times are those of the wall clock. */
export interface PartProgress {
  readonly sizeBytes: number
  readonly createdMs: number
  readonly lastWriteMs: number
}

export interface RollingPolicy {
  /** Before another record is written. */
  shouldRollOnEvent(part: PartProgress, nowMs: number): boolean
  /** Every `checkIntervalMs`. */
  shouldRollOnProcessingTime(part: PartProgress, nowMs: number): boolean
  /** At a barrier. A part that is rolled then becomes visible with the checkpoint. */
  shouldRollOnCheckpoint(part: PartProgress, nowMs: number): boolean
  /** Null: time does not matter. */
  readonly checkIntervalMs: number | null
}

/** A part is finished when it is larger than `partBytes`, older than one interval, or not written to for the other. */
export interface RollingOptions {
  /** Default 128 MB. */
  readonly partBytes?: ByteSize
  /** Default one minute. */
  readonly rolloverInterval?: Duration
  /** Default one minute. */
  readonly inactivityInterval?: Duration
}

const PART_BYTES = '128mb'
const INTERVAL = '1m'
/** Of the shorter interval: a part is rolled at most this much late. */
const CHECKS_PER_INTERVAL = 4

/** Throws CONFIG_INVALID for intervals that are not positive. */
export function sizeAndTimePolicy(options: RollingOptions = {}): RollingPolicy {
  const partBytes = parseByteSize(options.partBytes ?? PART_BYTES)
  const rolloverMs = parseDuration(options.rolloverInterval ?? INTERVAL)
  const inactivityMs = parseDuration(options.inactivityInterval ?? INTERVAL)
  if (!(partBytes >= 0) || !(rolloverMs > 0) || !(inactivityMs > 0)) {
    throw new SluiceError('CONFIG_INVALID', 'rolling: expected a size of at least 0 and intervals above 0')
  }
  return {
    checkIntervalMs: Math.ceil(Math.min(rolloverMs, inactivityMs) / CHECKS_PER_INTERVAL),
    shouldRollOnEvent: ({ sizeBytes }) => sizeBytes > partBytes,
    shouldRollOnProcessingTime: ({ createdMs, lastWriteMs }, nowMs) =>
      nowMs - createdMs >= rolloverMs || nowMs - lastWriteMs >= inactivityMs,
    shouldRollOnCheckpoint: ({ sizeBytes }) => sizeBytes > partBytes,
  }
}

/** Each checkpoint finishes all parts: results are visible as early as exactly-once allows, in many files. */
export const onCheckpointPolicy: RollingPolicy = {
  checkIntervalMs: null,
  shouldRollOnEvent: () => false,
  shouldRollOnProcessingTime: () => false,
  shouldRollOnCheckpoint: () => true,
}
