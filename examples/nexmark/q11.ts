/** Q11, user sessions: how often each person bid without pausing for more than 10 s. */
import { type AggregateFunction, type Infer, job, session, t } from 'sluice'
import { bids, deliver } from './nexmark.ts'

const userSession = t.object({
  bidder: t.int64,
  bid_count: t.int64,
  starttime: t.timestamp,
  endtime: t.timestamp,
})
type UserSession = Infer<typeof userSession>

const count: AggregateFunction<number, number, UserSession, number> = {
  accumulatorType: t.int64,
  createAccumulator: () => 0,
  add: (_bidder, count) => count + 1,
  merge: (a, b) => a + b,
  getResult: (count, { key, start, end }) => ({
    bidder: key,
    bid_count: count,
    starttime: start,
    endtime: end,
  }),
}

export default job('nexmark-q11', (env) => {
  const sessions = bids(env)
    .map(({ bidder }) => bidder, { type: t.int64 })
    .keyBy((bidder) => bidder)
    .window(session('10s'))
    .aggregate(count, { uid: 'sessions', type: userSession })
  deliver(env, sessions)
})
