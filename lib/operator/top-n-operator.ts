/**
 * The first n records of each key in an order, with their ranks from 1. A record that enters moves those behind it:
 * each of the ranks that changed is emitted anew, so results replace each other by key and rank. Flink SQL's Top-N with
 * a rank (AppendOnlyTopNFunction).
 *
 * T1. Of records that are equal in the order the one that came first has the lower rank.
 * T2. No rank is ever left empty again, so nothing has to be deleted downstream.
 */
import type { ValueState } from '../state/state.ts'
import { type StateOptions, valueState } from '../state/state-descriptor.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import type { Order } from './deduplicate-operator.ts'
import { keyedBackend, OneInputOperator, type OperatorContext, type Output } from './stream-operator.ts'

export interface TopNOptions<T, O> extends StateOptions {
  readonly count: number
  readonly order: Order<T>
  readonly type: Type<T>
  readonly result: (value: T, rank: number) => O
}

export class TopNOperator<T, O> extends OneInputOperator<T, O> {
  readonly #options: TopNOptions<T, O>
  /** Sorted. */
  #first!: ValueState<T[]>

  constructor(options: TopNOptions<T, O>) {
    super()
    this.#options = options
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    const { type, ttl } = this.#options
    const descriptor = valueState('top-n.first', t.list(type), ttl === undefined ? {} : { ttl })
    this.#first = keyedBackend(context).state(descriptor)
  }

  override processElement(value: T): void {
    const { count, order, result } = this.#options
    const first = this.#first.value() ?? []
    if (first.length === count && order(value, first[count - 1]!) >= 0) return
    if (first.length < count) first.push(value)
    let place = first.length - 1
    for (; place > 0 && order(value, first[place - 1]!) < 0; place--) first[place] = first[place - 1]!
    first[place] = value
    this.#first.update(first)
    for (; place < first.length; place++) this.output.collect(result(first[place]!, place + 1))
  }
}
