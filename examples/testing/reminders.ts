/**
 * A job with a function of its own, and beside it (reminders.test.ts) how to test both: carts that are left for an hour
 * get a reminder, those that are paid do not.
 */
import {
  boundedOutOfOrderness,
  type Collector,
  collection,
  job,
  type KeyedContext,
  type KeyedProcessFunction,
  outputTag,
  type RuntimeContext,
  type TimerContext,
  t,
  type ValueState,
  valueState,
} from 'sluice'

export const Cart = t.object({ customer: t.string, action: t.string, at: t.timestamp })
export interface Cart {
  readonly customer: string
  readonly action: string
  readonly at: number
}

export const REMINDER_AFTER_MS = 3_600_000

/** Payments that no cart was filled for. */
export const strayPayments = outputTag('stray-payments', Cart)

export class Reminders implements KeyedProcessFunction<string, Cart, string> {
  /** When the customer is to be reminded. */
  #due!: ValueState<number>

  open(context: RuntimeContext): void {
    this.#due = context.state(valueState('due', t.timestamp))
  }

  processElement(cart: Cart, context: KeyedContext<string>): void {
    const due = this.#due.value()
    if (due !== undefined) context.deleteEventTimer(due)
    if (cart.action === 'fill') {
      this.#due.update(cart.at + REMINDER_AFTER_MS)
      context.registerEventTimer(cart.at + REMINDER_AFTER_MS)
      return
    }
    if (due === undefined) context.output(strayPayments, cart)
    this.#due.clear()
  }

  onTimer(_timestamp: number, context: TimerContext<string>, out: Collector<string>): void {
    this.#due.clear()
    out.collect(context.currentKey)
  }
}

const carts: Cart[] = [
  { customer: 'ann', action: 'fill', at: 0 },
  { customer: 'bob', action: 'fill', at: 60_000 },
  { customer: 'ann', action: 'pay', at: 600_000 },
]

export default job('reminders', (env) => {
  env
    .source(collection(carts, Cart), { uid: 'carts' })
    .watermarks(boundedOutOfOrderness('1m', (cart) => cart.at))
    .keyBy((cart) => cart.customer)
    .process(new Reminders(), { uid: 'reminders', type: t.string })
    .print()
})
