/**
 * The bare baseline of the exchange over NATS: one of two processes, which only move frames. The publisher writes the
 * prepared bids into frames (the very ones a channel of Sluice sends: same codec, same columns, same size) and
 * publishes them while the receiver has not fallen behind by more than a window; the subscriber reads each frame back
 * into records, drops them, and says now and then how much it has read. No keys, no partitioning, no state, no retries.
 *
 *     exchange-bare-nats.ts publish|subscribe <url> <records>
 */
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { ByteWriter } from '../lib/base/byte-writer.ts'
import { type FrameColumns, readFrameBody, writeFrameBody } from '../lib/network/frame.ts'
import { BATCH_RECORDS_MAX, RecordBatch } from '../lib/network/record-batch.ts'
import { Bid, PREPARED, preparedBids } from './exchange-job.ts'
import { SpanRecorder } from './span.ts'

const FRAME_BYTES = 32 * 1024
/** As far as the publisher may be ahead; the most that Sluice grants a channel. */
const WINDOW_BYTES = 4 * 1024 * 1024
const FRAMES = 'bench.frames'
const PROGRESS = 'bench.progress'

function publish(connection: NatsConnection, count: number): Promise<void> {
  const bids = preparedBids()
  const encoder = Bid.newBatchEncoder()
  const out = new ByteWriter(FRAME_BYTES * 2)
  const columns: FrameColumns = {
    count: 0,
    timestamps: new Float64Array(BATCH_RECORDS_MAX).fill(Number.NaN),
    keyGroups: new Int32Array(BATCH_RECORDS_MAX),
    events: [],
    eventPositions: [],
  }
  let next = 0
  let sentBytes = 0
  let readBytes = 0

  function send(): void {
    out.reset()
    writeFrameBody(out, columns, encoder)
    columns.count = 0
    const frame = out.toUint8Array()
    sentBytes += frame.length
    connection.publish(FRAMES, frame)
  }

  function pump(): void {
    while (next < count && sentBytes - readBytes < WINDOW_BYTES) {
      encoder.write(bids[next++ & (PREPARED - 1)]!)
      columns.count++
      if (columns.count === BATCH_RECORDS_MAX || encoder.byteLength >= FRAME_BYTES) send()
    }
    if (next === count && columns.count > 0) send()
  }

  return new Promise((resolve) => {
    connection.subscribe(PROGRESS, {
      callback: (_error, message) => {
        readBytes = new DataView(message.data.buffer, message.data.byteOffset).getFloat64(0)
        pump()
        if (next === count && readBytes === sentBytes) resolve()
      },
    })
    pump()
  })
}

function subscribe(connection: NatsConnection, count: number): Promise<SpanRecorder> {
  const decoder = Bid.newBatchDecoder()
  const batch = new RecordBatch()
  const span = new SpanRecorder(count)
  let records = 0
  let readBytes = 0
  let saidBytes = 0
  return new Promise((resolve) => {
    connection.subscribe(FRAMES, {
      callback: (_error, { data }) => {
        readFrameBody(data, decoder, batch)
        records += batch.count
        span.add(batch.count)
        batch.clear()
        readBytes += data.length
        if (readBytes - saidBytes < WINDOW_BYTES / 4 && records < count) return
        saidBytes = readBytes
        const progress = new Uint8Array(8)
        new DataView(progress.buffer).setFloat64(0, readBytes)
        connection.publish(PROGRESS, progress)
        if (records < count) return
        span.end()
        resolve(span)
      },
    })
  })
}

const [role, servers, records] = process.argv.slice(2)
const connection = await connect({ servers: servers! })
if (role === 'publish') await publish(connection, Number(records))
else {
  const span = subscribe(connection, Number(records))
  await connection.flush()
  process.stdout.write(`${JSON.stringify({ ready: true })}\n`)
  process.stdout.write(`${JSON.stringify(await span)}\n`)
}
await connection.flush()
await connection.close()
