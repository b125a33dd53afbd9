/** Q9, winning bids: each auction with the highest bid on it so far, again with every higher one. */
import { type Collector, type Infer, job, t } from 'sluice'
import { type Auction, auction, type Bid, bid } from './model.ts'
import { auctionsOf, bidsOf, deliver, events } from './nexmark.ts'
import { byPrice } from './orders.ts'
import { WinningBids } from './winning-bids.ts'

const row = t.object({
  id: t.int64,
  itemName: t.string,
  description: t.string,
  initialBid: t.int64,
  reserve: t.int64,
  dateTime: t.timestamp,
  expires: t.timestamp,
  seller: t.int64,
  category: t.int64,
  extra: t.string,
  auction: t.int64,
  bidder: t.int64,
  price: t.int64,
  bid_dateTime: t.timestamp,
  bid_extra: t.string,
})
type Row = Infer<typeof row>

class BestSoFar extends WinningBids<Auction, Bid, Row> {
  protected override isBetter(bid: Bid, best: Bid): boolean {
    return byPrice(bid, best) < 0
  }

  protected onBest(auction: Auction, bid: Bid, _previous: Bid | undefined, out: Collector<Row>): void {
    out.collect({
      id: auction.id,
      itemName: auction.itemName,
      description: auction.description,
      initialBid: auction.initialBid,
      reserve: auction.reserve,
      dateTime: auction.dateTime,
      expires: auction.expires,
      seller: auction.seller,
      category: auction.category,
      extra: auction.extra,
      auction: bid.auction,
      bidder: bid.bidder,
      price: bid.price,
      bid_dateTime: bid.dateTime,
      bid_extra: bid.extra,
    })
  }
}

export default job('nexmark-q9', (env) => {
  const all = events(env)
  const winning = auctionsOf(all)
    .keyBy(({ id }) => id)
    .connect(bidsOf(all).keyBy(({ auction }) => auction))
    .process(new BestSoFar(auction, bid), { uid: 'winning-bids', type: row })
  deliver(env, winning)
})
