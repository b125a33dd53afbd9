/** Process functions on one input, keyed or not. Flink's ProcessOperator and KeyedProcessOperator. */
import type { Key } from '../base/hash.ts'
import type { KeyedProcessFunction, ProcessFunction } from '../function/process-functions.ts'
import { KeyedRecordContext, RecordContext } from './process-context.ts'
import { refusePromise } from './promise-check.ts'
import { type InlineCode, OneInputOperator, type OperatorContext, type Output } from './stream-operator.ts'

export class ProcessOperator<I, O> extends OneInputOperator<I, O> {
  readonly #fn: ProcessFunction<I, O>
  #recordContext!: RecordContext

  constructor(fn: ProcessFunction<I, O>) {
    super(fn)
    this.#fn = fn
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    this.#recordContext = new RecordContext(context, output, () => this.currentWatermark)
  }

  override processElement(value: I): void {
    const returned: unknown = this.#fn.processElement(value, this.#recordContext, this.output)
    if (returned !== undefined) refusePromise(returned, 'process', this.context)
  }

  override inline(): InlineCode {
    return inlineProcess(this.#fn, this.#recordContext, this.output, this.context)
  }
}

export class KeyedProcessOperator<K extends Key, I, O> extends OneInputOperator<I, O> {
  readonly #fn: KeyedProcessFunction<K, I, O>
  #recordContext!: KeyedRecordContext<K>

  constructor(fn: KeyedProcessFunction<K, I, O>) {
    super(fn)
    this.#fn = fn
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    const onTimer = (timestamp: number) => this.#fn.onTimer?.(timestamp, this.#recordContext, output)
    this.#recordContext = new KeyedRecordContext(context, output, onTimer)
    this.timers = this.#recordContext.timers
  }

  override processElement(value: I): void {
    const returned: unknown = this.#fn.processElement(value, this.#recordContext, this.output)
    if (returned !== undefined) refusePromise(returned, 'process', this.context)
  }

  override inline(): InlineCode {
    return inlineProcess(this.#fn, this.#recordContext, this.output, this.context)
  }
}

function inlineProcess(
  fn: object,
  context: RecordContext,
  out: Output<unknown>,
  operatorContext: OperatorContext,
): InlineCode {
  const refuse = (returned: unknown) => refusePromise(returned, 'process', operatorContext)
  return {
    bindings: { fn, context, out, refuse },
    body: () =>
      'const returned = fn.processElement(value, context, out); if (returned !== undefined) refuse(returned);',
  }
}
