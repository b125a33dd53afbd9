/** Q0, pass-through: every bid. What it costs is what source, chain and sink cost. */
import { job, t } from 'sluice'
import { bids, deliver } from './nexmark.ts'

const row = t.object({
  auction: t.int64,
  bidder: t.int64,
  price: t.int64,
  dateTime: t.timestamp,
  extra: t.string,
})

export default job('nexmark-q0', (env) => {
  const rows = bids(env).map(
    ({ auction, bidder, price, dateTime, extra }) => ({ auction, bidder, price, dateTime, extra }),
    { type: row },
  )
  deliver(env, rows)
})
