/** Functions of two inputs, keyed or not. Flink's CoProcessOperator and KeyedCoProcessOperator. */
import type { Key } from '../base/hash.ts'
import type { RichFunction } from '../function/functions.ts'
import type {
  CoFlatMapFunction,
  CoMapFunction,
  CoProcessFunction,
  KeyedCoProcessFunction,
} from '../function/process-functions.ts'
import { FunctionLifecycle } from './function-lifecycle.ts'
import { RecordContext } from './process-context.ts'
import { KeyedTimers } from './process-operators.ts'
import { type OperatorContext, type Output, TwoInputOperator } from './stream-operator.ts'

export class CoProcessOperator<A, B, O> extends TwoInputOperator<A, B, O> {
  readonly #fn: CoProcessFunction<A, B, O>
  readonly #lifecycle: FunctionLifecycle
  #recordContext!: RecordContext

  constructor(fn: CoProcessFunction<A, B, O>) {
    super()
    this.#fn = fn
    this.#lifecycle = new FunctionLifecycle(fn)
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    this.#recordContext = new RecordContext(context, output)
  }

  override open(): void | Promise<void> {
    return this.#lifecycle.open(this.context)
  }

  override processElement1(value: A): void {
    this.#fn.processElement1(value, this.#recordContext, this.output)
  }

  override processElement2(value: B): void {
    this.#fn.processElement2(value, this.#recordContext, this.output)
  }

  override processWatermark(timestamp: number): boolean {
    this.#recordContext.watermark = timestamp
    return super.processWatermark(timestamp)
  }

  override close(): void | Promise<void> {
    return this.#lifecycle.close()
  }
}

export class KeyedCoProcessOperator<K extends Key, A, B, O> extends TwoInputOperator<A, B, O> {
  readonly #fn: KeyedCoProcessFunction<K, A, B, O>
  readonly #lifecycle: FunctionLifecycle
  #timers!: KeyedTimers<K>

  constructor(fn: KeyedCoProcessFunction<K, A, B, O>) {
    super()
    this.#fn = fn
    this.#lifecycle = new FunctionLifecycle(fn)
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    this.#timers = new KeyedTimers(context, output, (timestamp, timerContext) =>
      this.#fn.onTimer?.(timestamp, timerContext, output),
    )
  }

  override async open(): Promise<void> {
    await this.#lifecycle.open(this.context)
    this.#timers.service.schedule()
  }

  override processElement1(value: A): void {
    this.#fn.processElement1(value, this.#timers.recordContext, this.output)
  }

  override processElement2(value: B): void {
    this.#fn.processElement2(value, this.#timers.recordContext, this.output)
  }

  override processWatermark(timestamp: number): boolean {
    if (!this.#timers.service.advanceWatermark(timestamp)) return false
    this.output.emitWatermark(timestamp)
    return true
  }

  override close(): void | Promise<void> {
    this.#timers.service.close()
    return this.#lifecycle.close()
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

function lifecycleOf(fn: RichFunction): RichFunction {
  return {
    ...(fn.open === undefined ? {} : { open: fn.open.bind(fn) }),
    ...(fn.close === undefined ? {} : { close: fn.close.bind(fn) }),
  }
}
