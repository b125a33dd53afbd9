/** KeyedStream over a graph under construction. */
import { SluiceError } from '../base/errors.ts'
import type { Key } from '../base/hash.ts'
import type { AggregateFunction, KeySelector, ReduceFunction } from '../function/functions.ts'
import type { KeyedProcessFunction } from '../function/process-functions.ts'
import { AggregateOperator } from '../operator/aggregate-operator.ts'
import { KeepByOrderOperator, KeepFirstOperator, type Order } from '../operator/deduplicate-operator.ts'
import { KeyedProcessOperator } from '../operator/process-operators.ts'
import { ReduceOperator } from '../operator/reduce-operator.ts'
import { TopNOperator } from '../operator/top-n-operator.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import type { WindowAssigner } from '../window/window-assigner.ts'
import { GraphBroadcastStream, GraphDataStream } from './graph-data-stream.ts'
import {
  type OperatorOptions,
  refuseAsync,
  type StatefulOptions,
  stateOptionsOf,
} from './operator-options.ts'
import type { StreamInput } from './stream-builder.ts'
import type {
  BroadcastStream,
  ConnectedStreams,
  DataStream,
  IntervalJoin,
  KeyedBroadcastConnectedStreams,
  KeyedConnectedStreams,
  KeyedStream,
  PairOfStreams,
  WindowedCoGroup,
  WindowedJoin,
  WindowedStream,
} from './streams.ts'
import { countWindowSettings, windowSettings } from './window-settings.ts'

/** Ranks of a key are one value, and a record that enters in front moves all of them. */
const TOP_COUNT_MAX = 10_000

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

  aggregate<A, O>(fn: AggregateFunction<T, A, O, K>, options: StatefulOptions<O> = {}): DataStream<O> {
    refuseAsync('aggregate', fn.createAccumulator, fn.add, fn.getResult)
    const type = fn.accumulatorType ?? (t.any as Type<A>)
    const create = () => new AggregateOperator(fn, type, stateOptionsOf(options))
    return this.transform('aggregate', options, create)
  }

  deduplicate(options: StatefulOptions<T> & { readonly order?: Order<T> } = {}): DataStream<T> {
    const { order, ...more } = options
    refuseAsync('order', order)
    const type = more.type ?? this.type
    const create = () =>
      order === undefined
        ? new KeepFirstOperator<T>(stateOptionsOf(more))
        : new KeepByOrderOperator<T>(order, type, stateOptionsOf(more))
    return this.transform('deduplicate', { type, ...more }, create)
  }

  topN<O>(
    count: number,
    order: Order<T>,
    result: (value: T, rank: number) => O,
    options: StatefulOptions<O> = {},
  ): DataStream<O> {
    refuseAsync('topN', order, result)
    if (!Number.isInteger(count) || count < 1 || count > TOP_COUNT_MAX) {
      throw new SluiceError(
        'GRAPH_INVALID',
        `topN: expected a count from 1 to ${TOP_COUNT_MAX}, found ${count}`,
      )
    }
    const settings = { count, order, result, type: this.type, ...stateOptionsOf(options) }
    return this.transform(`top ${count}`, options, () => new TopNOperator(settings))
  }

  window(assigner: WindowAssigner<T>): WindowedStream<K, T> {
    return this.builder.windowed(this.input, windowSettings(assigner))
  }

  countWindow(size: number, slide: number = size): WindowedStream<K, T> {
    return this.builder.windowed(this.input, countWindowSettings(size, slide))
  }

  intervalJoin<R>(right: KeyedStream<K, R>): IntervalJoin<T, R> {
    return this.builder.intervalJoin(this.input, keyedInput('intervalJoin', right))
  }

  join<R>(right: KeyedStream<K, R>): PairOfStreams<WindowedJoin<T, R>, T, R> {
    return this.builder.pair(this.input, keyedInput('join', right))
  }

  coGroup<R>(right: KeyedStream<K, R>): PairOfStreams<WindowedCoGroup<K, T, R>, T, R> {
    return this.builder.pair(this.input, keyedInput('coGroup', right))
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

/** TypeScript lets only keyed streams in; this is for JavaScript. */
function keyedInput(operation: string, stream: unknown): StreamInput {
  if (stream instanceof GraphKeyedStream) return stream.input
  throw new SluiceError(
    'GRAPH_INVALID',
    `${operation} needs two keyed streams: call keyBy on the other one, too`,
  )
}
