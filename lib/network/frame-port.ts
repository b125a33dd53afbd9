/**
 * How frames get from one slot to another: the only thing remote channels know of the world. Two kinds: over a bus
 * (NATS, or the simulator's), which may lose frames; and over message ports between threads, which does not.
 */

/** One channel: the edge, and the subtasks at both ends. Attempts keep what is left of failed ones apart. */
export interface ChannelAddress {
  readonly jobId: string
  readonly attempt: number
  readonly edgeId: string
  readonly from: number
  readonly to: number
}

/** `data` flows from sender to receiver, `credit` back. */
export type FrameDirection = 'data' | 'credit'

export interface FramePort {
  /** The most bytes a frame may have. */
  readonly frameBytesMax: number
  /** Nothing that was sent gets lost: frames need not be kept for resending. */
  readonly isReliable: boolean
  /** Takes over the frame's buffer: the caller must not touch it again, unless `isReliable` is false. */
  send(address: ChannelAddress, direction: FrameDirection, frame: Uint8Array): void
  /** Calls back for each frame of the channel; returns what ends that. The frame belongs to the callback. */
  receive(
    address: ChannelAddress,
    direction: FrameDirection,
    onFrame: (frame: Uint8Array) => void,
  ): () => void
}
