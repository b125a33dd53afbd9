/** Process functions on one input, keyed or not. Flink's ProcessOperator and KeyedProcessOperator. */
import type { Key } from '../base/hash.ts'
import type { KeyedProcessFunction, ProcessFunction } from '../function/process-functions.ts'
import type { Timer } from '../state/timer-table.ts'
import type { TimerService } from '../time/timer-service.ts'
import { NO_TIMESTAMP } from '../time/timestamp.ts'
import { FunctionLifecycle } from './function-lifecycle.ts'
import { KeyedRecordContext, newTimerService, RecordContext } from './process-context.ts'
import { type InlineCode, OneInputOperator, type OperatorContext, type Output } from './stream-operator.ts'

export class ProcessOperator<I, O> extends OneInputOperator<I, O> {
  readonly #fn: ProcessFunction<I, O>
  readonly #lifecycle: FunctionLifecycle
  #recordContext!: RecordContext

  constructor(fn: ProcessFunction<I, O>) {
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

  override processElement(value: I): void {
    this.#fn.processElement(value, this.#recordContext, this.output)
  }

  override inline(): InlineCode {
    return {
      bindings: { fn: this.#fn, context: this.#recordContext, out: this.output },
      body: () => 'fn.processElement(value, context, out);',
    }
  }

  override processWatermark(timestamp: number): boolean {
    this.#recordContext.watermark = timestamp
    this.output.emitWatermark(timestamp)
    return true
  }

  override close(): void | Promise<void> {
    return this.#lifecycle.close()
  }
}

/** What keyed operators with user timers share: one TimerService, fired on watermarks and by the clock. */
export class KeyedTimers<K extends Key> {
  readonly service: TimerService
  readonly recordContext: KeyedRecordContext<K>
  readonly #time: Float64Array
  readonly #onTimer: (timestamp: number, context: KeyedRecordContext<K>) => void

  constructor(
    context: OperatorContext,
    output: Output<unknown>,
    onTimer: (timestamp: number, context: KeyedRecordContext<K>) => void,
    newContext = (timers: TimerService) => new KeyedRecordContext<K>(context, output, timers),
  ) {
    this.#time = context.time
    this.#onTimer = onTimer
    this.service = newTimerService(context, {
      onEventTimer: (timer) => this.#fire(timer, 'event', timer.timestamp),
      onProcessingTimer: (timer) => this.#fire(timer, 'processing', NO_TIMESTAMP),
    })
    this.recordContext = newContext(this.service)
  }

  #fire(timer: Timer, timeDomain: 'event' | 'processing', recordTimestamp: number): void {
    const before = this.#time[0]!
    this.#time[0] = recordTimestamp
    this.recordContext.timeDomain = timeDomain
    this.#onTimer(timer.timestamp, this.recordContext)
    this.#time[0] = before
  }
}

export class KeyedProcessOperator<K extends Key, I, O> extends OneInputOperator<I, O> {
  readonly #fn: KeyedProcessFunction<K, I, O>
  readonly #lifecycle: FunctionLifecycle
  #timers!: KeyedTimers<K>

  constructor(fn: KeyedProcessFunction<K, I, O>) {
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

  override processElement(value: I): void {
    this.#fn.processElement(value, this.#timers.recordContext, this.output)
  }

  override inline(): InlineCode {
    return {
      bindings: { fn: this.#fn, context: this.#timers.recordContext, out: this.output },
      body: () => 'fn.processElement(value, context, out);',
    }
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
