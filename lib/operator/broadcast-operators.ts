/**
 * A stream joined with a broadcast one, whose records reach every subtask and change a state that all hold alike.
 * Flink's CoBroadcastWithNonKeyedOperator and CoBroadcastWithKeyedOperator. Input 1 is the plain stream, input 2 the
 * broadcast one.
 */
import type { Key } from '../base/hash.ts'
import type {
  BroadcastProcessFunction,
  BroadcastWriteContext,
  KeyedBroadcastProcessFunction,
  KeyedBroadcastTimerContext,
  KeyedBroadcastWriteContext,
} from '../function/process-functions.ts'
import { fromMapKey } from '../state/map-key.ts'
import type { MapState } from '../state/state.ts'
import type { StateDescriptor } from '../state/state-descriptor.ts'
import type { TimerService } from '../time/timer-service.ts'
import { FunctionLifecycle } from './function-lifecycle.ts'
import { KeyedRecordContext, RecordContext } from './process-context.ts'
import { KeyedTimers } from './process-operators.ts'
import { keyedBackend, type OperatorContext, type Output, TwoInputOperator } from './stream-operator.ts'

class BroadcastContext extends RecordContext implements BroadcastWriteContext {
  broadcastState<K extends Key, V>(descriptor: StateDescriptor<MapState<K, V>>): MapState<K, V> {
    return this.operatorContext.operatorState.broadcastState(descriptor)
  }
}

class KeyedBroadcastContext<K extends Key>
  extends KeyedRecordContext<K>
  implements KeyedBroadcastTimerContext<K>
{
  broadcastState<BK extends Key, V>(descriptor: StateDescriptor<MapState<BK, V>>): MapState<BK, V> {
    return this.operatorContext.operatorState.broadcastState(descriptor)
  }
}

class KeyedBroadcastChangeContext<K extends Key>
  extends BroadcastContext
  implements KeyedBroadcastWriteContext<K>
{
  readonly #timers: TimerService

  constructor(context: OperatorContext, output: Output<unknown>, timers: TimerService) {
    super(context, output)
    this.#timers = timers
  }

  override currentWatermark(): number {
    return this.#timers.watermark
  }

  applyToKeyedState<S>(descriptor: StateDescriptor<S>, apply: (key: K, state: S) => void): void {
    const keyed = keyedBackend(this.operatorContext)
    const state = keyed.state(descriptor)
    for (const { key, keyGroup } of keyed.keysOf(descriptor.name)) {
      keyed.context.setMapKey(key, keyGroup)
      apply(fromMapKey(key) as K, state)
    }
  }
}

export class BroadcastProcessOperator<A, B, O> extends TwoInputOperator<A, B, O> {
  readonly #fn: BroadcastProcessFunction<A, B, O>
  readonly #lifecycle: FunctionLifecycle
  #recordContext!: BroadcastContext

  constructor(fn: BroadcastProcessFunction<A, B, O>) {
    super()
    this.#fn = fn
    this.#lifecycle = new FunctionLifecycle(fn)
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    this.#recordContext = new BroadcastContext(context, output)
  }

  override open(): void | Promise<void> {
    return this.#lifecycle.open(this.context)
  }

  override processElement1(value: A): void {
    this.#fn.processElement(value, this.#recordContext, this.output)
  }

  override processElement2(value: B): void {
    this.#fn.processBroadcastElement(value, this.#recordContext, this.output)
  }

  override processWatermark(timestamp: number): boolean {
    this.#recordContext.watermark = timestamp
    return super.processWatermark(timestamp)
  }

  override close(): void | Promise<void> {
    return this.#lifecycle.close()
  }
}

export class KeyedBroadcastProcessOperator<K extends Key, A, B, O> extends TwoInputOperator<A, B, O> {
  readonly #fn: KeyedBroadcastProcessFunction<K, A, B, O>
  readonly #lifecycle: FunctionLifecycle
  #timers!: KeyedTimers<K>
  #readContext!: KeyedBroadcastContext<K>
  #changeContext!: KeyedBroadcastChangeContext<K>

  constructor(fn: KeyedBroadcastProcessFunction<K, A, B, O>) {
    super()
    this.#fn = fn
    this.#lifecycle = new FunctionLifecycle(fn)
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    const newContext = (timers: TimerService) => new KeyedBroadcastContext<K>(context, output, timers)
    this.#timers = new KeyedTimers<K>(
      context,
      output,
      (timestamp, timerContext) =>
        this.#fn.onTimer?.(timestamp, timerContext as KeyedBroadcastContext<K>, output),
      newContext,
    )
    this.#readContext = this.#timers.recordContext as KeyedBroadcastContext<K>
    this.#changeContext = new KeyedBroadcastChangeContext(context, output, this.#timers.service)
  }

  override async open(): Promise<void> {
    await this.#lifecycle.open(this.context)
    this.#timers.service.schedule()
  }

  override processElement1(value: A): void {
    this.#fn.processElement(value, this.#readContext, this.output)
  }

  override processElement2(value: B): void {
    this.#fn.processBroadcastElement(value, this.#changeContext, this.output)
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
