/** Functions of two inputs, keyed or not. Flink's CoProcessOperator and KeyedCoProcessOperator. */
import type { Key } from '../base/hash.ts'
import type { RichFunction } from '../function/functions.ts'
import type {
  CoFlatMapFunction,
  CoMapFunction,
  CoProcessFunction,
  KeyedCoProcessFunction,
} from '../function/process-functions.ts'
import { KeyedRecordContext, RecordContext } from './process-context.ts'
import { type OperatorContext, type Output, TwoInputOperator } from './stream-operator.ts'

export class CoProcessOperator<A, B, O> extends TwoInputOperator<A, B, O> {
  readonly #fn: CoProcessFunction<A, B, O>
  #recordContext!: RecordContext

  constructor(fn: CoProcessFunction<A, B, O>) {
    super(fn)
    this.#fn = fn
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    this.#recordContext = new RecordContext(context, output, () => this.currentWatermark)
  }

  override processElement1(value: A): void {
    this.#fn.processElement1(value, this.#recordContext, this.output)
  }

  override processElement2(value: B): void {
    this.#fn.processElement2(value, this.#recordContext, this.output)
  }
}

export class KeyedCoProcessOperator<K extends Key, A, B, O> extends TwoInputOperator<A, B, O> {
  readonly #fn: KeyedCoProcessFunction<K, A, B, O>
  #recordContext!: KeyedRecordContext<K>

  constructor(fn: KeyedCoProcessFunction<K, A, B, O>) {
    super(fn)
    this.#fn = fn
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    const onTimer = (timestamp: number) => this.#fn.onTimer?.(timestamp, this.#recordContext, output)
    this.#recordContext = new KeyedRecordContext(context, output, onTimer)
    this.timers = this.#recordContext.timers
  }

  override processElement1(value: A): void {
    this.#fn.processElement1(value, this.#recordContext, this.output)
  }

  override processElement2(value: B): void {
    this.#fn.processElement2(value, this.#recordContext, this.output)
  }
}

/** A co-map as the co-process function it is. */
export function coMapAsProcess<A, B, O>(fn: CoMapFunction<A, B, O>): CoProcessFunction<A, B, O> {
  return {
    ...lifecycleOf(fn),
    processElement1: (value, _context, out) => out.collect(fn.map1(value)),
    processElement2: (value, _context, out) => out.collect(fn.map2(value)),
  }
}

export function coFlatMapAsProcess<A, B, O>(fn: CoFlatMapFunction<A, B, O>): CoProcessFunction<A, B, O> {
  return {
    ...lifecycleOf(fn),
    processElement1: (value, _context, out) => fn.flatMap1(value, out),
    processElement2: (value, _context, out) => fn.flatMap2(value, out),
  }
}

/** `open` and `close` of a function object that another stands for. */
export function lifecycleOf(fn: RichFunction): RichFunction {
  return {
    ...(fn.open === undefined ? {} : { open: fn.open.bind(fn) }),
    ...(fn.close === undefined ? {} : { close: fn.close.bind(fn) }),
  }
}
