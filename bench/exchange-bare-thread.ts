/**
 * The bare baseline of the exchange benchmark: one of two threads that exchange half of their records. It only encodes,
 * transfers and decodes, with the codec and the frame size Sluice uses; the other half of the records stays.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { ByteReader } from '../lib/base/byte-reader.ts'
import { ByteWriter } from '../lib/base/byte-writer.ts'
import { Bid, type BidRecord, PREPARED, preparedBids } from './exchange-job.ts'
import { SpanRecorder } from './span.ts'

const FRAME_BYTES = 32 * 1024
const BATCH_RECORDS = 512
/** Frames that may be under way before the sender waits for the receiver. */
const WINDOW_FRAMES = 64

const { peer, count } = workerData as { peer: MessagePort; count: number }
const bids = preparedBids()
const encoder = Bid.newBatchEncoder()
const decoder = Bid.newBatchDecoder()
const out = new ByteWriter(FRAME_BYTES * 2)
/** Of the half that stays here and the half that comes from there. */
const span = new SpanRecorder(count)

let next = 0
let underWay = 0
let isDone = false
let isPeerDone = false

function send(): void {
  const records = encoder.count
  if (records === 0) return
  out.reset()
  out.u32(records)
  encoder.finish(out)
  const frame = out.toUint8Array()
  underWay++
  peer.postMessage(frame, [frame.buffer])
}

function pump(): void {
  while (next < count && underWay < WINDOW_FRAMES) {
    const bid = bids[next & (PREPARED - 1)]!
    if ((next++ & 1) === 0) span.add(1)
    else {
      encoder.write(bid)
      if (encoder.count === BATCH_RECORDS || encoder.byteLength >= FRAME_BYTES) send()
    }
  }
  if (next === count && !isDone) {
    send()
    isDone = true
    peer.postMessage('done')
  }
  finishIfDone()
}

function finishIfDone(): void {
  if (!isDone || !isPeerDone || underWay > 0) return
  span.end()
  parentPort!.postMessage(span.toJSON())
  peer.close()
}

peer.on('message', (message: Uint8Array | 'done' | 'ack') => {
  if (message === 'ack') underWay--
  else if (message === 'done') isPeerDone = true
  else {
    const input = new ByteReader(message)
    const records = input.u32()
    const into: BidRecord[] = new Array(records)
    decoder.decode(input, records, into)
    span.add(records)
    peer.postMessage('ack')
  }
  if (message !== 'done') pump()
  else finishIfDone()
})

parentPort!.once('message', pump)
parentPort!.postMessage('ready')
