/**
 * The sending end of a channel that leaves the thread. Collects records into frames, sends as far as credit goes, and
 * keeps what was sent until it is known to have arrived.
 *
 * R1. Frames are numbered from 0 in the order they are sent; events are part of frames.
 * R2. Sent bytes exceed the granted bytes by less than one frame, or by what R5 sends.
 * R3. What waits for credit is bounded by what one step of the task emits, since the task stops while
 *     `isAvailable` is false. What waits for acknowledgement is bounded by the credit and what R5 sends.
 * R4. Only the sender recovers: if nothing has been heard for RETRY_MS while something is outstanding, it probes, which
 *     makes the receiver report, and ask for what it misses.
 * R5. A barrier, and what waits in front of it, is sent at once, credit or not. The channel is not available until that
 *     has been paid for, so that by R3 the receiver never holds more than its credit and one step of the sender.
 *
 * Because of R5 back pressure cannot hold a barrier, and whatever an unaligned one overtakes is at the receiver or
 * about to be: the sender has no data in flight to keep (what Flink calls result subpartition state), and nothing
 * ever leaves its place in the sequence, on which repeating and resending rely. Moving the rest of a step from one
 * memory to the other costs less than writing it to a checkpoint from either.
 *
 * Credits as in Flink 1.5, in bytes; cumulative acknowledgement and go-back-N as in any sliding window protocol.
 */
import { ByteWriter } from '../base/byte-writer.ts'
import { SluiceError } from '../base/errors.ts'
import { nextSizeCheck } from '../types/batch-size.ts'
import type { BatchEncoder, Type } from '../types/type.ts'
import { ChannelStats, type OutputChannel } from './channel.ts'
import {
  decodeReport,
  FRAME_DATA,
  FRAME_EVENTS_MAX,
  FRAME_LAST_PART,
  FRAME_PART,
  FRAME_PRELUDE_BYTES,
  FRAME_PROBE,
  type FrameColumns,
  writeFrameBody,
  writePrelude,
} from './frame.ts'
import type { ChannelAddress, FramePort } from './frame-port.ts'
import { BATCH_RECORDS_MAX } from './record-batch.ts'
import { isClosing, type StreamEvent } from './stream-event.ts'

/** Credit every channel begins with; the receiver grants the same without asking. */
export const INITIAL_CREDIT_BYTES = 64 * 1024
const RETRY_MS = 500

export interface RemoteOutputOptions {
  readonly address: ChannelAddress
  readonly port: FramePort
  readonly type: Type<unknown>
  /** The sending chain's time cell. */
  readonly time: Float64Array
  readonly nowMs: () => number
  /** A frame is sent when it has about this many bytes. */
  readonly frameBytes: number
  readonly recordBytesMax: number
  /** Without any sign of the receiver for this long the channel is broken. */
  readonly timeoutMs: number
  readonly onError: (error: SluiceError) => void
}

export class RemoteOutputChannel implements OutputChannel {
  readonly stats = new ChannelStats()
  onAvailable: () => void = () => {}
  oldestUnsentMs = Number.POSITIVE_INFINITY
  readonly isLocal = false
  beside: readonly OutputChannel[] = []
  readonly #options: RemoteOutputOptions
  readonly #time: Float64Array
  readonly #encoder: BatchEncoder<unknown>
  readonly #out: ByteWriter
  readonly #events: StreamEvent[] = []
  readonly #eventPositions: number[] = []
  readonly #columns: FrameColumns = {
    count: 0,
    timestamps: new Float64Array(BATCH_RECORDS_MAX),
    keyGroups: new Int32Array(BATCH_RECORDS_MAX),
    events: this.#events,
    eventPositions: this.#eventPositions,
  }
  /** Number of records after which the size of the frame is looked at. */
  #sizeCheckAt = 1
  /** Frames without credit. */
  #waiting: Uint8Array[] = []
  /** Frames that were sent and not acknowledged; the first has sequence #acknowledged. */
  #unacknowledged: Uint8Array[] = []
  #nextSequence = 0
  #acknowledged = 0
  #sentBytes = 0
  #grantedBytes = INITIAL_CREDIT_BYTES
  #heardMs: number
  #retriedMs: number
  readonly #stopReceiving: () => void

  constructor(options: RemoteOutputOptions) {
    this.#options = options
    this.#time = options.time
    this.#encoder = options.type.newBatchEncoder()
    this.#out = new ByteWriter(options.frameBytes * 2, options.recordBytesMax)
    this.#heardMs = this.#retriedMs = options.nowMs()
    this.#stopReceiving = options.port.receive(options.address, 'credit', (frame) => this.#onReport(frame))
  }

  write(value: unknown, keyGroup: number): void {
    const columns = this.#columns
    const index = columns.count
    if (index === 0 && columns.events.length === 0) this.oldestUnsentMs = this.#options.nowMs()
    this.#encoder.write(value)
    columns.timestamps[index] = this.#time[0]!
    columns.keyGroups[index] = keyGroup
    columns.count = index + 1
    if (index + 1 === this.#sizeCheckAt) this.#checkSize()
  }

  #checkSize(): void {
    const { count } = this.#columns
    const { frameBytes } = this.#options
    const { byteLength } = this.#encoder
    if (count === BATCH_RECORDS_MAX || byteLength >= frameBytes) {
      this.flush()
      return
    }
    this.#sizeCheckAt = Math.min(nextSizeCheck(count, byteLength, frameBytes), BATCH_RECORDS_MAX)
  }

  event(event: StreamEvent): void {
    const columns = this.#columns
    if (columns.events.length === FRAME_EVENTS_MAX) this.flush()
    if (columns.count === 0 && columns.events.length === 0) this.oldestUnsentMs = this.#options.nowMs()
    this.#events.push(event)
    this.#eventPositions.push(columns.count)
    if (isClosing(event)) this.flush()
    if (event.kind === 'barrier') this.#sendWaiting(Number.POSITIVE_INFINITY)
  }

  flush(): void {
    for (const channel of this.beside) channel.flushAlone()
    this.flushAlone()
  }

  flushAlone(): void {
    const columns = this.#columns
    if (columns.count === 0 && columns.events.length === 0) return
    const out = this.#out
    out.reset()
    for (let i = 0; i < FRAME_PRELUDE_BYTES; i++) out.u8(0)
    writeFrameBody(out, columns, this.#encoder)
    this.stats.records += columns.count
    columns.count = 0
    this.#events.length = 0
    this.#eventPositions.length = 0
    this.#sizeCheckAt = 1
    this.oldestUnsentMs = Number.POSITIVE_INFINITY
    // Silence counts from when there is something to be answered, however long the task has waited to be started.
    if (!this.#isOutstanding) this.#heardMs = this.#options.nowMs()
    for (const frame of this.#split(out)) this.#waiting.push(frame)
    this.#sendWaiting(this.#grantedBytes)
  }

  get isAvailable(): boolean {
    return this.#waiting.length === 0 && this.#sentBytes < this.#grantedBytes
  }

  get isDrained(): boolean {
    const isAcknowledged = this.#options.port.isReliable || this.#acknowledged === this.#nextSequence
    return this.#waiting.length === 0 && isAcknowledged
  }

  tick(nowMs: number): void {
    if (!this.#isOutstanding) {
      this.#heardMs = nowMs
      return
    }
    if (nowMs - this.#heardMs > this.#options.timeoutMs)
      this.#break(`no sign of the receiver for ${this.#options.timeoutMs} ms`)
    else if (nowMs - Math.max(this.#heardMs, this.#retriedMs) > RETRY_MS) {
      this.#retriedMs = nowMs
      this.#probe()
    }
  }

  get #isOutstanding(): boolean {
    return this.#waiting.length > 0 || this.#acknowledged !== this.#nextSequence
  }

  close(): void {
    this.#stopReceiving()
    this.#waiting = []
    this.#unacknowledged = []
  }

  /** One frame, or parts of it if it is larger than the port can carry. */
  #split(out: ByteWriter): Uint8Array[] {
    const max = this.#options.port.frameBytesMax
    if (out.length <= max) {
      const frame = out.toUint8Array()
      frame[0] = FRAME_DATA
      return [frame]
    }
    const body = out.view().subarray(FRAME_PRELUDE_BYTES)
    const partBytes = max - FRAME_PRELUDE_BYTES
    const parts: Uint8Array[] = []
    for (let at = 0; at < body.length; at += partBytes) {
      const slice = body.subarray(at, at + partBytes)
      const part = new Uint8Array(FRAME_PRELUDE_BYTES + slice.length)
      part.set(slice, FRAME_PRELUDE_BYTES)
      part[0] = at + partBytes >= body.length ? FRAME_LAST_PART : FRAME_PART
      parts.push(part)
    }
    return parts
  }

  /** As far as `bytesMax`, of all that was ever sent. */
  #sendWaiting(bytesMax: number): void {
    const { port, address } = this.#options
    let sent = 0
    while (sent < this.#waiting.length && this.#sentBytes < bytesMax) {
      const frame = this.#waiting[sent++]!
      writePrelude(frame, frame[0]!, this.#nextSequence)
      this.#nextSequence = (this.#nextSequence + 1) >>> 0
      this.#sentBytes += frame.length
      this.stats.bytes += frame.length
      this.stats.frames++
      if (!port.isReliable) this.#unacknowledged.push(frame)
      port.send(address, 'data', frame)
    }
    if (sent > 0) this.#waiting.splice(0, sent)
  }

  #onReport(bytes: Uint8Array): void {
    const report = this.#decode(bytes)
    if (report === null) return
    this.#heardMs = this.#options.nowMs()
    this.#acknowledge(report.nextSequence)
    if (report.grantedBytes > this.#grantedBytes) this.#grantedBytes = report.grantedBytes
    if (report.isResendRequest) this.#resend(report.nextSequence)
    this.#sendWaiting(this.#grantedBytes)
    this.onAvailable()
  }

  #decode(bytes: Uint8Array): ReturnType<typeof decodeReport> | null {
    try {
      return decodeReport(bytes)
    } catch {
      this.stats.droppedFrames++
      return null
    }
  }

  #acknowledge(nextSequence: number): void {
    const count = (nextSequence - this.#acknowledged) >>> 0
    const inFlight = (this.#nextSequence - this.#acknowledged) >>> 0
    if (count > inFlight) return
    this.#acknowledged = nextSequence
    if (!this.#options.port.isReliable) this.#unacknowledged.splice(0, count)
  }

  #resend(nextSequence: number): void {
    if (nextSequence !== this.#acknowledged) return
    if (this.#options.port.isReliable) this.#break(`the receiver misses frame ${nextSequence}`)
    for (const frame of this.#unacknowledged) this.#repeat(frame)
  }

  /** Repeating what is lost frame by frame would take as many rounds: the receiver is asked for all that it misses. */
  #probe(): void {
    const { port, address } = this.#options
    const probe = new Uint8Array(FRAME_PRELUDE_BYTES)
    writePrelude(probe, FRAME_PROBE, this.#nextSequence)
    port.send(address, 'data', probe)
  }

  #repeat(frame: Uint8Array): void {
    this.stats.resentFrames++
    this.#options.port.send(this.#options.address, 'data', frame)
  }

  #break(reason: string): void {
    const { edgeId, from, to } = this.#options.address
    this.#options.onError(
      new SluiceError('CHANNEL_BROKEN', `channel ${edgeId} from subtask ${from} to subtask ${to}: ${reason}`),
    )
  }
}
