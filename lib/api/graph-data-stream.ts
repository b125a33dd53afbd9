/** DataStream and BroadcastStream over a graph under construction. */
import { SluiceError } from '../base/errors.ts'
import type { Key } from '../base/hash.ts'
import { printSink } from '../connectors/print.ts'
import type { AsyncFlatMapFunction, AsyncMapFunction } from '../function/async-functions.ts'
import type { FilterFunction, FlatMapFunction, KeySelector, MapFunction } from '../function/functions.ts'
import type { OutputTag } from '../function/output-tag.ts'
import type { ProcessFunction } from '../function/process-functions.ts'
import type { Sink } from '../function/sink.ts'
import type { Partitioner } from '../network/partitioner.ts'
import { AsyncOperator, type AsyncOperatorOptions } from '../operator/async-operator.ts'
import { ProcessOperator } from '../operator/process-operators.ts'
import { FilterOperator, FlatMapOperator, MapOperator } from '../operator/simple-operators.ts'
import { SinkOperator } from '../operator/sink-operator.ts'
import type { StreamOperator } from '../operator/stream-operator.ts'
import { TimestampsOperator } from '../operator/timestamps-operator.ts'
import type { WatermarkStrategy } from '../time/watermark-strategy.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import type { WindowAssigner } from '../window/window-assigner.ts'
import { type AsyncOptions, parseAsyncOptions } from './async-options.ts'
import { type OperatorOptions, refuseAsync } from './operator-options.ts'
import { type KeyOf, partitioned, type StreamBuilder, type StreamInput } from './stream-builder.ts'
import type {
  BroadcastConnectedStreams,
  BroadcastStream,
  ConnectedStreams,
  DataStream,
  KeyedStream,
  SynchronousOptions,
  WindowedStream,
} from './streams.ts'
import { countWindowSettings, windowSettings } from './window-settings.ts'

export class GraphDataStream<T> implements DataStream<T> {
  readonly input: StreamInput
  readonly type: Type<T>
  protected readonly builder: StreamBuilder

  constructor(builder: StreamBuilder, input: StreamInput) {
    this.builder = builder
    this.input = input
    this.type = input.type as Type<T>
  }

  map<O>(fn: MapFunction<T, O>, ...[options = {}]: SynchronousOptions<O>): DataStream<O> {
    refuseAsync('map', fn)
    return this.transform('map', options as OperatorOptions<O>, () => new MapOperator(fn))
  }

  filter(fn: FilterFunction<T>, options: OperatorOptions<T> = {}): DataStream<T> {
    refuseAsync('filter', fn)
    return this.transform('filter', { type: this.type, ...options }, () => new FilterOperator(fn))
  }

  flatMap<O>(fn: FlatMapFunction<T, O>, options: OperatorOptions<O> = {}): DataStream<O> {
    refuseAsync('flatMap', fn)
    return this.transform('flatMap', options, () => new FlatMapOperator(fn))
  }

  process<O>(fn: ProcessFunction<T, O>, options: OperatorOptions<O> = {}): DataStream<O> {
    refuseAsync('process', fn.processElement)
    return this.transform('process', options, () => new ProcessOperator(fn))
  }

  mapAsync<O>(fn: AsyncMapFunction<T, O>, options: AsyncOptions<T, O> = {}): DataStream<O> {
    return this.#async('mapAsync', options, {
      fn: typeof fn === 'function' ? {} : fn,
      request: typeof fn === 'function' ? fn : (value, context) => fn.mapAsync(value, context),
      emit: (result, output) => output.collect(result),
    })
  }

  flatMapAsync<O>(
    fn: AsyncFlatMapFunction<T, O>,
    options: AsyncOptions<T, O, Iterable<O>> = {},
  ): DataStream<O> {
    return this.#async('flatMapAsync', options, {
      fn: typeof fn === 'function' ? {} : fn,
      request: typeof fn === 'function' ? fn : (value, context) => fn.flatMapAsync(value, context),
      emit(results, output) {
        for (const result of results) output.collect(result)
      },
    })
  }

  watermarks(strategy: WatermarkStrategy<T>, options: OperatorOptions<T> = {}): DataStream<T> {
    const [origin, ...more] = this.input.origins
    const isPlain = more.length === 0 && Object.keys(options).length === 0
    if (isPlain && this.builder.trySetSourceStrategy(origin!, strategy)) return this
    return this.builder.add({
      operation: 'watermarks',
      inputs: [this.input],
      options,
      outputType: options.type ?? this.type,
      alignment: () => strategy.alignment,
      create: () => new TimestampsOperator(strategy) as StreamOperator<unknown>,
    })
  }

  keyBy<K extends Key>(keyOf: KeySelector<T, K>): KeyedStream<K, T> {
    refuseAsync('keyBy', keyOf)
    return this.builder.keyed(
      partitioned(this.input, { kind: 'hash', keyOf: keyOf as KeyOf }, keyOf as KeyOf),
    )
  }

  windowAll(assigner: WindowAssigner<T>): WindowedStream<number, T> {
    return this.builder.windowed(this.#whole(), windowSettings(assigner))
  }

  countWindowAll(size: number, slide: number = size): WindowedStream<number, T> {
    return this.builder.windowed(this.#whole(), countWindowSettings(size, slide))
  }

  union(...others: DataStream<T>[]): DataStream<T> {
    const origins = [this, ...others].flatMap((stream) => (stream as GraphDataStream<T>).input.origins)
    return this.builder.dataStream(origins, this.type)
  }

  connect<B>(other: BroadcastStream<B>): BroadcastConnectedStreams<T, B>
  connect<B>(other: DataStream<B>): ConnectedStreams<T, B>
  connect<B>(other: DataStream<B>): BroadcastConnectedStreams<T, B> | ConnectedStreams<T, B> {
    const second = (other as GraphDataStream<B>).input
    return other instanceof GraphBroadcastStream
      ? this.builder.broadcastConnected(this.input, second)
      : this.builder.connected(this.input, second)
  }

  sideOutput<S>(tag: OutputTag<S>): DataStream<S> {
    if (this.input.origins.some(({ sideTag, partitioner }) => sideTag !== null || partitioner !== null)) {
      throw new SluiceError(
        'GRAPH_INVALID',
        `side output "${tag.id}": call sideOutput on the result of an operator`,
      )
    }
    const origins = this.input.origins.map((origin) => ({ ...origin, sideTag: tag.id }))
    return this.builder.dataStream(origins, tag.type)
  }

  rebalance(): DataStream<T> {
    return this.#distributed({ kind: 'rebalance' })
  }

  rescale(): DataStream<T> {
    return this.#distributed({ kind: 'rescale' })
  }

  shuffle(): DataStream<T> {
    return this.#distributed({ kind: 'shuffle' })
  }

  broadcast(): BroadcastStream<T> {
    return this.builder.broadcast(partitioned(this.input, { kind: 'broadcast' }))
  }

  global(): DataStream<T> {
    return this.#distributed({ kind: 'global' })
  }

  forward(): DataStream<T> {
    return this.#distributed({ kind: 'forward' })
  }

  partitionCustom(subtaskOf: (value: T, subtaskCount: number) => number): DataStream<T> {
    refuseAsync('partitionCustom', subtaskOf)
    return this.#distributed({
      kind: 'custom',
      subtaskOf: subtaskOf as (value: never, count: number) => number,
    })
  }

  sinkTo(sink: Sink<T>, options: OperatorOptions<T> = {}): void {
    const named = { name: sink.name, ...options }
    this.transform(`sink(${sink.name})`, named as OperatorOptions<never>, () => new SinkOperator(sink))
  }

  print(options: OperatorOptions<T> & { readonly label?: string } = {}): void {
    this.sinkTo(printSink<T>(options.label), options)
  }

  protected transform<O>(
    operation: string,
    options: OperatorOptions<O>,
    create: () => StreamOperator<unknown>,
  ): DataStream<O> {
    const outputType = options.type ?? (t.any as Type<O>)
    return this.builder.add({ operation, inputs: [this.input], options, outputType, create })
  }

  /** Not keyed: by the time a result comes, the key is another. */
  #async<O, R>(
    operation: string,
    options: AsyncOptions<T, O, R>,
    calls: Pick<AsyncOperatorOptions<T, R, O>, 'fn' | 'request' | 'emit'>,
  ): DataStream<O> {
    const parsed = parseAsyncOptions(options)
    refuseAsync('onTimeout', parsed.onTimeout)
    return this.builder.add({
      operation: `${operation}(${parsed.isOrdered ? 'ordered' : 'unordered'})`,
      inputs: [{ ...this.input, keyOf: null }],
      options,
      outputType: options.type ?? (t.any as Type<O>),
      create: () => new AsyncOperator<T, R, O>({ ...parsed, ...calls, inputType: this.type }),
    })
  }

  /** In one subtask, under one key. */
  #whole(): StreamInput {
    return partitioned(this.input, { kind: 'global' }, () => 0)
  }

  #distributed(partitioner: Partitioner): DataStream<T> {
    return this.builder.dataStream(partitioned(this.input, partitioner).origins, this.type)
  }
}

export class GraphBroadcastStream<T> extends GraphDataStream<T> implements BroadcastStream<T> {
  readonly isBroadcast = true
}
