/** Q23, bids with the person who bid and every auction that person sells: a join of three. */
import { type Infer, job, t } from 'sluice'
import { type Auction, auction, type Bid, type Person, person } from './model.ts'
import { auctionsOf, bidsOf, deliver, events, peopleOf } from './nexmark.ts'

const offer = t.object({ person, auction })
type Offer = Infer<typeof offer>

const row = t.object({
  bidder: t.int64,
  price: t.int64,
  channel: t.string,
  url: t.string,
  bid_extra: t.string,
  person_id: t.int64,
  name: t.string,
  emailAddress: t.string,
  creditCard: t.string,
  city: t.string,
  state: t.string,
  person_extra: t.string,
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

export default job('nexmark-q23', (env) => {
  const all = events(env)
  // The few with the few first: bids, which are most of all events, then pass through one join and not through two.
  const offers = peopleOf(all)
    .keyBy(({ id }) => id)
    .connect(auctionsOf(all).keyBy(({ seller }) => seller))
    .join((person: Person, auction: Auction) => ({ person, auction }), {
      uid: 'offers',
      unique: 'first',
      type: offer,
    })
  const rows = offers
    .keyBy(({ person }) => person.id)
    .connect(bidsOf(all).keyBy(({ bidder }) => bidder))
    .join(rowOf, { uid: 'rows', type: row })
  deliver(env, rows)
})

function rowOf({ person, auction }: Offer, bid: Bid): Row {
  return {
    bidder: bid.bidder,
    price: bid.price,
    channel: bid.channel,
    url: bid.url,
    bid_extra: bid.extra,
    person_id: person.id,
    name: person.name,
    emailAddress: person.emailAddress,
    creditCard: person.creditCard,
    city: person.city,
    state: person.state,
    person_extra: person.extra,
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
