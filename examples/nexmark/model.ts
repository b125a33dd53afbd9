/**
 * The records of Nexmark, an online auction: people register, open auctions, bid. One ordered stream carries all
 * three. They are a tagged union: one object per event, told apart by comparing two pointers, where a wrapper with
 * nullable parts would be a second object. Ids, prices (cents) and times (ms since the epoch, UTC) are integers.
 */
import { type Infer, t } from 'sluice'

export const person = t.object({
  id: t.int64,
  name: t.string,
  emailAddress: t.string,
  creditCard: t.string,
  city: t.string,
  state: t.string,
  dateTime: t.timestamp,
  extra: t.string,
})

export const auction = t.object({
  id: t.int64,
  itemName: t.string,
  description: t.string,
  initialBid: t.int64,
  reserve: t.int64,
  dateTime: t.timestamp,
  expires: t.timestamp,
  /** Id of the person who opened it. */
  seller: t.int64,
  category: t.int64,
  extra: t.string,
})

export const bidFields = {
  /** Id of the auction. */
  auction: t.int64,
  /** Id of the person. */
  bidder: t.int64,
  price: t.int64,
  channel: t.string,
  url: t.string,
  dateTime: t.timestamp,
  extra: t.string,
}
export const bid = t.object(bidFields)

export const event = t.union('kind', { person, auction, bid })

export type Event = Infer<typeof event>
export type Person = Infer<typeof person>
export type Auction = Infer<typeof auction>
export type Bid = Infer<typeof bid>
