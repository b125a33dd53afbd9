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
      const [, , , dir1 = '', dir2 = '', dir3 = ''] = url.split('/')
      return { auction, bidder, price, channel, dir1, dir2, dir3 }
    },
    { type: row },
  )
  deliver(env, rows)
})
