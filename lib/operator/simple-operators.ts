/** Map, filter and flatMap: one record in, some out, no state of their own. */
import type {
  Collector,
  FilterFunction,
  FlatMapFunction,
  MapFunction,
  RichFunction,
  Synchronous,
} from '../function/functions.ts'
import { refusePromise } from './promise-check.ts'
import { type InlineCode, OneInputOperator } from './stream-operator.ts'

export class MapOperator<I, O> extends OneInputOperator<I, O> {
  readonly #map: (value: I) => O
  /** A look at every result would cost more than most functions do; the first one tells. */
  readonly #check = { isDue: true, refuse: (result: O): void => this.#checkFirst(result) }

  constructor(fn: MapFunction<I, O>) {
    super(fn as RichFunction)
    this.#map = typeof fn === 'function' ? fn : (value) => fn.map(value)
  }

  override processElement(value: I): void {
    const result = this.#map(value)
    if (this.#check.isDue) this.#checkFirst(result)
    this.output.collect(result)
  }

  override inline(): InlineCode {
    return {
      bindings: { map: this.#map, check: this.#check },
      body: (emit) => `const result = map(value); if (check.isDue) check.refuse(result); ${emit('result')}`,
    }
  }

  #checkFirst(result: O): void {
    this.#check.isDue = false
    refusePromise(result, 'map', this.context)
  }
}

export class FilterOperator<I> extends OneInputOperator<I, I> {
  readonly #filter: (value: I) => boolean

  constructor(fn: FilterFunction<I>) {
    super(fn as RichFunction)
    this.#filter = typeof fn === 'function' ? fn : (value) => fn.filter(value)
  }

  override processElement(value: I): void {
    const isKept: unknown = this.#filter(value)
    if (!isKept) return
    if (isKept !== true) refusePromise(isKept, 'filter', this.context)
    this.output.collect(value)
  }

  override inline(): InlineCode {
    const refuse = (result: unknown) => refusePromise(result, 'filter', this.context)
    return {
      bindings: { filter: this.#filter, refuse },
      body: (emit) =>
        `const isKept = filter(value); if (isKept) { if (isKept !== true) refuse(isKept); ${emit('value')} }`,
    }
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
    refusePromise(results, 'flatMap', this.context)
    for (const result of results) this.output.collect(result)
  }
}
