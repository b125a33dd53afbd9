/** Rolling reduce on a keyed stream: the reduced value so far, once per record. Flink's StreamGroupedReduceOperator. */
import type { ReduceFunction, RichFunction } from '../function/functions.ts'
import type { FlatTable } from '../state/flat-table.ts'
import type { Type } from '../types/type.ts'
import {
  type InlineCode,
  keyedBackend,
  OneInputOperator,
  type OperatorContext,
  type Output,
} from './stream-operator.ts'

export class ReduceOperator<T> extends OneInputOperator<T, T> {
  readonly #reduce: (a: T, b: T) => T
  readonly #type: Type<T>
  #table!: FlatTable<T>

  constructor(fn: ReduceFunction<T>, type: Type<T>) {
    super(fn as RichFunction)
    this.#reduce = typeof fn === 'function' ? fn : (a, b) => fn.reduce(a, b)
    this.#type = type
  }

  override setup(context: OperatorContext, output: Output<T>): void {
    super.setup(context, output)
    this.#table = keyedBackend(context).flatTable('reduce/value', this.#type)
  }

  override processElement(value: T): void {
    const reduced = this.#table.get()
    const result = reduced === undefined ? value : this.#reduce(reduced, value)
    this.#table.put(result)
    this.output.collect(result)
  }

  override inline(): InlineCode {
    return {
      bindings: { table: this.#table, reduce: this.#reduce },
      body: (emit) => `const reduced = table.get()
        const result = reduced === undefined ? value : reduce(reduced, value)
        table.put(result)
        ${emit('result')}`,
    }
  }
}
