/** Q1, currency conversion: every bid with its price in euros. */
import { job, t } from 'sluice'
import { bids, deliver, EUROS_PER_1000_DOLLARS } from './nexmark.ts'

const row = t.object({
  auction: t.int64,
  bidder: t.int64,
  /** A decimal with three digits, as the integer of its thousandths: exact, and no text until somebody reads it. */
  price: t.int64,
  dateTime: t.timestamp,
  extra: t.string,
})

export default job('nexmark-q1', (env) => {
  const rows = bids(env).map(
    ({ auction, bidder, price, dateTime, extra }) => ({
      auction,
      bidder,
      price: price * EUROS_PER_1000_DOLLARS,
      dateTime,
      extra,
    }),
    { type: row },
  )
  deliver(env, rows)
})
