/** KeyedStream over a graph under construction. */
import type { Key } from '../base/hash.ts'
import type { KeySelector, ReduceFunction } from '../function/functions.ts'
import type { KeyedProcessFunction } from '../function/process-functions.ts'
import { KeyedProcessOperator } from '../operator/process-operators.ts'
import { ReduceOperator } from '../operator/reduce-operator.ts'
import type { WindowAssigner } from '../window/window-assigner.ts'
import { GraphBroadcastStream, GraphDataStream } from './graph-data-stream.ts'
import { type OperatorOptions, refuseAsync } from './operator-options.ts'
import type {
  BroadcastStream,
  ConnectedStreams,
  DataStream,
  KeyedBroadcastConnectedStreams,
  KeyedConnectedStreams,
  KeyedStream,
  WindowedStream,
} from './streams.ts'

export class GraphKeyedStream<K extends Key, T> extends GraphDataStream<T> implements KeyedStream<K, T> {
  get keyOf(): KeySelector<T, K> {
    return this.input.keyOf as KeySelector<T, K>
  }

  override process<O>(fn: KeyedProcessFunction<K, T, O>, options: OperatorOptions<O> = {}): DataStream<O> {
    refuseAsync('process', fn.processElement, fn.onTimer)
    return this.transform('keyed process', options, () => new KeyedProcessOperator(fn))
  }

  reduce(fn: ReduceFunction<T>, options: OperatorOptions<T> = {}): DataStream<T> {
    refuseAsync('reduce', fn)
    const type = options.type ?? this.type
    return this.transform('reduce', { type, ...options }, () => new ReduceOperator(fn, type))
  }

  window(assigner: WindowAssigner<T>): WindowedStream<K, T> {
    return this.builder.windowed(this.input, assigner)
  }

  override connect<B>(other: BroadcastStream<B>): KeyedBroadcastConnectedStreams<K, T, B>
  override connect<B>(other: KeyedStream<K, B>): KeyedConnectedStreams<K, T, B>
  override connect<B>(other: DataStream<B>): ConnectedStreams<T, B>
  override connect<B>(
    other: DataStream<B>,
  ): KeyedBroadcastConnectedStreams<K, T, B> & KeyedConnectedStreams<K, T, B> & ConnectedStreams<T, B> {
    const second = (other as GraphDataStream<B>).input
    const connected: unknown =
      other instanceof GraphBroadcastStream
        ? this.builder.keyedBroadcastConnected(this.input, second)
        : other instanceof GraphKeyedStream
          ? this.builder.keyedConnected(this.input, second)
          : this.builder.connected(this.input, second)
    return connected as ReturnType<typeof this.connect<B>> & never
  }
}
