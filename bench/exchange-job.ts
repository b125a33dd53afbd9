/**
 * The job of the exchange benchmarks: prepared bids, keyed, counted and dropped. Arguments: the number of records and,
 * optionally, `apart`: then the source and the count never share a slot, so that every record leaves its thread;
 * otherwise, with two subtasks each, half of them do.
 */
import { generator, job, type KeyedProcessFunction, type Sink, t, type ValueState, valueState } from 'sluice'
import { SpanRecorder } from './span.ts'

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

export const PREPARED = 8192

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

/** Each sink says when it had its first and last record, but for those at the start, when the code is still cold. */
function timingSink(count: number): Sink<number> {
  return {
    name: 'timing',
    createWriter({ parallelism }) {
      const span = new SpanRecorder(count / parallelism)
      return {
        write: () => span.add(1),
        flush: () => span.end(),
        close() {
          process.stdout.write(`${JSON.stringify(span)}\n`)
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
  const isApart = env.args[1] === 'apart'
  const inGroup = (slotSharingGroup: string) => (isApart ? { slotSharingGroup } : {})
  env
    .source(generator({ count, generate: (i) => bids[i & (PREPARED - 1)]!, type: Bid }), {
      uid: 'bids',
      ...inGroup('bids'),
    })
    .keyBy((bid) => bid.auction)
    .process(new Count(), { uid: 'count', type: t.int64, ...inGroup('counts') })
    .sinkTo(timingSink(count), { uid: 'timing', ...inGroup('counts') })
})
