/**
 * The bytes that cross a remote channel. Little endian.
 *
 *     u8 kind   u32 sequence   ...
 *     DATA:     u8 flags, varint recordCount, varint eventCount, events, timestamps, key groups, records (batch codec)
 *     PART:     a slice of a DATA frame that was too large for one message; the last has the LAST flag
 *     PROBE:    nothing more: asks the receiver for a report
 *     REPORT:   (receiver to sender) u32 next sequence expected, f64 credit granted so far, u8 isResendRequest
 *
 * A DATA frame without its first five bytes is what in-flight data looks like in a checkpoint.
 */
import { ByteReader } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import { SluiceError } from '../base/errors.ts'
import type { BatchDecoder, BatchEncoder } from '../types/type.ts'
import { BATCH_RECORDS_MAX, type RecordBatch } from './record-batch.ts'
import { type ClosingEvent, isClosing, type StreamEvent } from './stream-event.ts'

export const FRAME_DATA = 1
export const FRAME_PART = 2
export const FRAME_LAST_PART = 3
export const FRAME_PROBE = 4
export const FRAME_REPORT = 5

/** Kind and sequence. */
export const FRAME_PRELUDE_BYTES = 5

const HAS_TIMESTAMPS = 1
/** Timestamps are a base and 32-bit differences; otherwise doubles. */
const HAS_SMALL_TIMESTAMPS = 2
const HAS_KEY_GROUPS = 4
/** The last event is a barrier or the end. */
const IS_CLOSING = 8

/** Events in one frame at most; a writer that has more begins another frame. */
export const FRAME_EVENTS_MAX = 1024

const WATERMARK = 1
const IDLE = 2
const ACTIVE = 3
const BARRIER = 4
const END = 5

/** Writes kind and sequence in front of a frame; `at` is where it begins in `bytes`. */
export function writePrelude(bytes: Uint8Array, kind: number, sequence: number): void {
  bytes[0] = kind
  bytes[1] = sequence
  bytes[2] = sequence >>> 8
  bytes[3] = sequence >>> 16
  bytes[4] = sequence >>> 24
}

export function readPrelude(bytes: Uint8Array): { kind: number; sequence: number } {
  if (bytes.length < FRAME_PRELUDE_BYTES)
    throw malformed(`${bytes.length} bytes, expected at least ${FRAME_PRELUDE_BYTES}`)
  const sequence = (bytes[1]! | (bytes[2]! << 8) | (bytes[3]! << 16) | (bytes[4]! << 24)) >>> 0
  return { kind: bytes[0]!, sequence }
}

/** The columns a sender collects besides the records themselves. */
export interface FrameColumns {
  count: number
  readonly timestamps: Float64Array
  readonly keyGroups: Int32Array
  readonly events: readonly StreamEvent[]
  readonly eventPositions: readonly number[]
}

/** Writes everything after the prelude, and resets the encoder. */
export function writeFrameBody(out: ByteWriter, columns: FrameColumns, encoder: BatchEncoder<unknown>): void {
  const { count, timestamps, keyGroups, events } = columns
  const range = timestampRange(timestamps, count)
  const hasKeyGroups = count > 0 && keyGroups[0]! >= 0
  const isSmall = range !== null && range.max - range.min < 2 ** 32
  out.u8(
    (range !== null ? HAS_TIMESTAMPS : 0) |
      (isSmall ? HAS_SMALL_TIMESTAMPS : 0) |
      (hasKeyGroups ? HAS_KEY_GROUPS : 0) |
      (isClosing(events.at(-1)) ? IS_CLOSING : 0),
  )
  out.varint(count)
  out.varint(events.length)
  for (let i = 0; i < events.length; i++) {
    out.varint(columns.eventPositions[i]!)
    writeEvent(out, events[i]!)
  }
  if (isSmall) {
    out.f64(range.min)
    for (let i = 0; i < count; i++) out.u32(timestamps[i]! - range.min)
  } else if (range !== null) for (let i = 0; i < count; i++) out.f64(timestamps[i]!)
  if (hasKeyGroups) for (let i = 0; i < count; i++) out.u16(keyGroups[i]!)
  if (count > 0) encoder.finish(out)
}

/** Null where no record has a timestamp; an infinite range where only some have. */
function timestampRange(timestamps: Float64Array, count: number): { min: number; max: number } | null {
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  let missing = 0
  for (let i = 0; i < count; i++) {
    const timestamp = timestamps[i]!
    if (timestamp < min) min = timestamp
    if (timestamp > max) max = timestamp
    if (Number.isNaN(timestamp)) missing++
  }
  if (missing === count) return null
  return missing === 0 ? { min, max } : { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY }
}

/** Fills an empty batch from what {@link writeFrameBody} wrote. Throws DECODE_FAILED. */
export function readFrameBody(bytes: Uint8Array, decoder: BatchDecoder<unknown>, batch: RecordBatch): void {
  const input = new ByteReader(bytes)
  const flags = input.u8()
  const count = input.varint()
  const eventCount = input.varint()
  if (count > BATCH_RECORDS_MAX) throw malformed(`${count} records, at most ${BATCH_RECORDS_MAX} are allowed`)
  if (eventCount > FRAME_EVENTS_MAX)
    throw malformed(`${eventCount} events, at most ${FRAME_EVENTS_MAX} are allowed`)
  for (let i = 0; i < eventCount; i++) {
    const position = input.varint()
    if (position > count || position < (batch.eventPositions.at(-1) ?? 0))
      throw malformed('an event out of place')
    batch.eventPositions.push(position)
    batch.events.push(readEvent(input))
  }
  readTimestamps(input, flags, count, batch.timestamps)
  const hasKeyGroups = (flags & HAS_KEY_GROUPS) !== 0
  for (let i = 0; i < count; i++) batch.keyGroups[i] = hasKeyGroups ? input.u16() : -1
  if (count > 0) decoder.decode(input, count, batch.values)
  if (input.remaining > 0) throw malformed(`${input.remaining} bytes too many`)
  batch.count = count
}

/** The barrier or end that a frame ends with, read without its records; null if there is none, or it is malformed. */
export function readClosingEvent(body: Uint8Array): ClosingEvent | null {
  if (((body[0] ?? 0) & IS_CLOSING) === 0) return null
  try {
    const last = readEvents(body).at(-1)
    return isClosing(last) ? last : null
  } catch {
    return null
  }
}

/** The last watermark in the bodies of frames; -Infinity if there is none. Throws DECODE_FAILED. */
export function lastWatermark(bodies: readonly Uint8Array[]): number {
  let watermark = Number.NEGATIVE_INFINITY
  for (const body of bodies) {
    for (const event of readEvents(body)) if (event.kind === 'watermark') watermark = event.timestamp
  }
  return watermark
}

function readEvents(body: Uint8Array): StreamEvent[] {
  const input = new ByteReader(body)
  input.u8()
  input.varint()
  return Array.from({ length: Math.min(input.varint(), FRAME_EVENTS_MAX) }, () => {
    input.varint()
    return readEvent(input)
  })
}

function readTimestamps(input: ByteReader, flags: number, count: number, into: Float64Array): void {
  if ((flags & HAS_SMALL_TIMESTAMPS) !== 0) {
    const base = input.f64()
    for (let i = 0; i < count; i++) into[i] = base + input.u32()
  } else if ((flags & HAS_TIMESTAMPS) !== 0) for (let i = 0; i < count; i++) into[i] = input.f64()
  else into.fill(Number.NaN, 0, count)
}

function writeEvent(out: ByteWriter, event: StreamEvent): void {
  switch (event.kind) {
    case 'watermark':
      out.u8(WATERMARK)
      out.f64(event.timestamp)
      return
    case 'status':
      out.u8(event.isIdle ? IDLE : ACTIVE)
      return
    case 'end':
      out.u8(END)
      return
    case 'barrier':
      out.u8(BARRIER)
      out.varint(event.checkpointId)
      out.f64(event.timestamp)
      out.u8((event.isSavepoint ? 1 : 0) | (event.isUnaligned ? 2 : 0))
      out.f64(event.alignmentTimeoutMs)
  }
}

function readEvent(input: ByteReader): StreamEvent {
  const tag = input.u8()
  switch (tag) {
    case WATERMARK:
      return { kind: 'watermark', timestamp: input.f64() }
    case IDLE:
    case ACTIVE:
      return { kind: 'status', isIdle: tag === IDLE }
    case END:
      return { kind: 'end' }
    case BARRIER: {
      const checkpointId = input.varint()
      const timestamp = input.f64()
      const flags = input.u8()
      const alignmentTimeoutMs = input.f64()
      const isSavepoint = (flags & 1) !== 0
      return {
        kind: 'barrier',
        checkpointId,
        timestamp,
        isSavepoint,
        isUnaligned: (flags & 2) !== 0,
        alignmentTimeoutMs,
      }
    }
    default:
      throw malformed(`event tag ${tag}`)
  }
}

/** What the receiver tells the sender; cumulative, so that losing, repeating or reordering reports is harmless. */
export interface ReceiverReport {
  /** Every frame before this one has arrived. */
  readonly nextSequence: number
  /** Bytes the sender may have sent in all, since the channel began. */
  readonly grantedBytes: number
  /** Frames from `nextSequence` on are missing: send them again. */
  readonly isResendRequest: boolean
}

const REPORT_BYTES = FRAME_PRELUDE_BYTES + 9

export function encodeReport(report: ReceiverReport): Uint8Array {
  const bytes = new Uint8Array(REPORT_BYTES)
  writePrelude(bytes, FRAME_REPORT, report.nextSequence)
  const view = new DataView(bytes.buffer)
  view.setFloat64(FRAME_PRELUDE_BYTES, report.grantedBytes, true)
  view.setUint8(FRAME_PRELUDE_BYTES + 8, report.isResendRequest ? 1 : 0)
  return bytes
}

/** Throws DECODE_FAILED. */
export function decodeReport(bytes: Uint8Array): ReceiverReport {
  const { kind, sequence } = readPrelude(bytes)
  if (kind !== FRAME_REPORT || bytes.length !== REPORT_BYTES)
    throw malformed(`not a report: kind ${kind}, ${bytes.length} bytes`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const grantedBytes = view.getFloat64(FRAME_PRELUDE_BYTES, true)
  if (!(grantedBytes >= 0 && Number.isFinite(grantedBytes))) throw malformed(`credit ${grantedBytes}`)
  return {
    nextSequence: sequence,
    grantedBytes,
    isResendRequest: view.getUint8(FRAME_PRELUDE_BYTES + 8) !== 0,
  }
}

export function malformed(found: string): SluiceError {
  return new SluiceError('DECODE_FAILED', `malformed frame: ${found}`)
}
