/**
 * A frame port for tests that does what networks do: loses, repeats and delays frames, and lets them overtake each
 * other if it is told so. It reads what passes, so that tests can hold the channels to their credit.
 */
import type { Clock } from '../../../lib/base/clock.ts'
import type { Random } from '../../../lib/base/prng.ts'
import { decodeReport, FRAME_PROBE, FRAME_REPORT, readPrelude } from '../../../lib/network/frame.ts'
import type { ChannelAddress, FrameDirection, FramePort } from '../../../lib/network/frame-port.ts'

export interface Faults {
  /** Shares of the frames. */
  readonly lost?: number
  readonly doubled?: number
  /** Each frame takes this long, and up to so much longer. */
  readonly delayMs?: number
  readonly jitterMs?: number
  /** Default: those of one direction keep their order, as on a bus. */
  readonly mayOvertake?: boolean
}

export interface FaultyPortOptions {
  readonly clock: Clock
  readonly random: Random
  readonly faults?: Faults
  readonly frameBytesMax?: number
  readonly isReliable?: boolean
}

export class FaultyPort implements FramePort {
  readonly frameBytesMax: number
  readonly isReliable: boolean
  /** Nothing passes while this is set. */
  isCut = false
  /** What the network has seen. */
  readonly seen = {
    dataFrames: 0,
    largestBytes: 0,
    /** First transmissions only. */
    sentBytes: 0,
    /** Sent and not yet reported as arrived, at most. */
    unacknowledgedBytesMax: 0,
    /** By how much the sender was ahead of what it had been granted, at most. */
    overdraftBytesMax: Number.NEGATIVE_INFINITY,
    grantedBytes: 64 * 1024,
    reports: 0,
  }
  readonly #options: FaultyPortOptions
  readonly #receivers = new Map<FrameDirection, (frame: Uint8Array) => void>()
  readonly #lastDueMs = { data: 0, credit: 0 }
  /** Bytes of the frames up to each sequence, as first sent. */
  readonly #bytesUpTo: number[] = [0]
  #acknowledged = 0

  constructor(options: FaultyPortOptions) {
    this.#options = options
    this.frameBytesMax = options.frameBytesMax ?? 256 * 1024
    this.isReliable = options.isReliable ?? false
  }

  send(_address: ChannelAddress, direction: FrameDirection, frame: Uint8Array): void {
    if (direction === 'data') this.#watchData(frame)
    else this.seen.reports++
    const { random, faults = {} } = this.#options
    if (this.isCut || random.nextFloat() < (faults.lost ?? 0)) return
    // The receiver owns what it gets, and the sender keeps its frames: so each has its own.
    this.#carry(direction, frame.slice())
    if (random.nextFloat() < (faults.doubled ?? 0)) this.#carry(direction, frame.slice())
  }

  receive(
    _address: ChannelAddress,
    direction: FrameDirection,
    onFrame: (frame: Uint8Array) => void,
  ): () => void {
    this.#receivers.set(direction, onFrame)
    return () => this.#receivers.delete(direction)
  }

  /** Delivers a frame nobody has sent. */
  inject(direction: FrameDirection, frame: Uint8Array): void {
    this.#receivers.get(direction)?.(frame)
  }

  #carry(direction: FrameDirection, frame: Uint8Array): void {
    const { clock, random, faults = {} } = this.#options
    const { delayMs = 0, jitterMs = 0, mayOvertake = false } = faults
    let dueMs = clock.monotonic() + delayMs + random.nextFloat() * jitterMs
    if (!mayOvertake) {
      dueMs = Math.max(dueMs, this.#lastDueMs[direction])
      this.#lastDueMs[direction] = dueMs
    }
    clock.schedule(dueMs - clock.monotonic(), () => {
      if (direction === 'credit') this.#watchReport(frame)
      this.#receivers.get(direction)?.(frame)
    })
  }

  #watchData(frame: Uint8Array): void {
    const { kind, sequence } = readPrelude(frame)
    const { seen } = this
    seen.dataFrames++
    seen.largestBytes = Math.max(seen.largestBytes, frame.length)
    if (kind === FRAME_PROBE || sequence < this.#bytesUpTo.length - 1) return
    seen.overdraftBytesMax = Math.max(seen.overdraftBytesMax, seen.sentBytes - seen.grantedBytes)
    seen.sentBytes += frame.length
    this.#bytesUpTo.push(seen.sentBytes)
    const unacknowledged = seen.sentBytes - this.#bytesUpTo[this.#acknowledged]!
    seen.unacknowledgedBytesMax = Math.max(seen.unacknowledgedBytesMax, unacknowledged)
  }

  #watchReport(frame: Uint8Array): void {
    if (readPrelude(frame).kind !== FRAME_REPORT) return
    const { nextSequence, grantedBytes } = decodeReport(frame)
    this.#acknowledged = Math.max(this.#acknowledged, nextSequence)
    this.seen.grantedBytes = Math.max(this.seen.grantedBytes, grantedBytes)
  }
}
