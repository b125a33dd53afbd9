/** Q10, log to files: every bid into the directory of its day and minute, as CSV; complete directories are marked. */
import { csv, fileSink, job, t } from 'sluice'
import { dayOf, minuteOf } from './calendar.ts'
import { bids, deliver, readArguments } from './nexmark.ts'

const row = t.object({
  auction: t.int64,
  bidder: t.int64,
  price: t.int64,
  dateTime: t.timestamp,
  extra: t.string,
  dt: t.string,
  hm: t.string,
})

export default job('nexmark-q10', (env) => {
  const rows = bids(env).map(
    ({ auction, bidder, price, dateTime, extra }) => ({
      auction,
      bidder,
      price,
      dateTime,
      extra,
      dt: dayOf(dateTime),
      hm: minuteOf(dateTime),
    }),
    { type: row },
  )
  const { sink, path } = readArguments(env.args)
  if (sink !== 'files') {
    deliver(env, rows)
    return
  }
  const files = fileSink({
    path,
    format: csv(row),
    bucket: ({ dt, hm }) => `dt=${dt}/hm=${hm.replace(':', '-')}`,
    rolling: 'on-checkpoint',
    success: { endOf: endOfMinute, delay: '1m' },
    suffix: '.csv',
  })
  // One subtask writes all of a minute, and so knows when it is complete.
  rows.keyBy(({ dt, hm }) => `${dt} ${hm}`).sinkTo(files, { uid: 'results' })
})

const MINUTE_MS = 60_000

/** Of the directory `dt=2015-07-15/hm=09-30`. */
function endOfMinute(bucket: string): number {
  const [, day, hour, minute] = /^dt=(.+)\/hm=(.+)-(.+)$/.exec(bucket)!
  return Date.parse(`${day}T${hour}:${minute}:00Z`) + MINUTE_MS
}
