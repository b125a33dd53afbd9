/**
 * Frames over a bus, one subject per channel and direction. The bus may drop frames (and the channels recover), keeps
 * those of one sender in order, and never writes to a frame, so that senders may keep frames for resending.
 */
import type { Bus } from '../bus/bus.ts'
import type { Subjects } from '../bus/subjects.ts'
import type { ChannelAddress, FrameDirection, FramePort } from './frame-port.ts'

/** Larger frames are split: many bytes in one message delay everybody else on the connection. */
const FRAME_BYTES_LIMIT = 256 * 1024
/** What a message needs besides its payload. */
const OVERHEAD_BYTES = 1024

export class BusFramePort implements FramePort {
  readonly isReliable = false
  readonly frameBytesMax: number
  readonly #bus: Bus
  readonly #subjects: Subjects

  constructor(bus: Bus, subjects: Subjects) {
    this.#bus = bus
    this.#subjects = subjects
    this.frameBytesMax = Math.min(FRAME_BYTES_LIMIT, bus.payloadBytesMax - OVERHEAD_BYTES)
  }

  send(address: ChannelAddress, direction: FrameDirection, frame: Uint8Array): void {
    this.#bus.publish(this.#subjectOf(address, direction), frame)
  }

  receive(
    address: ChannelAddress,
    direction: FrameDirection,
    onFrame: (frame: Uint8Array) => void,
  ): () => void {
    const subscription = this.#bus.subscribe(this.#subjectOf(address, direction), ({ payload }) =>
      onFrame(payload),
    )
    return () => subscription.unsubscribe()
  }

  #subjectOf({ jobId, attempt, edgeId, from, to }: ChannelAddress, direction: FrameDirection): string {
    return direction === 'data'
      ? this.#subjects.data(jobId, attempt, edgeId, to, from)
      : this.#subjects.credit(jobId, attempt, edgeId, from, to)
  }
}
