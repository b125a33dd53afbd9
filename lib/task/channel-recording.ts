/**
 * The data in flight that belongs to one unaligned snapshot, while it comes together: per channel what the snapshot
 * overtook, up to the barrier.
 *
 * Its size is bounded: what comes in before a late barrier has to be kept, and a channel whose barrier does not come
 * must not fill the memory with it. At BYTES_MAX the recording is given up, and with it the snapshot.
 */
import type { ChannelRecorder } from '../network/channel-recorder.ts'

const BYTES_MAX = 512 * 1024 * 1024

/** `given-up`: nobody needs it any more. `overflown`: it has passed its bound. */
export type RecordingState = 'recording' | 'complete' | 'given-up' | 'overflown'

export class ChannelRecording {
  readonly checkpointId: number
  /** By channel. */
  readonly #recorders: ReadonlyMap<number, ChannelRecorder>
  #state: RecordingState = 'recording'
  #completedMs = Number.NaN

  constructor(checkpointId: number, recorders: ReadonlyMap<number, ChannelRecorder>) {
    this.checkpointId = checkpointId
    this.#recorders = recorders
  }

  get state(): RecordingState {
    return this.#state
  }

  /** When it was completed, by the monotonic clock. */
  get completedMs(): number {
    return this.#completedMs
  }

  /** What has been recorded of a channel; grows until the recording is complete. */
  framesOf(channel: number): readonly Uint8Array[] {
    return this.#recorders.get(channel)?.frames ?? []
  }

  /** The data in flight has grown. */
  grown(): void {
    if (this.#state !== 'recording') return
    let byteLength = 0
    for (const recorder of this.#recorders.values()) byteLength += recorder.byteLength
    if (byteLength > BYTES_MAX) this.#state = 'overflown'
  }

  complete(nowMs: number): void {
    if (this.#state !== 'recording') return
    this.#state = 'complete'
    this.#completedMs = nowMs
  }

  giveUp(): void {
    if (this.#state === 'recording') this.#state = 'given-up'
  }
}
