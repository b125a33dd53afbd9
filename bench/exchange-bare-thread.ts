/**
 * The bare baseline of the exchange benchmark: one of two threads that exchange half of their records. It only encodes,
 * transfers and decodes, with the codec and the frame size Sluice uses; the other half of the records stays.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { ByteReader } from '../lib/base/byte-reader.ts'
import { ByteWriter } from '../lib/base/byte-writer.ts'
import { Bid, type BidRecord, preparedBids } from './exchange-job.ts'

const FRAME_BYTES = 32 * 1024
const BATCH_RECORDS = 512
/** Frames that may be under way before the sender waits for the receiver. */
const WINDOW_FRAMES = 64

const { peer, count } = workerData as { peer: MessagePort; count: number }
const bids = preparedBids()
const encoder = Bid.newBatchEncoder()
const decoder = Bid.newBatchDecoder()
const out = new ByteWriter(FRAME_BYTES * 2)

let next = 0
let kept = 0
let received = 0
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
    const bid = bids[next & 8191]!
    if ((next++ & 1) === 0) kept++
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
  parentPort!.postMessage({ endMs: performance.timeOrigin + performance.now(), kept, received })
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
    received += records
    peer.postMessage('ack')
  }
  if (message !== 'done') pump()
  else finishIfDone()
})

parentPort!.once('message', pump)
parentPort!.postMessage('ready')
