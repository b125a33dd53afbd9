/** Q2, selection: the bids on some auctions, about 0.4 % of all. */
import { job, t } from 'sluice'
import { bids, deliver } from './nexmark.ts'

const row = t.object({ auction: t.int64, price: t.int64 })

export default job('nexmark-q2', (env) => {
  const rows = bids(env)
    .filter(({ auction }) => auction % 123 === 0)
    .map(({ auction, price }) => ({ auction, price }), { type: row })
  deliver(env, rows)
})
