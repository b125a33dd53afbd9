/** The job of the exchange benchmarks: prepared bids, keyed, counted and dropped, in two subtasks each. */
import { generator, job, type KeyedProcessFunction, type Sink, t, type ValueState, valueState } from 'sluice'

export const Bid = t.object({
  auction: t.int64,
  bidder: t.int64,
  price: t.int64,
  channel: t.string,
  url: t.string,
  dateTime: t.timestamp,
  extra: t.string,
})
export interface BidRecord {
  auction: number
  bidder: number
  price: number
  channel: string
  url: string
  dateTime: number
  extra: string
}

const PREPARED = 8192

/** Made once, so that making them is no part of what is measured. */
export function preparedBids(): BidRecord[] {
  const letters = 'abcdefghijklmnopqrstuvwxyz'.repeat(8)
  return Array.from({ length: PREPARED }, (_, i) => ({
    auction: 1000 + ((i * 7919) % 5000),
    bidder: 1000 + ((i * 104729) % 2000),
    price: 100 + ((i * 31337) % 1_000_000),
    channel: i % 2 === 0 ? 'Google' : `channel-${i % 10000}`,
    url: `https://www.nexmark.com/${letters.slice(i % 20, (i % 20) + 5)}/item.htm?query=1&channel_id=${i * 65536}`,
    dateTime: 1436918400000 + i,
    extra: letters.slice(i % 26, (i % 26) + 60),
  }))
}

/** Reports the wall-clock ms of its first and last record, so that starting and stopping are not measured. */
function timingSink(): Sink<number> {
  return {
    name: 'timing',
    createWriter() {
      let firstMs = 0
      let lastMs = 0
      let records = 0
      return {
        write() {
          if (records++ === 0) firstMs = performance.timeOrigin + performance.now()
        },
        flush() {
          lastMs = performance.timeOrigin + performance.now()
        },
        close() {
          process.stdout.write(`${JSON.stringify({ firstMs, lastMs, records })}\n`)
        },
      }
    },
  }
}

class Count implements KeyedProcessFunction<number, BidRecord, number> {
  #count!: ValueState<number>

  open(context: Parameters<NonNullable<KeyedProcessFunction<number, BidRecord, number>['open']>>[0]): void {
    this.#count = context.state(valueState('count', t.int64))
  }

  processElement(_bid: BidRecord, _context: unknown, out: { collect(value: number): void }): void {
    const count = (this.#count.value() ?? 0) + 1
    this.#count.update(count)
    out.collect(count)
  }
}

export default job('exchange', (env) => {
  const bids = preparedBids()
  const count = Number(env.args[0] ?? 1_000_000)
  env
    .source(generator({ count, generate: (i) => bids[i & (PREPARED - 1)]!, type: Bid }), { uid: 'bids' })
    .keyBy((bid) => bid.auction)
    .process(new Count(), { uid: 'count', type: t.int64 })
    .sinkTo(timingSink(), { uid: 'timing' })
})
