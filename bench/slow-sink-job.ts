/**
 * The job of the slow sink benchmark: an endless source as fast as it can, a keyBy to another slot thread, and a sink
 * that at first takes what comes, to learn how fast that is, and from then on 1 % of it. It waits as a sink does that
 * waits for a database: by a promise between batches.
 */
import { generator, job, type Sink } from 'sluice'
import { Bid, type BidRecord, PREPARED, preparedBids } from './exchange-job.ts'

const SHARE = 0.01
const FREE_MS = 3000

function slowSink(): Sink<BidRecord> {
  return {
    name: 'slow',
    createWriter({ clock }) {
      let records = 0
      let startedMs = 0
      /** What it takes from `startedMs` on; unknown at first. */
      let perMs = 0
      return {
        write() {
          if (records++ === 0) startedMs = clock.monotonic()
        },
        whenReady() {
          const nowMs = clock.monotonic()
          if (perMs === 0) {
            if (records === 0 || nowMs - startedMs < FREE_MS) return undefined
            perMs = (records / (nowMs - startedMs)) * SHARE
            records = 0
            startedMs = nowMs
          }
          const waitMs = startedMs + records / perMs - nowMs
          if (waitMs < 1) return undefined
          return new Promise((resolve) => {
            clock.schedule(waitMs, resolve)
          })
        },
        flush() {},
        close() {},
      }
    },
  }
}

export default job('slow-sink', (env) => {
  const bids = preparedBids()
  env
    .source(generator({ generate: (i) => bids[i & (PREPARED - 1)]!, type: Bid }), {
      uid: 'bids',
      parallelism: 1,
      slotSharingGroup: 'bids',
    })
    .keyBy((bid) => bid.auction)
    .map((bid) => bid, { uid: 'keyed', type: Bid, parallelism: 1, slotSharingGroup: 'slow' })
    .sinkTo(slowSink(), { uid: 'slow', parallelism: 1, slotSharingGroup: 'slow' })
})
