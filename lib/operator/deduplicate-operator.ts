/**
 * One record per key: the first, or the one that an order puts first. What is kept is emitted when it comes, so with
 * an order the records of one key replace each other. Flink SQL's deduplication, keep first and keep last row.
 */
import type { ValueState } from '../state/state.ts'
import { type StateOptions, valueState } from '../state/state-descriptor.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import { keyedBackend, OneInputOperator, type OperatorContext, type Output } from './stream-operator.ts'

/** Below zero: `a` comes before `b`, as for sorting. */
export type Order<T> = (a: T, b: T) => number

/** Keeps no record, only that there was one. */
export class KeepFirstOperator<T> extends OneInputOperator<T, T> {
  readonly #options: StateOptions
  #seen!: ValueState<boolean>

  constructor(options: StateOptions) {
    super()
    this.#options = options
  }

  override setup(context: OperatorContext, output: Output<T>): void {
    super.setup(context, output)
    this.#seen = keyedBackend(context).state(valueState('deduplicate.seen', t.boolean, this.#options))
  }

  override processElement(value: T): void {
    if (this.#seen.value() !== undefined) return
    this.#seen.update(true)
    this.output.collect(value)
  }
}

/** Of records that are equal in the order the one that came first is kept. */
export class KeepByOrderOperator<T> extends OneInputOperator<T, T> {
  readonly #order: Order<T>
  readonly #type: Type<T>
  readonly #options: StateOptions
  #kept!: ValueState<T>

  constructor(order: Order<T>, type: Type<T>, options: StateOptions) {
    super()
    this.#order = order
    this.#type = type
    this.#options = options
  }

  override setup(context: OperatorContext, output: Output<T>): void {
    super.setup(context, output)
    this.#kept = keyedBackend(context).state(valueState('deduplicate.kept', this.#type, this.#options))
  }

  override processElement(value: T): void {
    const kept = this.#kept.value()
    if (kept !== undefined && this.#order(value, kept) >= 0) return
    this.#kept.update(value)
    this.output.collect(value)
  }
}
