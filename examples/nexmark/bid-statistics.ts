/**
 * What Q15 and Q16 count: bids, and the different people and auctions in them, in total and by rank of the price. Per
 * person (and auction) one small number in state says with which ranks it has been seen, a bit each; so a bid that adds
 * nothing, and most do not, costs a lookup, and all four distinct counts together need one entry. Of fewer values
 * `aggregates` and `countDistinct` say the same in a line each; their sets go into every checkpoint as a whole.
 */
import {
  type Infer,
  type MapState,
  mapState,
  type RuntimeContext,
  t,
  type ValueState,
  valueState,
} from 'sluice'
import type { Bid } from './model.ts'

/** The columns, in order; before them comes what the bids are grouped by. */
export const statisticsFields = {
  total_bids: t.int64,
  rank1_bids: t.int64,
  rank2_bids: t.int64,
  rank3_bids: t.int64,
  total_bidders: t.int64,
  rank1_bidders: t.int64,
  rank2_bidders: t.int64,
  rank3_bidders: t.int64,
  total_auctions: t.int64,
  rank1_auctions: t.int64,
  rank2_auctions: t.int64,
  rank3_auctions: t.int64,
}
const statistics = t.object(statisticsFields)
type Statistics = Infer<typeof statistics>

/** Where in the counts the total is; those of the ranks follow. */
const BIDS = 0
const BIDDERS = 4
const AUCTIONS = 8
const COUNTS = 12

/** Of one group of bids: the current key's. */
export class BidStatistics {
  readonly #counts: ValueState<number[]>
  readonly #bidderRanks: MapState<number, number>
  readonly #auctionRanks: MapState<number, number>

  constructor(context: RuntimeContext) {
    this.#counts = context.state(valueState('counts', t.list(t.int64)))
    this.#bidderRanks = context.state(mapState('bidder-ranks', t.int32))
    this.#auctionRanks = context.state(mapState('auction-ranks', t.int32))
  }

  /** The statistics with one more bid. */
  add({ bidder, auction, price }: Pick<Bid, 'bidder' | 'auction' | 'price'>): Statistics {
    const counts = this.#counts.value() ?? new Array<number>(COUNTS).fill(0)
    const rank = rankOf(price)
    counts[BIDS]!++
    counts[BIDS + rank]!++
    countDistinct(bidder, rank, this.#bidderRanks, counts, BIDDERS)
    countDistinct(auction, rank, this.#auctionRanks, counts, AUCTIONS)
    this.#counts.update(counts)
    return columnsOf(counts)
  }
}

/** 1, 2 or 3. */
export function rankOf(price: number): number {
  return price < 10_000 ? 1 : price < 1_000_000 ? 2 : 3
}

function countDistinct(
  id: number,
  rank: number,
  ranks: MapState<number, number>,
  counts: number[],
  total: number,
): void {
  const seen = ranks.get(id) ?? 0
  const bit = 1 << rank
  if ((seen & bit) !== 0) return
  ranks.set(id, seen | bit)
  counts[total + rank]!++
  if (seen === 0) counts[total]!++
}

function columnsOf(counts: readonly number[]): Statistics {
  return {
    total_bids: counts[BIDS]!,
    rank1_bids: counts[BIDS + 1]!,
    rank2_bids: counts[BIDS + 2]!,
    rank3_bids: counts[BIDS + 3]!,
    total_bidders: counts[BIDDERS]!,
    rank1_bidders: counts[BIDDERS + 1]!,
    rank2_bidders: counts[BIDDERS + 2]!,
    rank3_bidders: counts[BIDDERS + 3]!,
    total_auctions: counts[AUCTIONS]!,
    rank1_auctions: counts[AUCTIONS + 1]!,
    rank2_auctions: counts[AUCTIONS + 2]!,
    rank3_auctions: counts[AUCTIONS + 3]!,
  }
}
