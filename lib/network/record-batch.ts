/**
 * Records on their way through a channel, with the events between them. Columns instead of record objects, and reused:
 * nothing is allocated per record.
 */
import { type ClosingEvent, isClosing, type StreamEvent } from './stream-event.ts'

/** Records in one batch at most. */
export const BATCH_RECORDS_MAX = 512

export class RecordBatch {
  count = 0
  /**
   * Only the first `count` are part of the batch. A new array for each batch, since storing young objects into an array
   * that has grown old takes the slow path of the garbage collector's write barrier, record by record.
   */
  values: unknown[] = new Array(BATCH_RECORDS_MAX)
  /** NaN where a record has none. */
  readonly timestamps = new Float64Array(BATCH_RECORDS_MAX)
  /** -1 where nobody had a reason to compute it; all or none of a channel's records have one. */
  readonly keyGroups = new Int32Array(BATCH_RECORDS_MAX).fill(-1)
  readonly events: StreamEvent[] = []
  /** events[i] comes after eventPositions[i] records. */
  readonly eventPositions: number[] = []
  /** Credit to be returned when the batch has been consumed. */
  byteLength = 0
  /** Somebody has looked at it while it waited. */
  isSeenAhead = false
  /** What its records need is being read; until it is there, the batch waits. */
  isAwaited = false

  get isEmpty(): boolean {
    return this.count === 0 && this.events.length === 0
  }

  /** The barrier or end that nothing follows in this batch. */
  get closingEvent(): ClosingEvent | null {
    const last = this.events.at(-1)
    return isClosing(last) ? last : null
  }

  addEvent(event: StreamEvent): void {
    this.events.push(event)
    this.eventPositions.push(this.count)
  }

  /** Makes the batch ready for reuse. */
  clear(): void {
    this.count = 0
    this.values = new Array(BATCH_RECORDS_MAX)
    this.events.length = 0
    this.eventPositions.length = 0
    this.byteLength = 0
    this.isSeenAhead = false
    this.isAwaited = false
  }
}
