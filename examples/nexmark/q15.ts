/** Q15, bidding statistics: of each day how many bids, people and auctions, by rank of the price; updated. */
import { type Collector, type Infer, job, type KeyedProcessFunction, type RuntimeContext, t } from 'sluice'
import { BidStatistics, statisticsFields } from './bid-statistics.ts'
import { dayOf } from './calendar.ts'
import { bids, deliver } from './nexmark.ts'

const input = t.object({ auction: t.int64, bidder: t.int64, price: t.int64, day: t.string })
type Input = Infer<typeof input>

const row = t.object({ day: t.string, ...statisticsFields })
type Row = Infer<typeof row>

class Statistics implements KeyedProcessFunction<string, Input, Row> {
  #statistics!: BidStatistics

  open(context: RuntimeContext): void {
    this.#statistics = new BidStatistics(context)
  }

  processElement(bid: Input, _context: unknown, out: Collector<Row>): void {
    out.collect({ day: bid.day, ...this.#statistics.add(bid) })
  }
}

export default job('nexmark-q15', (env) => {
  const statistics = bids(env)
    .map(({ auction, bidder, price, dateTime }) => ({ auction, bidder, price, day: dayOf(dateTime) }), {
      type: input,
    })
    .keyBy(({ day }) => day)
    .process(new Statistics(), { uid: 'statistics', type: row })
  deliver(env, statistics)
})
