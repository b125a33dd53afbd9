/**
 * Data that was in flight on a channel when a checkpoint was taken: given out, batch by batch, before anything new. Of
 * the events in it only watermarks are of use to a new attempt: barriers belong to checkpoints of the old one, and
 * idleness and the end are said again by those they come from.
 */
import type { BatchDecoder } from '../types/type.ts'
import type { ChannelRecorder } from './channel-recorder.ts'
import { readFrameBody } from './frame.ts'
import { RecordBatch } from './record-batch.ts'

export interface RestoredFramesOptions {
  /** Bodies of data frames, oldest first. */
  readonly frames: readonly Uint8Array[]
  /** Of the type they were written with. */
  readonly decoder: BatchDecoder<unknown>
  /** Turns a value as it was written into one of the type of today; null: it is one. */
  readonly convert: ((value: unknown) => unknown) | null
  /** Which records belong here; null: all. */
  readonly isOurs: ((value: unknown) => boolean) | null
  /** Whether the watermarks in the data hold here; otherwise they are left out. */
  readonly hasWatermarks: boolean
  /** Holds once all of it has been processed; -Infinity: nothing is known. */
  readonly watermark: number
}

export class RestoredFrames {
  readonly #options: RestoredFramesOptions
  readonly #batch = new RecordBatch()
  #next = 0

  constructor(options: RestoredFramesOptions) {
    this.#options = options
  }

  /** The next batch that is not empty, or null. It is valid until the next poll. Throws DECODE_FAILED. */
  poll(): RecordBatch | null {
    while (this.#next <= this.#options.frames.length) {
      this.#read(this.#next++, this.#batch)
      if (!this.#batch.isEmpty) return this.#batch
    }
    return null
  }

  /** All that has not been polled yet, as it is to be given out. */
  record(recorder: ChannelRecorder): void {
    const batch = new RecordBatch()
    for (let i = this.#next; i <= this.#options.frames.length; i++) {
      this.#read(i, batch)
      recorder.batch(batch)
    }
  }

  #read(index: number, batch: RecordBatch): void {
    const { frames, decoder, watermark } = this.#options
    batch.clear()
    const frame = frames[index]
    if (frame !== undefined) {
      readFrameBody(frame, decoder, batch)
      this.#sift(batch)
    } else if (watermark !== Number.NEGATIVE_INFINITY)
      batch.addEvent({ kind: 'watermark', timestamp: watermark })
  }

  /** Leaves what is of use here, in its place. */
  #sift(batch: RecordBatch): void {
    const { convert, isOurs, hasWatermarks } = this.#options
    const events = batch.events.splice(0)
    const positions = batch.eventPositions.splice(0)
    const { count } = batch
    let kept = 0
    for (let i = 0, event = 0; i <= count; i++) {
      for (; positions[event] === i; event++) {
        if (events[event]!.kind !== 'watermark' || !hasWatermarks) continue
        batch.events.push(events[event]!)
        batch.eventPositions.push(kept)
      }
      if (i === count) break
      const value = convert === null ? batch.values[i] : convert(batch.values[i])
      if (isOurs?.(value) === false) continue
      batch.values[kept] = value
      batch.timestamps[kept] = batch.timestamps[i]!
      batch.keyGroups[kept] = batch.keyGroups[i]!
      kept++
    }
    batch.count = kept
  }
}
