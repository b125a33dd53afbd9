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
import type { MapState } from '../state/state.ts'
import type { StateDescriptor } from '../state/state-descriptor.ts'
import { KeyedRecordContext, RecordContext } from './process-context.ts'
import { keyedBackend, type OperatorContext, type Output, TwoInputOperator } from './stream-operator.ts'

class BroadcastContext extends RecordContext implements BroadcastWriteContext {
  broadcastState<K extends Key, V>(descriptor: StateDescriptor<MapState<K, V>>): MapState<K, V> {
    return this.operatorContext.operatorState.broadcastState(descriptor)
  }
}

class KeyedBroadcastReadContext<K extends Key>
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
  applyToKeyedState<S>(descriptor: StateDescriptor<S>, apply: (key: K, state: S) => void): void {
    const keyed = keyedBackend(this.operatorContext)
    const state = keyed.state(descriptor)
    for (const { key, keyGroup } of keyed.keysOf(descriptor.name)) {
      keyed.context.setMapKey(key, keyGroup)
      apply(keyed.context.key as K, state)
    }
  }
}

export class BroadcastProcessOperator<A, B, O> extends TwoInputOperator<A, B, O> {
  readonly #fn: BroadcastProcessFunction<A, B, O>
  #recordContext!: BroadcastContext

  constructor(fn: BroadcastProcessFunction<A, B, O>) {
    super(fn)
    this.#fn = fn
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    this.#recordContext = new BroadcastContext(context, output, () => this.currentWatermark)
  }

  override processElement1(value: A): void {
    this.#fn.processElement(value, this.#recordContext, this.output)
  }

  override processElement2(value: B): void {
    this.#fn.processBroadcastElement(value, this.#recordContext, this.output)
  }
}

export class KeyedBroadcastProcessOperator<K extends Key, A, B, O> extends TwoInputOperator<A, B, O> {
  readonly #fn: KeyedBroadcastProcessFunction<K, A, B, O>
  #readContext!: KeyedBroadcastReadContext<K>
  #changeContext!: KeyedBroadcastChangeContext<K>

  constructor(fn: KeyedBroadcastProcessFunction<K, A, B, O>) {
    super(fn)
    this.#fn = fn
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    const onTimer = (timestamp: number) => this.#fn.onTimer?.(timestamp, this.#readContext, output)
    this.#readContext = new KeyedBroadcastReadContext(context, output, onTimer)
    this.timers = this.#readContext.timers
    this.#changeContext = new KeyedBroadcastChangeContext(context, output, () => this.currentWatermark)
  }

  override processElement1(value: A): void {
    this.#fn.processElement(value, this.#readContext, this.output)
  }

  override processElement2(value: B): void {
    this.#fn.processBroadcastElement(value, this.#changeContext, this.output)
  }
}
