/**
 * The receiving end of a channel that leaves the thread. Puts frames back in order, asks for missing ones, decodes one
 * frame at a time when the task is ready for it, and grants credit as frames are consumed.
 *
 * The credit is what the task consumes in about TARGET_MS, measured on this channel while it has a backlog (Flink's
 * buffer debloating, per channel): fast channels get a wide window, slow ones hold little data and let barriers
 * through soon. Memory is bounded by the credit, at most CREDIT_BYTES_MAX, and what comes with a barrier beyond it.
 *
 * A barrier is told when it has arrived in its place of the sequence, however much waits in front of it here: that is
 * how it overtakes. What it overtakes is recorded as the frames it came in, which nobody changes.
 */
import { SluiceError } from '../base/errors.ts'
import type { BatchDecoder, Type } from '../types/type.ts'
import { ChannelStats, type InputChannel } from './channel.ts'
import type { ChannelRecorder } from './channel-recorder.ts'
import {
  encodeReport,
  FRAME_DATA,
  FRAME_LAST_PART,
  FRAME_PART,
  FRAME_PRELUDE_BYTES,
  FRAME_PROBE,
  readClosingEvent,
  readFrameBody,
  readPrelude,
} from './frame.ts'
import type { ChannelAddress, FramePort } from './frame-port.ts'
import { RecordBatch } from './record-batch.ts'
import { INITIAL_CREDIT_BYTES } from './remote-output-channel.ts'
import { type ClosingEvent, isBoundary } from './stream-event.ts'

const TARGET_MS = 100
const CREDIT_BYTES_MAX = 4 * 1024 * 1024
/** A resend request is repeated no sooner than this. */
const RESEND_REQUEST_MS = 100
/** Batches kept for reuse: one in hand, and others decoded ahead. */
const POOLED_BATCHES_MAX = 5

export interface RemoteInputOptions {
  readonly address: ChannelAddress
  readonly port: FramePort
  readonly type: Type<unknown>
  readonly nowMs: () => number
  readonly recordBytesMax: number
  readonly onError: (error: SluiceError) => void
}

interface ReceivedFrame {
  readonly body: Uint8Array
  /** Credit to return when it is consumed. */
  readonly byteLength: number
  readonly closingEvent: ClosingEvent | null
  /** Decoded, by somebody who looked ahead. */
  batch: RecordBatch | null
}

export class RemoteInputChannel implements InputChannel {
  readonly from: number
  readonly stats = new ChannelStats()
  onData: () => void = () => {}
  onArrival: (event: ClosingEvent) => void = () => {}
  readonly #options: RemoteInputOptions
  readonly #decoder: BatchDecoder<unknown>
  readonly #pool: RecordBatch[] = []
  readonly #stopReceiving: () => void
  #queue: ReceivedFrame[] = []
  #recording: { readonly checkpointId: number; readonly recorder: ChannelRecorder } | null = null
  #parts: Uint8Array[] = []
  #partBytes = 0
  /** Credit granted for #parts before they are consumed. */
  #advancedBytes = 0
  #nextSequence = 0
  #consumedBytes = 0
  #windowBytes = INITIAL_CREDIT_BYTES
  #grantedBytes = INITIAL_CREDIT_BYTES
  #reportedSequence = 0
  #resendRequestedMs = Number.NEGATIVE_INFINITY
  #measuredMs: number
  #measuredBytes = 0
  #hadBacklog = false
  /** What had been consumed when the window was last looked at for widening. */
  #widenedBytes = 0

  constructor(options: RemoteInputOptions) {
    this.#options = options
    this.from = options.address.from
    this.#decoder = options.type.newBatchDecoder()
    this.#measuredMs = options.nowMs()
    this.#stopReceiving = options.port.receive(options.address, 'data', (frame) => this.#onFrame(frame))
  }

  get hasData(): boolean {
    return this.#queue.length > 0
  }

  poll(): RecordBatch | null {
    const frame = this.#queue.shift()
    if (frame === undefined) return null
    try {
      const batch = frame.batch ?? this.#decode(frame)
      this.stats.records += batch.count
      return batch
    } catch (error) {
      this.#consume(frame.byteLength)
      this.#fail(error as Error)
      return null
    }
  }

  peek(depth: number): RecordBatch | null {
    const frame = this.#queue[depth]
    if (frame === undefined) return null
    try {
      frame.batch ??= this.#decode(frame)
    } catch {
      // To be complained of when its turn comes.
    }
    return frame.batch
  }

  release(batch: RecordBatch): void {
    const { byteLength } = batch
    batch.clear()
    if (this.#pool.length < POOLED_BATCHES_MAX) this.#pool.push(batch)
    this.#consume(byteLength)
  }

  record(checkpointId: number, recorder: ChannelRecorder): void {
    this.#recording = { checkpointId, recorder }
    for (const frame of this.#queue) if (this.#recording !== null) this.#record(frame)
  }

  stopRecording(): void {
    this.#recording = null
  }

  tick(nowMs: number): void {
    if (this.#nextSequence !== this.#reportedSequence) this.#report(false)
    this.#measure(nowMs)
  }

  /** Narrows the window to the rate of consumption, while a backlog shows that this and not the sender is slow. */
  #measure(nowMs: number): void {
    const target = this.#targetBytes(nowMs)
    const hasBacklog = this.#queue.length > 0
    if (hasBacklog && this.#hadBacklog) this.#windowBytes = (this.#windowBytes + target) / 2
    this.#hadBacklog = hasBacklog
    this.#measuredMs = nowMs
    this.#measuredBytes = this.#consumedBytes
  }

  /** Widens the window when the task has run out of frames after consuming a whole window: credit may be why. */
  #widen(): void {
    if (this.#queue.length > 0 || this.#consumedBytes - this.#widenedBytes < this.#windowBytes) return
    this.#widenedBytes = this.#consumedBytes
    const target = this.#targetBytes(this.#options.nowMs())
    if (this.#windowBytes < target) this.#windowBytes = Math.min(this.#windowBytes * 2, target)
  }

  /** What is consumed in TARGET_MS, going by the time since the last tick. */
  #targetBytes(nowMs: number): number {
    const rate = (this.#consumedBytes - this.#measuredBytes) / Math.max(1, nowMs - this.#measuredMs)
    return Math.min(Math.max(rate * TARGET_MS, INITIAL_CREDIT_BYTES), CREDIT_BYTES_MAX)
  }

  /** Says a last time what has arrived: a sender over a bus is not done before it knows. */
  close(): void {
    if (this.#nextSequence !== this.#reportedSequence) this.#report(false)
    this.#stopReceiving()
    this.#queue = []
    this.#parts = []
    this.#recording = null
  }

  #onFrame(frame: Uint8Array): void {
    const prelude = frame.length < FRAME_PRELUDE_BYTES ? null : readPrelude(frame)
    if (prelude === null || prelude.kind < FRAME_DATA || prelude.kind > FRAME_PROBE) {
      this.stats.droppedFrames++
      return
    }
    const { kind, sequence } = prelude
    const ahead = (sequence - this.#nextSequence) | 0
    if (kind === FRAME_PROBE) this.#report(ahead > 0)
    else if (ahead > 0) this.#requestResend()
    else if (ahead < 0) {
      this.stats.droppedFrames++
      this.#report(false)
    } else this.#accept(kind, frame)
  }

  #accept(kind: number, frame: Uint8Array): void {
    this.#nextSequence = (this.#nextSequence + 1) >>> 0
    this.stats.frames++
    this.stats.bytes += frame.length
    const body = frame.subarray(FRAME_PRELUDE_BYTES)
    if (kind === FRAME_DATA) this.#enqueue(body, frame.length)
    else if (kind === FRAME_PART) this.#addPart(frame.length, body)
    else if (kind === FRAME_LAST_PART) {
      this.#addPart(frame.length, body)
      this.#enqueue(concat(this.#parts), this.#advancedBytes)
      this.#parts = []
      this.#partBytes = 0
      this.#advancedBytes = 0
    }
  }

  /**
   * Credit for the parts of a large record is advanced when they arrive, or the rest of it might never get any. So what
   * waits here is at most the window, a record and the parts of another.
   */
  #addPart(frameBytes: number, body: Uint8Array): void {
    this.#parts.push(body)
    this.#partBytes += body.length
    this.#advancedBytes += frameBytes
    this.#grant()
    if (this.#partBytes <= this.#options.recordBytesMax) return
    this.#parts = []
    this.#fail(
      new SluiceError(
        'RECORD_TOO_LARGE',
        `a record exceeds the limit of ${this.#options.recordBytesMax} bytes`,
      ),
    )
  }

  #decode(frame: ReceivedFrame): RecordBatch {
    const batch = this.#pool.pop() ?? new RecordBatch()
    readFrameBody(frame.body, this.#decoder, batch)
    batch.byteLength = frame.byteLength
    return batch
  }

  #enqueue(body: Uint8Array, byteLength: number): void {
    const closingEvent = readClosingEvent(body)
    const frame: ReceivedFrame = { body, byteLength, closingEvent, batch: null }
    this.#queue.push(frame)
    if (this.#recording !== null) this.#record(frame)
    if (this.#queue.length === 1) this.onData()
    if (closingEvent !== null) this.onArrival(closingEvent)
  }

  #record({ body, closingEvent }: ReceivedFrame): void {
    const { checkpointId, recorder } = this.#recording!
    recorder.frame(body)
    if (isBoundary(closingEvent, checkpointId)) this.#recording = null
  }

  #consume(byteLength: number): void {
    this.#consumedBytes += byteLength
    this.#widen()
    this.#grant()
  }

  #grant(): void {
    const granted = this.#consumedBytes + this.#advancedBytes + this.#windowBytes
    if (granted - this.#grantedBytes >= this.#windowBytes / 4) this.#report(false)
  }

  #requestResend(): void {
    this.stats.droppedFrames++
    const nowMs = this.#options.nowMs()
    if (nowMs - this.#resendRequestedMs < RESEND_REQUEST_MS) return
    this.#resendRequestedMs = nowMs
    this.#report(true)
  }

  #report(isResendRequest: boolean): void {
    this.#grantedBytes = Math.max(
      this.#grantedBytes,
      this.#consumedBytes + this.#advancedBytes + this.#windowBytes,
    )
    this.#reportedSequence = this.#nextSequence
    const report = { nextSequence: this.#nextSequence, grantedBytes: this.#grantedBytes, isResendRequest }
    this.#options.port.send(this.#options.address, 'credit', encodeReport(report))
  }

  #fail(error: Error): void {
    const { edgeId, from, to } = this.#options.address
    this.#options.onError(
      new SluiceError(
        error instanceof SluiceError ? error.code : 'DECODE_FAILED',
        `channel ${edgeId} from subtask ${from} to subtask ${to}: ${error.message}`,
        { cause: error },
      ),
    )
  }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
