/** Q21, channel id: bids with the number of their channel, known by its name or found in the url; no others. */
import { job, t } from 'sluice'
import { bids, deliver } from './nexmark.ts'

const row = t.object({
  auction: t.int64,
  bidder: t.int64,
  price: t.int64,
  channel: t.string,
  channel_id: t.string,
})

const CHANNEL_ID_PATTERN = /(&|^)channel_id=([^&]*)/

export default job('nexmark-q21', (env) => {
  const rows = bids(env)
    .map(
      ({ auction, bidder, price, channel, url }) => ({
        auction,
        bidder,
        price,
        channel,
        channel_id: channelIdOf(channel, url),
      }),
      { type: row },
    )
    .filter(({ channel_id }) => channel_id !== '')
  deliver(env, rows)
})

/** Empty if there is none. */
function channelIdOf(channel: string, url: string): string {
  switch (channel.toLowerCase()) {
    case 'apple':
      return '0'
    case 'google':
      return '1'
    case 'facebook':
      return '2'
    case 'baidu':
      return '3'
    default:
      return CHANNEL_ID_PATTERN.exec(url)?.[2] ?? ''
  }
}
