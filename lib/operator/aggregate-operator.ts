/**
 * Rolling aggregation on a keyed stream: for every record the result over all of its key so far, without a window.
 * Results of one key replace each other. Flink's GroupAggFunction without retractions.
 */
import type { Key } from '../base/hash.ts'
import type { AggregateFunction, WindowOf } from '../function/functions.ts'
import type { KeyContext } from '../state/key-context.ts'
import type { ValueState } from '../state/state.ts'
import { type StateOptions, valueState } from '../state/state-descriptor.ts'
import type { Type } from '../types/type.ts'
import { keyedBackend, OneInputOperator, type OperatorContext, type Output } from './stream-operator.ts'

export class AggregateOperator<K extends Key, I, A, O> extends OneInputOperator<I, O> {
  readonly #fn: AggregateFunction<I, A, O, K>
  readonly #type: Type<A>
  readonly #options: StateOptions
  #accumulators!: ValueState<A>
  #window!: WindowOf<K>

  constructor(fn: AggregateFunction<I, A, O, K>, type: Type<A>, options: StateOptions) {
    super()
    this.#fn = fn
    this.#type = type
    this.#options = options
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    const keyed = keyedBackend(context)
    this.#accumulators = keyed.state(valueState('aggregate.accumulator', this.#type, this.#options))
    this.#window = new AllTime<K>(keyed.context)
  }

  override processElement(value: I): void {
    const fn = this.#fn
    const accumulator = fn.add(value, this.#accumulators.value() ?? fn.createAccumulator())
    this.#accumulators.update(accumulator)
    this.output.collect(fn.getResult(accumulator, this.#window))
  }
}

/** The one window there is. Its key is that of the record in hand; most results do not ask for it. */
class AllTime<K extends Key> implements WindowOf<K> {
  readonly start = Number.NEGATIVE_INFINITY
  readonly end = Number.POSITIVE_INFINITY
  readonly #context: KeyContext

  constructor(context: KeyContext) {
    this.#context = context
  }

  get key(): K {
    return this.#context.key as K
  }
}
