/** Q6, average selling price by seller: over the last ten auctions that closed with a bid, once per such auction. */
import {
  type Collector,
  type Infer,
  job,
  type KeyedContext,
  type KeyedProcessFunction,
  type MapState,
  mapState,
  type RuntimeContext,
  t,
  type ValueState,
  valueState,
} from 'sluice'
import { auctionsOf, bidsOf, deliver, events } from './nexmark.ts'
import { WinningBids } from './winning-bids.ts'

const lot = t.object({ id: t.int64, dateTime: t.timestamp, expires: t.timestamp, seller: t.int64 })
type Lot = Infer<typeof lot>

const offer = t.object({ auction: t.int64, price: t.int64, dateTime: t.timestamp })
type Offer = Infer<typeof offer>

const sale = t.object({ seller: t.int64, auction: t.int64, closed: t.timestamp, price: t.int64 })
type Sale = Infer<typeof sale>

const row = t.object({ seller: t.int64, auction: t.int64, closed: t.timestamp, avg_price: t.int64 })
type Row = Infer<typeof row>

const LAST_SALES = 10

class Sales extends WinningBids<Lot, Offer, Sale> {
  protected onBest(): void {}

  protected override onClosed({ id, seller, expires }: Lot, { price }: Offer, out: Collector<Sale>): void {
    out.collect({ seller, auction: id, closed: expires, price })
  }
}

/**
 * Sales of a seller come from many subtasks, in any order; they are put in order of closing, then auction. A sale has
 * the event time of its closing, so when that has passed all that closed at the same time are there.
 */
class AveragePrice implements KeyedProcessFunction<number, Sale, Row> {
  #waiting!: MapState<number, Sale[]>
  /** Of the last sales, the oldest first. */
  #prices!: ValueState<number[]>

  open(context: RuntimeContext): void {
    this.#waiting = context.state(mapState('waiting', t.list(sale)))
    this.#prices = context.state(valueState('prices', t.list(t.int64)))
  }

  processElement(sale: Sale, context: KeyedContext<number>): void {
    this.#waiting.set(sale.closed, [...(this.#waiting.get(sale.closed) ?? []), sale])
    context.registerEventTimer(sale.closed)
  }

  onTimer(timestamp: number, _context: KeyedContext<number>, out: Collector<Row>): void {
    const sales = this.#waiting.get(timestamp) ?? []
    const prices = this.#prices.value() ?? []
    for (const { seller, auction, closed, price } of sales.sort((a, b) => a.auction - b.auction)) {
      prices.push(price)
      if (prices.length > LAST_SALES) prices.shift()
      const sum = prices.reduce((a, b) => a + b, 0)
      out.collect({ seller, auction, closed, avg_price: Math.trunc(sum / prices.length) })
    }
    this.#prices.update(prices)
    this.#waiting.delete(timestamp)
  }
}

export default job('nexmark-q6', (env) => {
  const all = events(env)
  const lots = auctionsOf(all).map(
    ({ id, dateTime, expires, seller }) => ({ id, dateTime, expires, seller }),
    { type: lot },
  )
  const offers = bidsOf(all).map(({ auction, price, dateTime }) => ({ auction, price, dateTime }), {
    type: offer,
  })
  const averages = lots
    .keyBy(({ id }) => id)
    .connect(offers.keyBy(({ auction }) => auction))
    .process(new Sales(lot, offer), { uid: 'sales', type: sale })
    .keyBy(({ seller }) => seller)
    .process(new AveragePrice(), { uid: 'averages', type: row })
  deliver(env, averages)
})
