/** Q9, winning bids: each auction with the highest bid on it so far, again with every higher one. */
import { type Collector, type Infer, job, t } from 'sluice'
import { type Auction, auction, bidFields } from './model.ts'
import { auctionsOf, bidsOf, deliver, events } from './nexmark.ts'
import { offerByPrice } from './orders.ts'
import { WinningBids } from './winning-bids.ts'

const { auction: auctionId, bidder, price, dateTime, extra } = bidFields
/** What rows have of bids, and so all that travels to where they are compared. */
const offer = t.object({ auction: auctionId, bidder, price, dateTime, extra })
type Offer = Infer<typeof offer>

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

class BestSoFar extends WinningBids<Auction, Offer, Row> {
  protected override isBetter(bid: Offer, best: Offer): boolean {
    return offerByPrice(bid, best) < 0
  }

  protected onBest(auction: Auction, bid: Offer, _previous: Offer | undefined, out: Collector<Row>): void {
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
  const offers = bidsOf(all).map(
    ({ auction, bidder, price, dateTime, extra }) => ({ auction, bidder, price, dateTime, extra }),
    { type: offer },
  )
  const winning = auctionsOf(all)
    .keyBy(({ id }) => id)
    .connect(offers.keyBy(({ auction }) => auction))
    .process(new BestSoFar(auction, offer), { uid: 'winning-bids', type: row })
  deliver(env, winning)
})
