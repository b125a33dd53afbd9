/**
 * Collects data in flight on one channel for a checkpoint, as bodies of data frames: frames that have arrived as they
 * are, batches encoded. Nothing in it is shared with the channel that would change.
 */
import { ByteWriter } from '../base/byte-writer.ts'
import type { Type } from '../types/type.ts'
import { writeFrameBody } from './frame.ts'
import type { RecordBatch } from './record-batch.ts'

/** A batch may hold large records. */
const BODY_BYTES_MAX = 512 * 1024 * 1024

export class ChannelRecorder {
  readonly frames: Uint8Array[] = []
  byteLength = 0
  readonly #type: Type<unknown>
  readonly #onBytes: () => void

  /** `onBytes` is called when there is more. */
  constructor(type: Type<unknown>, onBytes: () => void = () => {}) {
    this.#type = type
    this.#onBytes = onBytes
  }

  frame(body: Uint8Array): void {
    this.frames.push(body)
    this.byteLength += body.length
    this.#onBytes()
  }

  /** What is left of a batch, from a record and an event on. Throws TYPE_MISMATCH. */
  batch(batch: RecordBatch, fromRecord = 0, fromEvent = 0): void {
    const count = batch.count - fromRecord
    if (count === 0 && fromEvent === batch.events.length) return
    const encoder = this.#type.newBatchEncoder()
    for (let i = fromRecord; i < batch.count; i++) encoder.write(batch.values[i])
    const out = new ByteWriter(1024, BODY_BYTES_MAX)
    const columns = {
      count,
      timestamps: batch.timestamps.subarray(fromRecord, batch.count),
      keyGroups: batch.keyGroups.subarray(fromRecord, batch.count),
      events: batch.events.slice(fromEvent),
      eventPositions: batch.eventPositions.slice(fromEvent).map((position) => position - fromRecord),
    }
    writeFrameBody(out, columns, encoder)
    this.frame(out.toUint8Array())
  }
}
