/**
 * Merges the watermarks of several channels into one: the minimum over the active, aligned channels. Flink's
 * StatusWatermarkValve. A channel that comes back from idleness with a watermark below the last one sent does not
 * count until it has caught up; when the last active channel falls idle while it held the minimum back, the maximum
 * of all is sent before the idleness.
 */
import { MIN_TIMESTAMP } from './timestamp.ts'

export interface ValveOutput {
  watermark(timestamp: number): void
  status(isIdle: boolean): void
}

interface ChannelTime {
  watermark: number
  isIdle: boolean
  /** Whether the channel counts for the minimum. */
  isAligned: boolean
}

export class WatermarkValve {
  readonly #channels: ChannelTime[]
  readonly #output: ValveOutput
  #lastWatermark = MIN_TIMESTAMP
  #isIdle = false

  constructor(channelCount: number, output: ValveOutput) {
    this.#channels = Array.from({ length: channelCount }, () => ({
      watermark: MIN_TIMESTAMP,
      isIdle: false,
      isAligned: true,
    }))
    this.#output = output
  }

  /** The watermark last sent on. */
  get watermark(): number {
    return this.#lastWatermark
  }

  get isIdle(): boolean {
    return this.#isIdle
  }

  onWatermark(channelIndex: number, timestamp: number): void {
    const channel = this.#channels[channelIndex]!
    if (this.#isIdle || channel.isIdle || timestamp <= channel.watermark) return
    channel.watermark = timestamp
    if (timestamp >= this.#lastWatermark) channel.isAligned = true
    this.#sendMinimum()
  }

  onStatus(channelIndex: number, isIdle: boolean): void {
    const channel = this.#channels[channelIndex]!
    if (channel.isIdle === isIdle) return
    channel.isIdle = isIdle
    if (isIdle) this.#onIdle(channel)
    else this.#onActive(channel)
  }

  /** A channel that has ended counts no more: it is as if it had sent the last watermark of all. */
  onEnd(channelIndex: number): void {
    const channel = this.#channels[channelIndex]!
    if (channel.isIdle) this.onStatus(channelIndex, false)
    this.onWatermark(channelIndex, Number.POSITIVE_INFINITY)
  }

  /** How far event time has come on a channel. */
  watermarkOf(channelIndex: number): number {
    return this.#channels[channelIndex]!.watermark
  }

  /**
   * Begins where another left off; nothing is sent. No channel is idle, since those that are will say so again: one
   * that was, and is behind for that, does not count until it has caught up.
   */
  restore(watermark: number, channels: readonly number[]): void {
    this.#lastWatermark = watermark
    channels.forEach((channelWatermark, index) => {
      const channel = this.#channels[index]!
      channel.watermark = channelWatermark
      channel.isAligned = channelWatermark >= watermark
    })
  }

  #onIdle(channel: ChannelTime): void {
    channel.isAligned = false
    const heldBack = channel.watermark === this.#lastWatermark
    if (this.#channels.every((each) => each.isIdle)) {
      if (heldBack) this.#send(Math.max(...this.#channels.map((each) => each.watermark)))
      this.#isIdle = true
      this.#output.status(true)
    } else if (heldBack) this.#sendMinimum()
  }

  #onActive(channel: ChannelTime): void {
    channel.isAligned = channel.watermark >= this.#lastWatermark
    if (!this.#isIdle) return
    this.#isIdle = false
    this.#output.status(false)
  }

  #sendMinimum(): void {
    let minimum = Number.POSITIVE_INFINITY
    let isAnyAligned = false
    for (const channel of this.#channels) {
      if (!channel.isAligned) continue
      isAnyAligned = true
      if (channel.watermark < minimum) minimum = channel.watermark
    }
    if (isAnyAligned) this.#send(minimum)
  }

  #send(timestamp: number): void {
    if (timestamp <= this.#lastWatermark) return
    this.#lastWatermark = timestamp
    this.#output.watermark(timestamp)
  }
}
