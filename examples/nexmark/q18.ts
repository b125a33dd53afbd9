/** Q18, last bid: the latest of each person on each auction, again whenever a later one comes. */
import { job } from 'sluice'
import { bid } from './model.ts'
import { bids, deliver } from './nexmark.ts'
import { byTime } from './orders.ts'

export default job('nexmark-q18', (env) => {
  const last = bids(env)
    .keyBy(({ bidder, auction }) => [bidder, auction])
    .deduplicate({ uid: 'last-bids', order: byTime })
    .map(
      ({ auction, bidder, price, channel, url, dateTime, extra }) => ({
        auction,
        bidder,
        price,
        channel,
        url,
        dateTime,
        extra,
      }),
      { type: bid },
    )
  deliver(env, last)
})
