/**
 * The Nexmark queries without an engine: what somebody would write who has all events in one loop and memory without
 * end. Same rows, and the same rows again where a query updates them; state in Maps; windows at the end. For events in
 * order. Written to be fast, not to be shown: the yardstick that queries are measured with.
 */
import { rankOf } from '../examples/nexmark/bid-statistics.ts'
import { dayOf, minuteOf } from '../examples/nexmark/calendar.ts'
import type { Auction, Bid, Event, Person } from '../examples/nexmark/model.ts'
import { EUROS_PER_1000_DOLLARS } from '../examples/nexmark/nexmark.ts'
import { byPrice, byTime } from '../examples/nexmark/orders.ts'
import { systemClock } from '../lib/base/clock.ts'

export interface BareQuery {
  /** Of kinds it has no use for it has no method. */
  readonly person?: (person: Person) => void
  readonly auction?: (auction: Auction) => void
  readonly bid?: (bid: Bid) => void
  readonly end?: () => void
}

type Emit = (row: object) => void

const WINDOW_MS = 10_000
const SLIDE_MS = 2000
const HOUR_MS = 3_600_000
const CATEGORY = 10
const LAST_SALES = 10
const TOP = 10
const TABLE_SIZE = 10_000

export const BARE_QUERIES: Readonly<Record<string, (emit: Emit) => BareQuery>> = {
  q0: (emit) => ({
    bid: ({ auction, bidder, price, dateTime, extra }) => emit({ auction, bidder, price, dateTime, extra }),
  }),
  q1: (emit) => ({
    bid: ({ auction, bidder, price, dateTime, extra }) =>
      emit({ auction, bidder, price: price * EUROS_PER_1000_DOLLARS, dateTime, extra }),
  }),
  q2: (emit) => ({
    bid: ({ auction, price }) => {
      if (auction % 123 === 0) emit({ auction, price })
    },
  }),
  q3: localItems,
  q4: averagePrices,
  q5: hotItems,
  q6: sellerAverages,
  q7: highestBids,
  q8: newUsers,
  q9: winningBids,
  q10: (emit) => ({
    bid: ({ auction, bidder, price, dateTime, extra }) =>
      emit({ auction, bidder, price, dateTime, extra, dt: dayOf(dateTime), hm: minuteOf(dateTime) }),
  }),
  q11: sessions,
  q12: clockWindows,
  q13: sideInput,
  q14: calculation,
  q15: (emit) => statistics(emit, ({ dateTime }) => dayOf(dateTime), dayRow),
  q16: (emit) => statistics(emit, ({ channel, dateTime }) => `${channel} ${dayOf(dateTime)}`, channelRow),
  q17: auctionStatistics,
  q18: lastBids,
  q19: topTen,
  q20: bidsWithAuction,
  q21: channelIds,
  q22: (emit) => ({
    bid: ({ auction, bidder, price, channel, url }) => {
      const parts = url.split('/')
      emit({ auction, bidder, price, channel, dir1: parts[3], dir2: parts[4], dir3: parts[5] })
    },
  }),
  q23: threeWayJoin,
}

/** What an event is to a query. */
export function feed(query: BareQuery, event: Event): void {
  if (event.kind === 'bid') query.bid?.(event)
  else if (event.kind === 'auction') query.auction?.(event)
  else query.person?.(event)
}

function localItems(emit: Emit): BareQuery {
  const people = new Map<number, Person>()
  const waiting = new Map<number, Auction[]>()
  const found = ({ name, city, state }: Person, { id }: Auction) => emit({ name, city, state, id })
  return {
    person(person) {
      if (person.state !== 'OR' && person.state !== 'ID' && person.state !== 'CA') return
      people.set(person.id, person)
      for (const auction of waiting.get(person.id) ?? []) found(person, auction)
      waiting.delete(person.id)
    },
    auction(auction) {
      if (auction.category !== CATEGORY) return
      const person = people.get(auction.seller)
      if (person === undefined) push(waiting, auction.seller, auction)
      else found(person, auction)
    },
  }
}

interface Lot {
  readonly auction: Auction
  best: Bid | undefined
}

/** Calls back with each bid that becomes the best of its auction. */
function bestBids(onBest: (auction: Auction, bid: Bid, previous: Bid | undefined) => void) {
  const lots = new Map<number, Lot>()
  const early = new Map<number, Bid[]>()
  const consider = (lot: Lot, bid: Bid) => {
    if (bid.dateTime < lot.auction.dateTime || bid.dateTime > lot.auction.expires) return
    const previous = lot.best
    if (previous !== undefined && byPrice(bid, previous) >= 0) return
    lot.best = bid
    onBest(lot.auction, bid, previous)
  }
  const query: BareQuery = {
    auction(auction) {
      const lot = { auction, best: undefined }
      lots.set(auction.id, lot)
      for (const bid of early.get(auction.id) ?? []) consider(lot, bid)
      early.delete(auction.id)
    },
    bid(bid) {
      const lot = lots.get(bid.auction)
      if (lot === undefined) push(early, bid.auction, bid)
      else consider(lot, bid)
    },
  }
  return { lots, query }
}

function averagePrices(emit: Emit): BareQuery {
  const totals = new Map<number, { sum: number; count: number }>()
  return bestBids(({ category }, { price }, previous) => {
    const total = found(totals, category, () => ({ sum: 0, count: 0 }))
    total.sum += price - (previous?.price ?? 0)
    if (previous === undefined) total.count++
    emit({ id: category, final: Math.trunc(total.sum / total.count) })
  }).query
}

function winningBids(emit: Emit): BareQuery {
  return bestBids((auction, bid) =>
    emit({
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
    }),
  ).query
}

function sellerAverages(emit: Emit): BareQuery {
  const { lots, query } = bestBids(() => {})
  return {
    ...query,
    end() {
      const sold = [...lots.values()].filter(({ best }) => best !== undefined)
      sold.sort((a, b) => a.auction.expires - b.auction.expires || a.auction.id - b.auction.id)
      const prices = new Map<number, number[]>()
      for (const { auction, best } of sold) {
        const last = found(prices, auction.seller, () => [])
        last.push(best!.price)
        if (last.length > LAST_SALES) last.shift()
        const average = Math.trunc(last.reduce((a, b) => a + b, 0) / last.length)
        emit({ seller: auction.seller, auction: auction.id, closed: auction.expires, avg_price: average })
      }
    },
  }
}

function hotItems(emit: Emit): BareQuery {
  const panes = new Map<number, Map<number, number>>()
  let pane = new Map<number, number>()
  let begin = Number.NaN
  return {
    bid({ auction, dateTime }) {
      const slice = dateTime - (dateTime % SLIDE_MS)
      if (slice !== begin) {
        pane = found(panes, slice, () => new Map())
        begin = slice
      }
      pane.set(auction, (pane.get(auction) ?? 0) + 1)
    },
    end() {
      const [first, last] = [Math.min(...panes.keys()), Math.max(...panes.keys())]
      for (let start = first - WINDOW_MS + SLIDE_MS; start <= last; start += SLIDE_MS) {
        const counts = new Map<number, number>()
        for (let slice = start; slice < start + WINDOW_MS; slice += SLIDE_MS)
          for (const [auction, num] of panes.get(slice) ?? [])
            counts.set(auction, (counts.get(auction) ?? 0) + num)
        const most = Math.max(...counts.values())
        for (const [auction, num] of counts)
          if (num === most) emit({ auction, num, starttime: start, endtime: start + WINDOW_MS })
      }
    },
  }
}

function highestBids(emit: Emit): BareQuery {
  const best = new Map<number, Bid[]>()
  return {
    bid(bid) {
      const window = bid.dateTime - (bid.dateTime % WINDOW_MS)
      const bids = best.get(window)
      if (bids === undefined || bid.price > bids[0]!.price) best.set(window, [bid])
      else if (bid.price === bids[0]!.price) bids.push(bid)
    },
    end() {
      for (const { auction, bidder, price, dateTime, extra } of [...best.values()].flat())
        emit({ auction, bidder, price, dateTime, extra })
    },
  }
}

function newUsers(emit: Emit): BareQuery {
  const windows = new Map<number, Map<number, { name: string | null; sells: boolean }>>()
  const of = (time: number, id: number) =>
    found(
      found(windows, time - (time % WINDOW_MS), () => new Map()),
      id,
      () => ({ name: null as string | null, sells: false }),
    )
  return {
    person({ id, name, dateTime }) {
      of(dateTime, id).name = name
    },
    auction({ seller, dateTime }) {
      of(dateTime, seller).sells = true
    },
    end() {
      for (const [stime, users] of windows)
        for (const [id, { name, sells }] of users) if (name !== null && sells) emit({ id, name, stime })
    },
  }
}

function sessions(emit: Emit): BareQuery {
  const open = new Map<number, { count: number; start: number; last: number }>()
  const close = (bidder: number, { count, start, last }: { count: number; start: number; last: number }) =>
    emit({ bidder, bid_count: count, starttime: start, endtime: last + WINDOW_MS })
  return {
    bid({ bidder, dateTime }) {
      const session = open.get(bidder)
      if (session !== undefined && dateTime <= session.last + WINDOW_MS) {
        session.count++
        session.last = dateTime
        return
      }
      if (session !== undefined) close(bidder, session)
      open.set(bidder, { count: 1, start: dateTime, last: dateTime })
    },
    end() {
      for (const [bidder, session] of open) close(bidder, session)
    },
  }
}

function clockWindows(emit: Emit): BareQuery {
  const windows = new Map<number, Map<number, number>>()
  return {
    bid({ bidder }) {
      const nowMs = systemClock.now()
      const counts = found(windows, nowMs - (nowMs % WINDOW_MS), () => new Map<number, number>())
      counts.set(bidder, (counts.get(bidder) ?? 0) + 1)
    },
    end() {
      for (const [starttime, counts] of windows)
        for (const [bidder, bid_count] of counts)
          emit({ bidder, bid_count, starttime, endtime: starttime + WINDOW_MS })
    },
  }
}

function sideInput(emit: Emit): BareQuery {
  const table = new Map(Array.from({ length: TABLE_SIZE }, (_, key) => [key, String(key)]))
  return {
    bid: ({ auction, bidder, price, dateTime }) =>
      emit({ auction, bidder, price, dateTime, value: table.get(auction % TABLE_SIZE) }),
  }
}

function calculation(emit: Emit): BareQuery {
  return {
    bid({ auction, bidder, price, dateTime, extra }) {
      const thousandths = price * EUROS_PER_1000_DOLLARS
      if (thousandths <= 1_000_000_000 || thousandths >= 50_000_000_000) return
      const hour = Math.floor(dateTime / HOUR_MS) % 24
      const isDay = hour >= 8 && hour <= 18
      const bidTimeType = isDay ? 'dayTime' : hour <= 6 || hour >= 20 ? 'nightTime' : 'otherTime'
      let c_counts = 0
      for (let at = extra.indexOf('c'); at >= 0; at = extra.indexOf('c', at + 1)) c_counts++
      emit({ auction, bidder, price: thousandths, bidTimeType, dateTime, extra, c_counts })
    },
  }
}

interface Statistics {
  readonly bid: Bid
  minute: string
  readonly counts: number[]
  readonly bidders: Map<number, number>
  readonly auctions: Map<number, number>
}

function statistics(
  emit: Emit,
  groupOf: (bid: Bid) => string,
  rowOf: (statistics: Statistics) => object,
): BareQuery {
  const groups = new Map<string, Statistics>()
  const count = (seen: Map<number, number>, id: number, rank: number, counts: number[], total: number) => {
    const ranks = seen.get(id) ?? 0
    if ((ranks & (1 << rank)) !== 0) return
    seen.set(id, ranks | (1 << rank))
    counts[total + rank]!++
    if (ranks === 0) counts[total]!++
  }
  return {
    bid(bid) {
      const group = found(groups, groupOf(bid), () => ({
        bid,
        minute: '',
        counts: new Array<number>(12).fill(0),
        bidders: new Map<number, number>(),
        auctions: new Map<number, number>(),
      }))
      const minute = minuteOf(bid.dateTime)
      if (minute > group.minute) group.minute = minute
      const { counts } = group
      const rank = rankOf(bid.price)
      counts[0]!++
      counts[rank]!++
      count(group.bidders, bid.bidder, rank, counts, 4)
      count(group.auctions, bid.auction, rank, counts, 8)
      emit(rowOf(group))
    },
  }
}

function dayRow({ bid, counts }: Statistics): object {
  return { day: dayOf(bid.dateTime), ...columnsOf(counts) }
}

function channelRow({ bid, minute, counts }: Statistics): object {
  return { channel: bid.channel, day: dayOf(bid.dateTime), minute, ...columnsOf(counts) }
}

function columnsOf(counts: readonly number[]): object {
  return {
    total_bids: counts[0],
    rank1_bids: counts[1],
    rank2_bids: counts[2],
    rank3_bids: counts[3],
    total_bidders: counts[4],
    rank1_bidders: counts[5],
    rank2_bidders: counts[6],
    rank3_bidders: counts[7],
    total_auctions: counts[8],
    rank1_auctions: counts[9],
    rank2_auctions: counts[10],
    rank3_auctions: counts[11],
  }
}

function auctionStatistics(emit: Emit): BareQuery {
  const auctions = new Map<number, Map<string, { counts: number[]; min: number; max: number; sum: number }>>()
  return {
    bid({ auction, price, dateTime }) {
      const day = dayOf(dateTime)
      const days = found(auctions, auction, () => new Map())
      const row = found(days, day, () => ({ counts: [0, 0, 0, 0], min: price, max: price, sum: 0 }))
      const { counts } = row
      counts[0]!++
      counts[rankOf(price)]!++
      row.min = Math.min(row.min, price)
      row.max = Math.max(row.max, price)
      row.sum += price
      emit({
        auction,
        day,
        total_bids: counts[0],
        rank1_bids: counts[1],
        rank2_bids: counts[2],
        rank3_bids: counts[3],
        min_price: row.min,
        max_price: row.max,
        avg_price: Math.trunc(row.sum / counts[0]!),
        sum_price: row.sum,
      })
    },
  }
}

function lastBids(emit: Emit): BareQuery {
  const bidders = new Map<number, Map<number, Bid>>()
  return {
    bid(bid) {
      const auctions = found(bidders, bid.bidder, () => new Map<number, Bid>())
      const last = auctions.get(bid.auction)
      if (last !== undefined && byTime(bid, last) >= 0) return
      auctions.set(bid.auction, bid)
      emit(bidRow(bid))
    },
  }
}

function topTen(emit: Emit): BareQuery {
  const auctions = new Map<number, Bid[]>()
  return {
    bid(bid) {
      const first = found(auctions, bid.auction, () => [] as Bid[])
      if (first.length === TOP && byPrice(bid, first[TOP - 1]!) >= 0) return
      if (first.length < TOP) first.push(bid)
      let place = first.length - 1
      for (; place > 0 && byPrice(bid, first[place - 1]!) < 0; place--) first[place] = first[place - 1]!
      first[place] = bid
      for (; place < first.length; place++) {
        const { auction, bidder, price, channel, url, dateTime, extra } = first[place]!
        emit({ auction, bidder, price, channel, url, dateTime, extra, rank_number: place + 1 })
      }
    },
  }
}

function bidRow({ auction, bidder, price, channel, url, dateTime, extra }: Bid): object {
  return { auction, bidder, price, channel, url, dateTime, extra }
}

function bidsWithAuction(emit: Emit): BareQuery {
  const auctions = new Map<number, Auction>()
  const waiting = new Map<number, Bid[]>()
  const pair = (auction: Auction, bid: Bid) => {
    if (auction.category !== CATEGORY) return
    emit({
      auction: bid.auction,
      bidder: bid.bidder,
      price: bid.price,
      channel: bid.channel,
      url: bid.url,
      bid_dateTime: bid.dateTime,
      bid_extra: bid.extra,
      ...auctionColumns(auction),
    })
  }
  return {
    auction(auction) {
      auctions.set(auction.id, auction)
      for (const bid of waiting.get(auction.id) ?? []) pair(auction, bid)
      waiting.delete(auction.id)
    },
    bid(bid) {
      const auction = auctions.get(bid.auction)
      if (auction === undefined) push(waiting, bid.auction, bid)
      else pair(auction, bid)
    },
  }
}

function auctionColumns(auction: Auction): object {
  return {
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

const CHANNEL_ID_PATTERN = /(&|^)channel_id=([^&]*)/
const CHANNEL_IDS = new Map([
  ['apple', '0'],
  ['google', '1'],
  ['facebook', '2'],
  ['baidu', '3'],
])

function channelIds(emit: Emit): BareQuery {
  return {
    bid({ auction, bidder, price, channel, url }) {
      const channel_id = CHANNEL_IDS.get(channel.toLowerCase()) ?? CHANNEL_ID_PATTERN.exec(url)?.[2]
      if (channel_id !== undefined) emit({ auction, bidder, price, channel, channel_id })
    },
  }
}

function threeWayJoin(emit: Emit): BareQuery {
  const people = new Map<number, Person>()
  const auctions = new Map<number, Auction[]>()
  const bids = new Map<number, Bid[]>()
  const match = (person: Person, auction: Auction, bid: Bid) =>
    emit({
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
      ...auctionColumns(auction),
    })
  return {
    person(person) {
      people.set(person.id, person)
      const sold = auctions.get(person.id) ?? []
      for (const bid of bids.get(person.id) ?? []) for (const auction of sold) match(person, auction, bid)
    },
    auction(auction) {
      push(auctions, auction.seller, auction)
      const person = people.get(auction.seller)
      if (person === undefined) return
      for (const bid of bids.get(auction.seller) ?? []) match(person, auction, bid)
    },
    bid(bid) {
      push(bids, bid.bidder, bid)
      const person = people.get(bid.bidder)
      if (person === undefined) return
      for (const auction of auctions.get(bid.bidder) ?? []) match(person, auction, bid)
    },
  }
}

function found<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
