/**
 * What the compiler must refuse. Each comment below expects an error on the line after it: where there is none,
 * `tsc` complains of the comment.
 */
import t from 'tap'
import type { StreamEnvironment } from '../../../lib/api/stream-environment.ts'
import { collection } from '../../../lib/connectors/generator.ts'
import { printSink } from '../../../lib/connectors/print.ts'
import { outputTag } from '../../../lib/function/output-tag.ts'
import type { Sink } from '../../../lib/function/sink.ts'
import { valueState } from '../../../lib/state/state-descriptor.ts'
import { boundedOutOfOrderness } from '../../../lib/time/watermark-strategy.ts'
import { t as types } from '../../../lib/types/t.ts'
import type { Infer } from '../../../lib/types/type.ts'
import { tumbling } from '../../../lib/window/window-assigner.ts'
import { graphOf } from '../../support/build-graph.ts'

const Trade = types.object({ symbol: types.string, price: types.float64, at: types.timestamp })
type Trade = Infer<typeof Trade>

const trades = (env: StreamEnvironment) => env.source(collection<Trade>([], Trade))
const tradeSink: Sink<Trade> = { ...printSink<Trade>(), accepts: (_trade: Trade) => {} }
const mean = {
  createAccumulator: () => ({ sum: 0, count: 0 }),
  add: (trade: Trade, { sum, count }: { sum: number; count: number }) => ({
    sum: sum + trade.price,
    count: count + 1,
  }),
  getResult: ({ sum, count }: { sum: number; count: number }) => sum / count,
}

/** Compiles as it stands, and runs. */
function right(env: StreamEnvironment): void {
  const stream = trades(env).watermarks(boundedOutOfOrderness('1s', (trade) => trade.at))
  stream.sinkTo(tradeSink)
  const keyed = stream.keyBy(({ symbol }) => symbol)
  const means: ReturnType<typeof stream.map<number>> = keyed.window(tumbling('1s')).aggregate(mean)
  means.map((price) => price.toFixed(2), { type: types.string }).print()
  keyed.aggregate(mean).map((price) => price.toFixed(2), { type: types.string })
  keyed.deduplicate({ order: (a, b) => b.at - a.at, ttl: '1d' }).sinkTo(tradeSink)
  keyed
    .topN(
      3,
      (a, b) => b.price - a.price,
      ({ symbol }, rank) => `${rank} ${symbol}`,
    )
    .map((text) => text.length)
  keyed
    .connect(means.keyBy((price) => String(price)))
    .join(({ symbol }, price) => symbol.repeat(price), {
      unique: 'second',
      where: (_trade, price) => price > 1,
    })
    .map((text) => text.length)
  keyed.process({
    processElement(trade, context, out: { collect(value: string): void }) {
      out.collect(`${context.currentKey.toUpperCase()} ${trade.price}`)
    },
  })
}

/** Never called: only compiled. */
export function wrong(env: StreamEnvironment): void {
  const stream = trades(env)
  const keyed = stream.keyBy(({ symbol }) => symbol)
  const prices = stream.map(({ price }) => price)
  const windowedPrices = prices.keyBy((price) => price).window(tumbling('1s'))
  const text = valueState('text', types.string)
  // @ts-expect-error: no such field
  stream.keyBy((trade) => trade.name)
  // @ts-expect-error: an object is no key
  stream.keyBy((trade) => ({ symbol: trade.symbol }))
  // @ts-expect-error: no such field in the timestamp
  stream.watermarks(boundedOutOfOrderness<Trade>('1s', (trade) => trade.time))
  // @ts-expect-error: a sink of another type
  prices.sinkTo(tradeSink)
  // @ts-expect-error: an accumulator of another shape
  keyed.window(tumbling('1s')).aggregate({ ...mean, getResult: (total: string) => total.length })
  // @ts-expect-error: an aggregate of other records
  windowedPrices.aggregate(mean)
  // @ts-expect-error: a map must not be asynchronous
  stream.map(async ({ price }) => price)
  // @ts-expect-error: a filter must not be asynchronous
  stream.filter(async () => true)
  // @ts-expect-error: a flatMap must not be asynchronous
  stream.flatMap(async () => {})
  // @ts-expect-error: a process function must not be asynchronous
  stream.process({ async processElement() {} })
  // @ts-expect-error: a timer callback must not be asynchronous
  keyed.process({ processElement() {}, async onTimer() {} })
  // @ts-expect-error: a reduce must return what it takes
  keyed.reduce((a, b) => a.price + b.price)
  // @ts-expect-error: an aggregate of other records, without a window too
  prices.keyBy((price) => price).aggregate(mean)
  // @ts-expect-error: an order of other records
  keyed.deduplicate({ order: (a: string, b: string) => a.length - b.length })
  keyed.topN(
    3,
    () => 0,
    // @ts-expect-error: the type of the ranks must be that of what the function returns
    (trade) => trade.price,
    { type: types.string },
  )
  // @ts-expect-error: keys of both sides are of one type
  keyed.connect(prices.keyBy((price) => price)).join((trade) => trade)
  // @ts-expect-error: windows need keys, or windowAll
  stream.window(tumbling('1s'))
  // @ts-expect-error: the type of the results must be that of what the function returns
  stream.map(({ price }) => price, { type: types.string })
  // @ts-expect-error: late records are records of the stream
  keyed.window(tumbling('1s')).lateOutput(outputTag('late', types.string))
  // @ts-expect-error: no option of this name
  stream.filter(() => true, { paralellism: 2 })
  // @ts-expect-error: the parts of a union are of one type
  stream.union(prices)
  // @ts-expect-error: the value of a state is of its type
  keyed.process({ open: (context) => context.state(text).update(5), processElement() {} })
  // @ts-expect-error: a partitioner returns an index
  stream.partitionCustom(({ symbol }) => symbol)
}

t.test('api types - what is right compiles and builds', async (t) => {
  t.equal(graphOf(right, { parallelism: 2 }).vertices.length, 7)
})
