/**
 * How many records to process before looking up: many where they are cheap, so that looking up costs nothing per
 * record; few where one takes long, so that control messages and other tasks wait a millisecond and not a second.
 */
import { BATCH_RECORDS_MAX } from '../network/record-batch.ts'

const TARGET_MS = 1

export class AdaptiveChunk {
  size = 64

  measured(recordCount: number, elapsedMs: number): void {
    if (elapsedMs > 2 * TARGET_MS) this.size = Math.max(1, Math.floor((recordCount * TARGET_MS) / elapsedMs))
    else if (elapsedMs < TARGET_MS / 2 && recordCount >= this.size)
      this.size = Math.min(this.size * 2, BATCH_RECORDS_MAX)
  }
}
