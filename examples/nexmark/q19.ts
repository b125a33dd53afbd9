/** Q19, top ten: of each auction the bids with the highest prices and their ranks, again with every change. */
import { job, t } from 'sluice'
import { bidFields } from './model.ts'
import { bids, deliver } from './nexmark.ts'
import { byPrice } from './orders.ts'

const row = t.object({ ...bidFields, rank_number: t.int64 })

const TOP = 10

export default job('nexmark-q19', (env) => {
  const ranked = bids(env)
    .keyBy(({ auction }) => auction)
    .topN(
      TOP,
      byPrice,
      ({ auction, bidder, price, channel, url, dateTime, extra }, rank) => ({
        auction,
        bidder,
        price,
        channel,
        url,
        dateTime,
        extra,
        rank_number: rank,
      }),
      { uid: 'top-ten', type: row },
    )
  deliver(env, ranked)
})
