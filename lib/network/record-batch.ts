/**
 * Records on their way through a channel, with the events between them. Columns instead of record objects, reused for
 * ever: nothing is allocated per record.
 */
import type { StreamEvent } from './stream-event.ts'

/** Records in one batch at most. */
export const BATCH_RECORDS_MAX = 512

export class RecordBatch {
  count = 0
  readonly values: unknown[] = []
  /** NaN where a record has none. */
  readonly timestamps = new Float64Array(BATCH_RECORDS_MAX)
  /** -1 where nobody had a reason to compute it. */
  readonly keyGroups = new Int32Array(BATCH_RECORDS_MAX)
  readonly events: StreamEvent[] = []
  /** events[i] comes after eventPositions[i] records. */
  readonly eventPositions: number[] = []
  /** Credit to be returned when the batch has been consumed. */
  byteLength = 0

  get isEmpty(): boolean {
    return this.count === 0 && this.events.length === 0
  }

  addEvent(event: StreamEvent): void {
    this.events.push(event)
    this.eventPositions.push(this.count)
  }

  /** Makes the batch ready for reuse and lets go of its records. */
  clear(): void {
    this.count = 0
    this.values.length = 0
    this.events.length = 0
    this.eventPositions.length = 0
    this.byteLength = 0
  }
}
