/**
 * Map, filter and a count per key, in one slot: what a record costs in Sluice against a loop that does the same by
 * hand. Both warm up first, and are measured in turn, so that neither profits from a quiet moment of the machine.
 */
import {
  type Collector,
  generator,
  job,
  type KeyedProcessFunction,
  type RuntimeContext,
  runLocal,
  type Sink,
  t,
  type ValueState,
  valueState,
} from '../lib/index.ts'

interface Order {
  readonly customer: string
  readonly amount: number
}

const RECORDS = 10_000_000
const ROUNDS = 3
const customers = Array.from({ length: 1000 }, (_, i) => `customer-${String(i).padStart(4, '0')}`)
const orders: Order[] = Array.from({ length: 4096 }, (_, i) => ({
  customer: customers[(i * 7919) % customers.length]!,
  amount: i % 100,
}))

function byHand(): number {
  const counts = new Map<string, number>()
  const sum = new Float64Array(1)
  const startedMs = performance.now()
  for (let i = 0; i < RECORDS; i++) {
    const order = orders[i & 4095]!
    const doubled = { customer: order.customer, amount: order.amount * 2 }
    if (doubled.amount % 10 === 0) continue
    const count = (counts.get(doubled.customer) ?? 0) + 1
    counts.set(doubled.customer, count)
    sum[0]! += count
  }
  if (sum[0] === 0) throw new Error('nothing was counted')
  return ((performance.now() - startedMs) * 1e6) / RECORDS
}

class Count implements KeyedProcessFunction<string, Order, number> {
  #count!: ValueState<number>

  open(context: RuntimeContext): void {
    this.#count = context.state(valueState('count', t.int64))
  }

  processElement(_order: Order, _context: unknown, out: Collector<number>): void {
    const count = (this.#count.value() ?? 0) + 1
    this.#count.update(count)
    out.collect(count)
  }
}

async function inSluice(): Promise<number> {
  let startedMs = 0
  let endedMs = 0
  const sum = new Float64Array(1)
  const sink: Sink<number> = {
    name: 'sum',
    createWriter: () => ({
      write(count) {
        sum[0]! += count
      },
      flush() {
        endedMs = performance.now()
      },
      close() {},
    }),
  }
  const generate = (i: number): Order => {
    if (i === 0) startedMs = performance.now()
    return orders[i & 4095]!
  }
  const chain = job('chain', (env) => {
    env
      .source(generator({ count: RECORDS, generate }))
      .map((order) => ({ customer: order.customer, amount: order.amount * 2 }))
      .filter((order) => order.amount % 10 !== 0)
      .keyBy((order) => order.customer)
      .process(new Count())
      .sinkTo(sink)
  })
  await runLocal(chain)
  if (sum[0] === 0) throw new Error('nothing was counted')
  return ((endedMs - startedMs) * 1e6) / RECORDS
}

let bare = Number.POSITIVE_INFINITY
let sluice = Number.POSITIVE_INFINITY
byHand()
for (let round = 0; round < ROUNDS; round++) {
  sluice = Math.min(sluice, await inSluice())
  bare = Math.min(bare, byHand())
}
process.stdout.write(`${JSON.stringify({ sluice, bare, unit: 'ns/record', ratio: sluice / bare })}\n`)
