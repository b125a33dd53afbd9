/**
 * Which bid comes first where several are as good. SQL leaves it open; results that can be compared need one answer, so
 * bids that differ in anything are never equal.
 */
import type { Bid } from './model.ts'

/** The highest price first, then the earliest. */
export function byPrice(a: Bid, b: Bid): number {
  return offerByPrice(a, b) || byPlace(a, b)
}

type Offer = Pick<Bid, 'bidder' | 'price' | 'dateTime' | 'extra'>

/** The same where nobody will see channel and url. */
export function offerByPrice(a: Offer, b: Offer): number {
  return b.price - a.price || a.dateTime - b.dateTime || a.bidder - b.bidder || byText(a.extra, b.extra)
}

/** The latest first, then the highest price. */
export function byTime(a: Bid, b: Bid): number {
  return (
    b.dateTime - a.dateTime ||
    b.price - a.price ||
    b.bidder - a.bidder ||
    byText(b.extra, a.extra) ||
    byPlace(b, a)
  )
}

function byPlace(a: Bid, b: Bid): number {
  return byText(a.channel, b.channel) || byText(a.url, b.url)
}

/** By code unit, whatever the language of the machine. */
function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
