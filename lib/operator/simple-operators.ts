/** Map, filter and flatMap: one record in, some out, no state of their own. */
import { SluiceError } from '../base/errors.ts'
import type {
  Collector,
  FilterFunction,
  FlatMapFunction,
  MapFunction,
  RichFunction,
  Synchronous,
} from '../function/functions.ts'
import { type InlineCode, OneInputOperator } from './stream-operator.ts'

export class MapOperator<I, O> extends OneInputOperator<I, O> {
  readonly #map: (value: I) => O

  constructor(fn: MapFunction<I, O>) {
    super(fn as RichFunction)
    this.#map = typeof fn === 'function' ? fn : (value) => fn.map(value)
  }

  override processElement(value: I): void {
    this.output.collect(this.#map(value))
  }

  override inline(): InlineCode {
    return { bindings: { map: this.#map }, body: (emit) => emit('map(value)') }
  }
}

export class FilterOperator<I> extends OneInputOperator<I, I> {
  readonly #filter: (value: I) => boolean

  constructor(fn: FilterFunction<I>) {
    super(fn as RichFunction)
    this.#filter = typeof fn === 'function' ? fn : (value) => fn.filter(value)
  }

  override processElement(value: I): void {
    if (this.#filter(value)) this.output.collect(value)
  }

  override inline(): InlineCode {
    return { bindings: { filter: this.#filter }, body: (emit) => `if (filter(value)) { ${emit('value')} }` }
  }
}

export class FlatMapOperator<I, O> extends OneInputOperator<I, O> {
  readonly #flatMap: (value: I, out: Collector<O>) => Iterable<O> | Synchronous

  constructor(fn: FlatMapFunction<I, O>) {
    super(fn as RichFunction)
    this.#flatMap = typeof fn === 'function' ? fn : (value, out) => fn.flatMap(value, out)
  }

  override processElement(value: I): void {
    const results = this.#flatMap(value, this.output)
    if (results === undefined) return
    if (results instanceof Promise) throw asynchronousFunction(this.context.operatorName, 'flatMap')
    for (const result of results) this.output.collect(result)
  }
}

function asynchronousFunction(operatorName: string, method: string): SluiceError {
  return new SluiceError(
    'USER_FUNCTION_FAILED',
    `the ${method} function of "${operatorName}" returned a promise; it must be synchronous (asynchronous calls belong into an async I/O operator)`,
  )
}
