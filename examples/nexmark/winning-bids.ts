/**
 * What Q4, Q6 and Q9 have in common: the highest bid on each auction while it is open, both ends included.
 *
 * A bid may come before its auction, though none counts that was made before it. So what waits for an auction can be
 * forgotten once event time has come to the bid's own time, and everything about an auction once it has closed.
 */
import {
  type Collector,
  type KeyedContext,
  type KeyedCoProcessFunction,
  type ListState,
  listState,
  type RuntimeContext,
  type Type,
  type ValueState,
  valueState,
} from 'sluice'

/** What counts of an auction; queries may need more. */
export interface Lot {
  readonly dateTime: number
  readonly expires: number
}

/** What counts of a bid. */
export interface Offer {
  readonly price: number
  readonly dateTime: number
}

/** To forget something a second late does no harm, and timers that share their time cost less than others. */
const FORGET_MS = 1000

/** Keyed by auction: its lot on the first input, the bids for it on the second. */
export abstract class WinningBids<A extends Lot, B extends Offer, O>
  implements KeyedCoProcessFunction<number, A, B, O>
{
  readonly #types: { readonly auction: Type<A>; readonly bid: Type<B> }
  #auction!: ValueState<A>
  #best!: ValueState<B>
  /** Bids that came before their auction. */
  #early!: ListState<B>

  constructor(auctionType: Type<A>, bidType: Type<B>) {
    this.#types = { auction: auctionType, bid: bidType }
  }

  /** `bid` is the best so far; `previous` was it before. */
  protected abstract onBest(auction: A, bid: B, previous: B | undefined, out: Collector<O>): void
  /** No other bid can win any more: event time has come to the end of the auction. */
  protected onClosed?(auction: A, best: B, out: Collector<O>): void

  protected isBetter(bid: B, best: B): boolean {
    return bid.price > best.price
  }

  open(context: RuntimeContext): void {
    this.#auction = context.state(valueState('auction', this.#types.auction))
    this.#best = context.state(valueState('best', this.#types.bid))
    this.#early = context.state(listState('early', this.#types.bid))
  }

  processElement1(auction: A, context: KeyedContext<number>, out: Collector<O>): void {
    this.#auction.update(auction)
    const { expires } = auction
    context.registerEventTimer(this.onClosed === undefined ? toBeForgotten(expires) : expires)
    const early = this.#early.get()
    if (early.length === 0) return
    for (const bid of early) this.#consider(auction, bid, out)
    this.#early.clear()
  }

  processElement2(bid: B, context: KeyedContext<number>, out: Collector<O>): void {
    const auction = this.#auction.value()
    if (auction !== undefined) this.#consider(auction, bid, out)
    else if (bid.dateTime > context.currentWatermark()) {
      this.#early.add(bid)
      context.registerEventTimer(toBeForgotten(bid.dateTime))
    }
  }

  onTimer(timestamp: number, _context: KeyedContext<number>, out: Collector<O>): void {
    const auction = this.#auction.value()
    if (auction === undefined) {
      this.#early.update(this.#early.get().filter(({ dateTime }) => dateTime > timestamp))
      return
    }
    if (timestamp < auction.expires) return
    const best = this.#best.value()
    if (best !== undefined) this.onClosed?.(auction, best, out)
    this.#auction.clear()
    this.#best.clear()
  }

  #consider(auction: A, bid: B, out: Collector<O>): void {
    if (bid.dateTime < auction.dateTime || bid.dateTime > auction.expires) return
    const previous = this.#best.value()
    if (previous !== undefined && !this.isBetter(bid, previous)) return
    this.#best.update(bid)
    this.onBest(auction, bid, previous, out)
  }
}

function toBeForgotten(timestamp: number): number {
  return Math.ceil(timestamp / FORGET_MS) * FORGET_MS
}
