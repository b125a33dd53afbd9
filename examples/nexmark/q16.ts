/** Q16, channel statistics: what Q15 counts, for each channel and day, and the minute of the latest bid. */
import {
  type Collector,
  type Infer,
  job,
  type KeyedProcessFunction,
  type RuntimeContext,
  t,
  type ValueState,
  valueState,
} from 'sluice'
import { BidStatistics, statisticsFields } from './bid-statistics.ts'
import { dayOf, minuteOf } from './calendar.ts'
import { bids, deliver } from './nexmark.ts'

const input = t.object({
  channel: t.string,
  day: t.string,
  minute: t.string,
  auction: t.int64,
  bidder: t.int64,
  price: t.int64,
})
type Input = Infer<typeof input>

const row = t.object({ channel: t.string, day: t.string, minute: t.string, ...statisticsFields })
type Row = Infer<typeof row>

class Statistics implements KeyedProcessFunction<string, Input, Row> {
  #statistics!: BidStatistics
  #minute!: ValueState<string>

  open(context: RuntimeContext): void {
    this.#statistics = new BidStatistics(context)
    this.#minute = context.state(valueState('minute', t.string))
  }

  processElement(bid: Input, _context: unknown, out: Collector<Row>): void {
    const { channel, day } = bid
    let minute = this.#minute.value() ?? ''
    if (bid.minute > minute) {
      minute = bid.minute
      this.#minute.update(minute)
    }
    out.collect({ channel, day, minute, ...this.#statistics.add(bid) })
  }
}

export default job('nexmark-q16', (env) => {
  const statistics = bids(env)
    .map(
      ({ channel, auction, bidder, price, dateTime }) => ({
        channel,
        day: dayOf(dateTime),
        minute: minuteOf(dateTime),
        auction,
        bidder,
        price,
      }),
      { type: input },
    )
    // A tuple would do as well; one text is made faster.
    .keyBy(({ channel, day }) => `${channel} ${day}`)
    .process(new Statistics(), { uid: 'statistics', type: row })
  deliver(env, statistics)
})
