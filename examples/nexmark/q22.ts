/** Q22, url directories: bids with the three directories of their url. */
import { job, t } from 'sluice'
import { bids, deliver } from './nexmark.ts'

const row = t.object({
  auction: t.int64,
  bidder: t.int64,
  price: t.int64,
  channel: t.string,
  dir1: t.string,
  dir2: t.string,
  dir3: t.string,
})

export default job('nexmark-q22', (env) => {
  const rows = bids(env).map(
    ({ auction, bidder, price, channel, url }) => {
      // As url.split('/')[3], [4] and [5], at a third of the cost.
      const host = url.indexOf('//') + 2
      const first = url.indexOf('/', host) + 1
      const second = url.indexOf('/', first) + 1
      const third = url.indexOf('/', second) + 1
      return {
        auction,
        bidder,
        price,
        channel,
        dir1: url.slice(first, second - 1),
        dir2: url.slice(second, third - 1),
        dir3: url.slice(third, url.indexOf('/', third)),
      }
    },
    { type: row },
  )
  deliver(env, rows)
})
