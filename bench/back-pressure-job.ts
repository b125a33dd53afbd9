/**
 * The job of the back pressure benchmark: a source without limit and two slot threads behind it, the last of which has
 * a sink that takes a hundred records a second: 1 % of what a database takes that needs 0.1 ms for each.
 */
import { generator, job, type Sink } from 'sluice'
import { Bid, type BidRecord, PREPARED, preparedBids } from './exchange-job.ts'

const RECORD_MS = 10

function throttledSink(): Sink<BidRecord> {
  return {
    name: 'throttled',
    createWriter({ clock }) {
      let owedMs = 0
      return {
        write() {
          owedMs += RECORD_MS
        },
        whenReady() {
          const waitMs = owedMs
          owedMs = 0
          return waitMs === 0
            ? undefined
            : new Promise((resolve) => {
                clock.schedule(waitMs, resolve)
              })
        },
        flush() {},
        close() {},
      }
    },
  }
}

export default job('back-pressure', (env) => {
  const bids = preparedBids()
  env
    .source(generator({ generate: (i) => bids[i & (PREPARED - 1)]!, type: Bid }), {
      uid: 'bids',
      parallelism: 1,
      slotSharingGroup: 'bids',
    })
    .keyBy((bid) => bid.auction)
    .map((bid) => bid, { uid: 'keyed', type: Bid, parallelism: 1, slotSharingGroup: 'keyed' })
    .sinkTo(throttledSink(), { uid: 'throttled', parallelism: 1, slotSharingGroup: 'throttled' })
})
