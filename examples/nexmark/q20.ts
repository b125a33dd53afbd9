/** Q20, bids with their auction: those on auctions of one category, each once, however late the auction comes. */
import { type Infer, job, t } from 'sluice'
import type { Auction, Bid } from './model.ts'
import { auctionsOf, bidsOf, deliver, events } from './nexmark.ts'

const row = t.object({
  auction: t.int64,
  bidder: t.int64,
  price: t.int64,
  channel: t.string,
  url: t.string,
  bid_dateTime: t.timestamp,
  bid_extra: t.string,
  itemName: t.string,
  description: t.string,
  initialBid: t.int64,
  reserve: t.int64,
  auction_dateTime: t.timestamp,
  expires: t.timestamp,
  seller: t.int64,
  category: t.int64,
  auction_extra: t.string,
})
type Row = Infer<typeof row>

const CATEGORY = 10

export default job('nexmark-q20', (env) => {
  const all = events(env)
  // Of auctions of other categories it has to be known that they came: bids on them need not wait any more.
  const rows = auctionsOf(all)
    .keyBy(({ id }) => id)
    .connect(bidsOf(all).keyBy(({ auction }) => auction))
    .join(rowOf, {
      uid: 'join',
      unique: 'first',
      whereFirst: ({ category }) => category === CATEGORY,
      type: row,
    })
  deliver(env, rows)
})

function rowOf(auction: Auction, bid: Bid): Row {
  return {
    auction: bid.auction,
    bidder: bid.bidder,
    price: bid.price,
    channel: bid.channel,
    url: bid.url,
    bid_dateTime: bid.dateTime,
    bid_extra: bid.extra,
    itemName: auction.itemName,
    description: auction.description,
    initialBid: auction.initialBid,
    reserve: auction.reserve,
    auction_dateTime: auction.dateTime,
    expires: auction.expires,
    seller: auction.seller,
    category: auction.category,
    auction_extra: auction.extra,
  }
}
