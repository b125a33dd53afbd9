/** Q4, average winning price per category: over the highest bids on its auctions so far, again with every change. */
import { type AggregateFunction, type Collector, type Infer, job, t } from 'sluice'
import { auctionsOf, bidsOf, deliver, events } from './nexmark.ts'
import { WinningBids } from './winning-bids.ts'

const lot = t.object({ id: t.int64, dateTime: t.timestamp, expires: t.timestamp, category: t.int64 })
type Lot = Infer<typeof lot>

const offer = t.object({ auction: t.int64, price: t.int64, dateTime: t.timestamp })
type Offer = Infer<typeof offer>

/** The highest bid on an auction has become `price`; `raised`: it was `previous` before. */
const change = t.object({ category: t.int64, price: t.int64, previous: t.int64, raised: t.boolean })
type Change = Infer<typeof change>

const totals = t.object({ sum: t.int64, count: t.int64 })
type Totals = Infer<typeof totals>

const average = t.object({ id: t.int64, final: t.int64 })
type Average = Infer<typeof average>

class Changes extends WinningBids<Lot, Offer, Change> {
  protected onBest({ category }: Lot, { price }: Offer, previous: Offer | undefined, out: Collector<Change>) {
    out.collect({ category, price, previous: previous?.price ?? 0, raised: previous !== undefined })
  }
}

const averagePrice: AggregateFunction<Change, Totals, Average, number> = {
  accumulatorType: totals,
  createAccumulator: () => ({ sum: 0, count: 0 }),
  add({ price, previous, raised }, totals) {
    totals.sum += price - previous
    if (!raised) totals.count++
    return totals
  },
  getResult: ({ sum, count }, { key }) => ({ id: key, final: Math.trunc(sum / count) }),
}

export default job('nexmark-q4', (env) => {
  const all = events(env)
  const lots = auctionsOf(all).map(
    ({ id, dateTime, expires, category }) => ({ id, dateTime, expires, category }),
    { type: lot },
  )
  const offers = bidsOf(all).map(({ auction, price, dateTime }) => ({ auction, price, dateTime }), {
    type: offer,
  })
  const averages = lots
    .keyBy(({ id }) => id)
    .connect(offers.keyBy(({ auction }) => auction))
    .process(new Changes(lot, offer), { uid: 'winning-bids', type: change })
    .keyBy(({ category }) => category)
    .aggregate(averagePrice, { uid: 'averages', type: average })
  deliver(env, averages)
})
