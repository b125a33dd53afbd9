/** Q7, highest bid: of every 10 s the bid with the highest price; all of them if several have it. */
import { type AggregateFunction, type Collector, type Infer, job, t, tumbling } from 'sluice'
import { bids, deliver } from './nexmark.ts'

const row = t.object({
  auction: t.int64,
  bidder: t.int64,
  price: t.int64,
  dateTime: t.timestamp,
  extra: t.string,
})
type Row = Infer<typeof row>

/** Bids of one price, none if there was no bid yet. */
const rows = t.list(row)

const highest: AggregateFunction<Row, Row[], Row[]> = {
  accumulatorType: rows,
  createAccumulator: () => [],
  add(bid, best) {
    const difference = best.length === 0 ? 1 : bid.price - best[0]!.price
    if (difference > 0) best.length = 0
    if (difference >= 0) best.push(bid)
    return best
  },
  getResult: (best) => best,
}

function higher(a: Row[], b: Row[]): Row[] {
  const difference = a[0]!.price - b[0]!.price
  return difference === 0 ? [...a, ...b] : difference > 0 ? a : b
}

/** More than there will be subtasks, few enough for their results to be nothing beside the bids. */
const PARTS = 64

export default job('nexmark-q7', (env) => {
  // A maximum over everything ends in one subtask. What comes there are the maxima of parts, which many can find; the
  // last digits of prices are even enough to make parts of (auctions and bidders are not: half of all bids are on one).
  const partial = bids(env)
    .map(({ auction, bidder, price, dateTime, extra }) => ({ auction, bidder, price, dateTime, extra }), {
      type: row,
    })
    .keyBy(({ price }) => price % PARTS)
    .window(tumbling('10s'))
    .aggregate(highest, { uid: 'highest-of-part', type: rows })
  const total = partial
    .windowAll(tumbling('10s'))
    .reduce(higher, { uid: 'highest' })
    .flatMap(each, { type: row, parallelism: 1 })
  deliver(env, total)
})

function each(bids: Row[], out: Collector<Row>): void {
  for (const bid of bids) out.collect(bid)
}
