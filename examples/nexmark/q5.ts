/** Q5, hot items: the auctions with the most bids in the last 10 s, every 2 s; all of them if several have as many. */
import {
  type AggregateFunction,
  type Collector,
  type Infer,
  job,
  sliding,
  t,
  tumbling,
  type WindowOf,
} from 'sluice'
import { bids, deliver } from './nexmark.ts'

const hotItem = t.object({ auction: t.int64, num: t.int64, starttime: t.timestamp, endtime: t.timestamp })
type HotItem = Infer<typeof hotItem>

const count: AggregateFunction<number, number, HotItem, number> = {
  accumulatorType: t.int64,
  createAccumulator: () => 0,
  add: (_auction, num) => num + 1,
  merge: (a, b) => a + b,
  getResult: (num, { key, start, end }: WindowOf<number>) => ({
    auction: key,
    num,
    starttime: start,
    endtime: end,
  }),
}

const most: AggregateFunction<HotItem, HotItem[], HotItem[]> = {
  accumulatorType: t.list(hotItem),
  createAccumulator: () => [],
  add(item, best) {
    const difference = best.length === 0 ? 1 : item.num - best[0]!.num
    if (difference > 0) best.length = 0
    if (difference >= 0) best.push(item)
    return best
  },
  getResult: (best) => best,
}

export default job('nexmark-q5', (env) => {
  // Only the auction's id travels to where the bids are counted.
  const counts = bids(env)
    .map(({ auction }) => auction, { type: t.int64 })
    .keyBy((auction) => auction)
    .window(sliding('10s', '2s'))
    .aggregate(count, { uid: 'counts', type: hotItem })
  // Counts carry the last millisecond of their window. A window ends every 2 s, so 2 s of counts are those of one
  // window; keyed by it, windows take turns between the subtasks.
  const hottest = counts
    .keyBy(({ endtime }) => endtime)
    .window(tumbling('2s'))
    .aggregate(most, { uid: 'hottest', type: t.list(hotItem) })
    .flatMap(each, { type: hotItem })
  deliver(env, hottest)
})

function each(items: HotItem[], out: Collector<HotItem>): void {
  for (const item of items) out.collect(item)
}
