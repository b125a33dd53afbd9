import type { DataStream, KeyedProcessFunction } from 'sluice'
import { tumbling, t as types, valueState } from 'sluice'
import { advance, type HarnessMode, record, verifyInModes, watermark } from 'sluice/testing'
import t from 'tap'

interface Order {
  readonly customer: string
  readonly amount: number
}

const order = (customer: string, amount: number): Order => ({ customer, amount })
const steps = [
  record(order('a', 1), 1),
  record(order('b', 2), 2),
  record(order('a', 4), 3),
  watermark(10),
  record(order('b', 8), 11),
]

/** Totals per customer, in state, as one ought to. */
const totals = (orders: DataStream<Order>) =>
  orders
    .keyBy(({ customer }) => customer)
    .process<string>(
      {
        ...remembering(),
      },
      { uid: 'totals' },
    )

function remembering(): KeyedProcessFunction<string, Order, string> {
  let total: { value(): number | undefined; update(value: number): void }
  return {
    open(context) {
      total = context.state(valueState('total', types.float64))
    },
    processElement({ customer, amount }, _context, out) {
      total.update((total.value() ?? 0) + amount)
      out.collect(`${customer} ${total.value()}`)
    },
  }
}

t.test('modes - a function that keeps its state in state is the same in all', async () => {
  await verifyInModes(totals, { steps, expect: ['a 1', 'b 2', 'a 5', 'b 10'] })
})

t.test('modes - a function that keeps it in a field is found out, and the mode named', async (t) => {
  const careless = (orders: DataStream<Order>) => {
    const kept = new Map<string, number>()
    return orders
      .keyBy(({ customer }) => customer)
      .process<string>({
        processElement({ customer, amount }, _context, out) {
          kept.set(customer, (kept.get(customer) ?? 0) + amount)
          out.collect(`${customer} ${kept.get(customer)}`)
        },
      })
  }
  const test = (modes: readonly HarnessMode[]) =>
    verifyInModes(careless, { steps, expect: ['a 1', 'b 2', 'a 5', 'b 10'], modes })
  await t.resolves(test(['one-at-a-time', 'all-at-once', 'pausing']))
  await t.rejects(test(['restored']), {
    name: 'AssertionError',
    message: /^mode restored: output is .*'a 4'/s,
  })
  await t.rejects(test(['rescaled']), { message: /^mode rescaled/ })
})

t.test('modes - late records are late after a restore, too', async () => {
  await verifyInModes(
    (orders: DataStream<Order>) =>
      orders
        .keyBy(({ customer }) => customer)
        .window(tumbling(10))
        .aggregate({
          createAccumulator: () => 0,
          add: ({ amount }, sum) => sum + amount,
          getResult: (sum, { key, end }) => `${key} ${end}: ${sum}`,
        }),
    { steps: [...steps, record(order('a', 100), 5)], expect: ['a 10: 5', 'b 10: 2', 'b 20: 8'] },
  )
})

t.test('modes - the clock goes on where it stood', async () => {
  await verifyInModes(
    (orders: DataStream<Order>) =>
      orders
        .keyBy(({ customer }) => customer)
        .process<string>({
          processElement: (_order, context) => context.registerProcessingTimer(context.processingTime() + 50),
          onTimer: (timestamp, context, out) => out.collect(`${context.currentKey} ${timestamp}`),
        }),
    {
      steps: [record(order('a', 1)), advance(30), record(order('b', 1)), advance(60)],
      expect: ['a 50', 'b 80'],
    },
  )
})

t.test('modes - order matters where the test says so', async (t) => {
  const test = { steps, expect: ['b 2', 'a 1', 'a 5', 'b 10'], modes: ['one-at-a-time'] as const }
  await t.resolves(verifyInModes(totals, test))
  await t.rejects(verifyInModes(totals, { ...test, isOrdered: true }), { message: /mode one-at-a-time/ })
})

t.test('modes - joins and asynchronous functions, too', async () => {
  await verifyInModes(
    (orders: DataStream<Order>, names: DataStream<{ id: string; name: string }>) =>
      orders
        .keyBy(({ customer }) => customer)
        .connect(names.keyBy(({ id }) => id))
        .join((order, { name }) => `${name} ${order.amount}`, { uid: 'names' }),
    {
      steps: [...steps, record({ id: 'a', name: 'ann' }, 12, 1), record(order('a', 16), 13)],
      expect: ['ann 1', 'ann 4', 'ann 16'],
    },
  )
  await verifyInModes(
    (orders: DataStream<Order>) =>
      orders.mapAsync(async ({ amount }) => {
        await new Promise((resolve) => setImmediate(resolve))
        return amount * 2
      }),
    { steps, expect: [2, 4, 8, 16] },
  )
})
