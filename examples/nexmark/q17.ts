/** Q17, auction statistics: of each auction and day the number of bids, by rank too, and their prices; updated. */
import { type AggregateFunction, type Infer, job, t } from 'sluice'
import { rankOf } from './bid-statistics.ts'
import { dayOf } from './calendar.ts'
import { bids, deliver } from './nexmark.ts'

const input = t.object({ auction: t.int64, day: t.string, price: t.int64 })
type Input = Infer<typeof input>

const row = t.object({
  auction: t.int64,
  day: t.string,
  total_bids: t.int64,
  rank1_bids: t.int64,
  rank2_bids: t.int64,
  rank3_bids: t.int64,
  min_price: t.int64,
  max_price: t.int64,
  avg_price: t.int64,
  sum_price: t.int64,
})
type Row = Infer<typeof row>

/** The row so far is all there is to know: the next one is made from it. */
const statistics: AggregateFunction<Input, Row | null, Row> = {
  accumulatorType: t.nullable(row),
  createAccumulator: () => null,
  add({ auction, day, price }, before) {
    const rank = rankOf(price)
    const total_bids = (before?.total_bids ?? 0) + 1
    const sum_price = (before?.sum_price ?? 0) + price
    return {
      auction,
      day,
      total_bids,
      rank1_bids: (before?.rank1_bids ?? 0) + (rank === 1 ? 1 : 0),
      rank2_bids: (before?.rank2_bids ?? 0) + (rank === 2 ? 1 : 0),
      rank3_bids: (before?.rank3_bids ?? 0) + (rank === 3 ? 1 : 0),
      min_price: Math.min(before?.min_price ?? price, price),
      max_price: Math.max(before?.max_price ?? price, price),
      avg_price: Math.trunc(sum_price / total_bids),
      sum_price,
    }
  },
  getResult: (row) => row!,
}

export default job('nexmark-q17', (env) => {
  const rows = bids(env)
    .map(({ auction, dateTime, price }) => ({ auction, day: dayOf(dateTime), price }), { type: input })
    // A tuple would do as well; one text is made faster.
    .keyBy(({ auction, day }) => `${auction} ${day}`)
    .aggregate(statistics, { uid: 'statistics', type: row })
  deliver(env, rows)
})
