/** Q14, calculation: bids of middling euro prices with the time of day and a count by a user function. */
import { job, t } from 'sluice'
import { bids, deliver, EUROS_PER_1000_DOLLARS } from './nexmark.ts'

const row = t.object({
  auction: t.int64,
  bidder: t.int64,
  /** In thousandths, as in Q1. */
  price: t.int64,
  bidTimeType: t.literal('dayTime', 'nightTime', 'otherTime'),
  dateTime: t.timestamp,
  extra: t.string,
  c_counts: t.int64,
})

const HOUR_MS = 3_600_000

export default job('nexmark-q14', (env) => {
  const rows = bids(env)
    .filter(({ price }) => isMiddling(price * EUROS_PER_1000_DOLLARS))
    .map(
      ({ auction, bidder, price, dateTime, extra }) => ({
        auction,
        bidder,
        price: price * EUROS_PER_1000_DOLLARS,
        bidTimeType: timeTypeOf(dateTime),
        dateTime,
        extra,
        c_counts: countOf('c', extra),
      }),
      { type: row },
    )
  deliver(env, rows)
})

function isMiddling(thousandths: number): boolean {
  return thousandths > 1_000_000_000 && thousandths < 50_000_000_000
}

function timeTypeOf(timestamp: number): 'dayTime' | 'nightTime' | 'otherTime' {
  const hour = Math.floor(timestamp / HOUR_MS) % 24
  if (hour >= 8 && hour <= 18) return 'dayTime'
  return hour <= 6 || hour >= 20 ? 'nightTime' : 'otherTime'
}

function countOf(letter: string, text: string): number {
  let count = 0
  for (let at = text.indexOf(letter); at >= 0; at = text.indexOf(letter, at + 1)) count++
  return count
}
