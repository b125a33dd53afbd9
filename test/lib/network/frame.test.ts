import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import { SluiceError } from '../../../lib/base/errors.ts'
import {
  decodeReport,
  encodeReport,
  type FrameColumns,
  readFrameBody,
  readPrelude,
  writeFrameBody,
  writePrelude,
} from '../../../lib/network/frame.ts'
import { BATCH_RECORDS_MAX, RecordBatch } from '../../../lib/network/record-batch.ts'
import type { StreamEvent } from '../../../lib/network/stream-event.ts'
import { t as types } from '../../../lib/types/t.ts'
import type { Type } from '../../../lib/types/type.ts'

const record = types.object({ n: types.int64, text: types.string })
const type = record as Type<unknown>

const time = fc.oneof(
  fc.integer({ min: 0, max: 1000 }),
  fc.maxSafeInteger(),
  fc.constantFrom(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 32, -1),
)
const flag = fc.boolean()

const eventArbitrary: fc.Arbitrary<StreamEvent> = fc.oneof(
  fc.record({ kind: fc.constant('watermark' as const), timestamp: time }, { noNullPrototype: true }),
  fc.record({ kind: fc.constant('status' as const), isIdle: flag }, { noNullPrototype: true }),
  fc.constant({ kind: 'end' as const }),
  fc.record(
    {
      kind: fc.constant('barrier' as const),
      checkpointId: fc.nat(Number.MAX_SAFE_INTEGER),
      timestamp: fc.nat(),
      isSavepoint: flag,
      isUnaligned: flag,
      alignmentTimeoutMs: fc.constantFrom(0, 500, Number.POSITIVE_INFINITY),
    },
    { noNullPrototype: true },
  ),
)

/** What one frame may carry: all records with timestamps, none, or some; close together or far apart. */
const content = fc.record({
  timestamps: fc.oneof(
    fc.array(fc.constant(Number.NaN), { maxLength: 20 }),
    fc.array(fc.integer({ min: -1000, max: 1000 }), { maxLength: 20 }),
    fc.array(time, { maxLength: 20 }),
    fc.array(fc.oneof(time, fc.constant(Number.NaN)), { maxLength: 20 }),
  ),
  hasKeyGroups: flag,
  events: fc.array(fc.tuple(eventArbitrary, fc.nat(20)), { maxLength: 5 }),
  texts: fc.array(fc.string(), { minLength: 20, maxLength: 20 }),
})

type Content = typeof content extends fc.Arbitrary<infer C> ? C : never

function encode({ timestamps, hasKeyGroups, events, texts }: Content): Uint8Array {
  const encoder = type.newBatchEncoder()
  const sorted = [...events].sort(([, a], [, b]) => a - b)
  const columns: FrameColumns = {
    count: timestamps.length,
    timestamps: Float64Array.from(timestamps),
    keyGroups: Int32Array.from(timestamps, (_, i) => (hasKeyGroups ? (i * 7919) % 32_768 : -1)),
    events: sorted.map(([event]) => event),
    eventPositions: sorted.map(([, position]) => Math.min(position, timestamps.length)),
  }
  timestamps.forEach((_timestamp, i) => {
    encoder.write({ n: i, text: texts[i] })
  })
  const out = new ByteWriter()
  writeFrameBody(out, columns, encoder)
  return out.toUint8Array()
}

t.test('frame - records, timestamps, key groups and events come out as they went in', async (t) => {
  const batch = new RecordBatch()
  const decoder = type.newBatchDecoder()
  const property = fc.property(content, (content) => {
    const { timestamps, hasKeyGroups, events, texts } = content
    batch.clear()
    readFrameBody(encode(content), decoder, batch)
    const sorted = [...events].sort(([, a], [, b]) => a - b)
    return isDeepStrictEqual(
      [
        batch.count,
        [...batch.timestamps.subarray(0, batch.count)],
        [...batch.keyGroups.subarray(0, batch.count)],
        batch.values.slice(0, batch.count),
        batch.events,
        batch.eventPositions,
      ],
      [
        timestamps.length,
        timestamps,
        timestamps.map((_, i) => (hasKeyGroups ? (i * 7919) % 32_768 : -1)),
        timestamps.map((_, i) => ({ n: i, text: texts[i] })),
        sorted.map(([event]) => event),
        sorted.map(([, position]) => Math.min(position, timestamps.length)),
      ],
    )
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000, seed: 1 }))
})

t.test('frame - timestamps that are close together take half the room', async (t) => {
  const of = (timestamps: number[]) =>
    encode({ timestamps, hasKeyGroups: false, events: [], texts: timestamps.map(() => '') }).length
  const close = Array.from({ length: 100 }, (_, i) => 1.7e12 + i * 1000)
  const none = of(close.map(() => Number.NaN))
  t.ok(of(close) - none <= 100 * 4 + 8)
  t.equal(of(close.map((timestamp) => timestamp * 1e5)) - none, 100 * 8)
})

t.test(
  'frame - any bytes are read or refused, and nothing is made room for before it is there',
  async (t) => {
    const decoder = type.newBatchDecoder()
    const batch = new RecordBatch()
    const isReadOrRefused = (bytes: Uint8Array): boolean => {
      batch.clear()
      try {
        readFrameBody(bytes, decoder, batch)
      } catch (error) {
        return error instanceof SluiceError && error.code === 'DECODE_FAILED'
      }
      return batch.count <= BATCH_RECORDS_MAX
    }
    const random = fc.property(fc.uint8Array({ maxLength: 100 }), isReadOrRefused)
    t.doesNotThrow(() => fc.assert(random, { numRuns: 5000, seed: 2 }))
    const damaged = fc.property(content, fc.nat(), fc.nat(255), fc.nat(), (content, at, byte, cut) => {
      const bytes = encode(content)
      bytes[at % bytes.length] = byte
      return isReadOrRefused(bytes) && isReadOrRefused(bytes.subarray(0, cut % bytes.length))
    })
    t.doesNotThrow(() => fc.assert(damaged, { numRuns: 3000, seed: 3 }))
  },
)

t.test('frame - counts above the limits, events out of place and bytes left over are refused', async (t) => {
  const decoder = type.newBatchDecoder()
  const refuse = (bytes: number[], message: RegExp) =>
    t.throws(() => readFrameBody(Uint8Array.from(bytes), decoder, new RecordBatch()), {
      code: 'DECODE_FAILED',
      message,
    })
  refuse([0, 0x81, 0x04, 0], /513 records/)
  refuse([0, 0, 0x81, 0x08], /1025 events/)
  refuse([0, 0, 1, 1, 5], /out of place/)
  refuse([0, 0, 1, 0, 99], /event tag 99/)
  refuse([0, 0, 0, 7], /1 bytes too many/)
})

t.test('frame - kind and sequence stand in front, up to 2^32', async (t) => {
  const bytes = new Uint8Array(8)
  for (const sequence of [0, 1, 255, 65_536, 2 ** 31, 2 ** 32 - 1]) {
    writePrelude(bytes, 3, sequence)
    t.same(readPrelude(bytes), { kind: 3, sequence })
  }
  t.throws(() => readPrelude(bytes.subarray(0, 4)), { code: 'DECODE_FAILED' })
})

t.test('frame - reports come through, anything else is no report', async (t) => {
  const roundTrip = fc.property(
    fc.nat(2 ** 32 - 1),
    fc.maxSafeNat(),
    flag,
    (nextSequence, grantedBytes, isResendRequest) => {
      const report = { nextSequence, grantedBytes, isResendRequest }
      return isDeepStrictEqual(decodeReport(encodeReport(report)), report)
    },
  )
  t.doesNotThrow(() => fc.assert(roundTrip, { numRuns: 500, seed: 4 }))
  const hostile = fc.property(fc.uint8Array({ maxLength: 20 }), flag, (bytes, isLong) => {
    const frame = isLong ? Uint8Array.from([5, ...bytes, ...new Array(13).fill(255)].slice(0, 14)) : bytes
    try {
      const { grantedBytes } = decodeReport(frame)
      return grantedBytes >= 0 && Number.isFinite(grantedBytes)
    } catch (error) {
      return error instanceof SluiceError && error.code === 'DECODE_FAILED'
    }
  })
  t.doesNotThrow(() => fc.assert(hostile, { numRuns: 2000, seed: 5 }))
})
