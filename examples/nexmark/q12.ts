/**
 * Q12, processing-time windows: how often each person bid in every 10 s of the clock. Which window a bid falls into
 * depends on when it is processed, so no two runs agree; the counts of a person always add up to the same.
 */
import {
  type AggregateFunction,
  type Infer,
  job,
  orEndOfStream,
  processingTimeTrigger,
  t,
  tumblingProcessingTime,
} from 'sluice'
import { bids, deliver } from './nexmark.ts'

const row = t.object({
  bidder: t.int64,
  bid_count: t.int64,
  starttime: t.timestamp,
  endtime: t.timestamp,
})
type Row = Infer<typeof row>

const count: AggregateFunction<number, number, Row, number> = {
  accumulatorType: t.int64,
  createAccumulator: () => 0,
  add: (_bidder, count) => count + 1,
  getResult: (count, { key, start, end }) => ({
    bidder: key,
    bid_count: count,
    starttime: start,
    endtime: end,
  }),
}

export default job('nexmark-q12', (env) => {
  const counts = bids(env)
    .map(({ bidder }) => bidder, { type: t.int64 })
    .keyBy((bidder) => bidder)
    .window(tumblingProcessingTime('10s'))
    // A bounded run ends before the clock gets to the end of its last window.
    .trigger(orEndOfStream(processingTimeTrigger()))
    .aggregate(count, { uid: 'counts', type: row })
  deliver(env, counts)
})
