/**
 * A channel connects one subtask to one subtask, in order and without loss. There are two ends and three carriers:
 * batches handed over in one thread (LocalChannel), and frames over message ports or NATS (RemoteOutputChannel,
 * RemoteInputChannel). Ends are driven by their tasks; everything is synchronous.
 */

import type { ChannelRecorder } from './channel-recorder.ts'
import type { RecordBatch } from './record-batch.ts'
import type { ClosingEvent, StreamEvent } from './stream-event.ts'

export interface OutputChannel {
  /** Appends a record; its timestamp is read from the chain's time cell. Always succeeds: see `isAvailable`. */
  write(value: unknown, keyGroup: number): void
  /**
   * Appends an event; it is sent at once, with everything before it, if it is a barrier or the end; if it is a barrier,
   * without credit.
   */
  event(event: StreamEvent): void
  /** Sends what has been collected so far: first what is in the channels beside this one. */
  flush(): void
  /** Sends what this channel alone has collected. */
  flushAlone(): void
  /**
   * The other channels between the same two subtasks. An operator with two inputs gets both this way as they were
   * written, or nearly: what comes seldom does not wait until there is enough of it while what it should meet overtakes
   * it.
   */
  beside: readonly OutputChannel[]
  /** False: no credit. The task stops until `onAvailable`; what it still writes in its current step is kept. */
  readonly isAvailable: boolean
  /** Everything sent has arrived, or cannot get lost any more. */
  readonly isDrained: boolean
  /** Whether the receiving task runs in the same thread, so that handing over a part-filled batch costs nothing. */
  readonly isLocal: boolean
  /** When the oldest unsent record was written, by the monotonic clock; Infinity if there is none. */
  readonly oldestUnsentMs: number
  /** Called when `isAvailable` or `isDrained` may have turned true. */
  onAvailable: () => void
  /** Resends, probes and gives up; called a few times a second. */
  tick(nowMs: number): void
  readonly stats: ChannelStats
  close(): void
}

export interface InputChannel {
  /** The index of the subtask upstream. */
  readonly from: number
  readonly hasData: boolean
  /** The next batch, or null. It must be released before the next poll. */
  poll(): RecordBatch | null
  /**
   * The batch that the next poll but `depth` will give, if it has come and can be read. It stays in the channel, and
   * nothing is told the sender; the same object is polled later.
   */
  peek(depth: number): RecordBatch | null
  /** The batch has been consumed; its credit returns to the sender. */
  release(batch: RecordBatch): void
  /** Called when `hasData` turns true. */
  onData: () => void
  /** Called when a barrier or the end has arrived; what came before it may still wait to be polled. */
  onArrival: (event: ClosingEvent) => void
  /**
   * Gives the data in flight to `recorder`: what waits to be polled, and what arrives, up to the barrier of the
   * checkpoint, a newer one or the end; there it ends by itself. It takes the place of a recording before it.
   */
  record(checkpointId: number, recorder: ChannelRecorder): void
  stopRecording(): void
  tick(nowMs: number): void
  readonly stats: ChannelStats
  close(): void
}

/** Plain counters, for metrics. */
export class ChannelStats {
  records = 0
  bytes = 0
  frames = 0
  resentFrames = 0
  droppedFrames = 0
}
