/** What the fragments in docs/ stand on: a few streams to do something with. */
import { boundedOutOfOrderness, collection, type DataStream, type StreamEnvironment, t } from 'sluice'

export const Order = t.object({ id: t.string, customer: t.string, amount: t.float64, at: t.timestamp })
export interface Order {
  readonly id: string
  readonly customer: string
  readonly amount: number
  readonly at: number
}

export const Payment = t.object({ order: t.string, amount: t.float64, at: t.timestamp })
export interface Payment {
  readonly order: string
  readonly amount: number
  readonly at: number
}

const ORDERS: Order[] = [
  { id: 'o1', customer: 'ann', amount: 10, at: 1000 },
  { id: 'o2', customer: 'bob', amount: 20, at: 4000 },
  { id: 'o3', customer: 'ann', amount: 5, at: 9000 },
  { id: 'o4', customer: 'ann', amount: 40, at: 61_000 },
  { id: 'o5', customer: 'bob', amount: 1, at: 65_000 },
]

const PAYMENTS: Payment[] = [
  { order: 'o1', amount: 10, at: 3000 },
  { order: 'o2', amount: 20, at: 30_000 },
  { order: 'o4', amount: 40, at: 62_000 },
]

export interface Stage {
  readonly orders: DataStream<Order>
  readonly payments: DataStream<Payment>
}

export function stage(env: StreamEnvironment): Stage {
  return {
    orders: env.source(collection(ORDERS, Order), {
      watermarks: boundedOutOfOrderness('5s', (order) => order.at),
    }),
    payments: env.source(collection(PAYMENTS, Payment), {
      watermarks: boundedOutOfOrderness('5s', (payment) => payment.at),
    }),
  }
}
