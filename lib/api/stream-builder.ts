/**
 * What the stream classes build with: one place that adds nodes and edges to the graph, and the constructors of the
 * other classes, so that none of them needs to import the next.
 */
import type { Key } from '../base/hash.ts'
import type { Source } from '../function/source.ts'
import type { StreamNode } from '../graph/stream-graph.ts'
import type { Partitioner } from '../network/partitioner.ts'
import type { StreamOperator } from '../operator/stream-operator.ts'
import type { WatermarkAlignment } from '../time/watermark-alignment.ts'
import type { Type } from '../types/type.ts'
import type { OperatorOptions } from './operator-options.ts'
import type {
  BroadcastConnectedStreams,
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
import type { WindowSettings } from './window-settings.ts'

export type KeyOf = (value: never) => Key

/** Where (part of) a stream comes from. */
export interface StreamOrigin {
  readonly node: StreamNode
  readonly sideTag: string | null
  /** Null: forward where the parallelism is the same, else rebalance. */
  readonly partitioner: Partitioner | null
}

/** One input of a new operator. */
export interface StreamInput {
  readonly origins: readonly StreamOrigin[]
  readonly type: Type<unknown>
  /** Null on streams that are not keyed. */
  readonly keyOf: KeyOf | null
}

export interface NewOperator<O> {
  readonly operation: string
  readonly inputs: readonly StreamInput[]
  readonly options: OperatorOptions<O>
  readonly outputType: Type<O>
  /** For operators that only make sense in one subtask. */
  readonly isSingle?: boolean
  readonly source?: Source<unknown>
  alignment?(): WatermarkAlignment | null
  create(): StreamOperator<unknown>
}

export interface StreamBuilder {
  add<O>(operator: NewOperator<O>): DataStream<O>
  dataStream<T>(origins: readonly StreamOrigin[], type: Type<T>): DataStream<T>
  broadcast<T>(input: StreamInput): BroadcastStream<T>
  keyed<K extends Key, T>(input: StreamInput): KeyedStream<K, T>
  windowed<K extends Key, T>(input: StreamInput, settings: WindowSettings<T>): WindowedStream<K, T>
  intervalJoin<L, R>(left: StreamInput, right: StreamInput): IntervalJoin<L, R>
  pair<K extends Key, L, R>(
    left: StreamInput,
    right: StreamInput,
  ): PairOfStreams<WindowedJoin<L, R> & WindowedCoGroup<K, L, R>, L, R>
  connected<A, B>(first: StreamInput, second: StreamInput): ConnectedStreams<A, B>
  keyedConnected<K extends Key, A, B>(first: StreamInput, second: StreamInput): KeyedConnectedStreams<K, A, B>
  broadcastConnected<A, B>(first: StreamInput, second: StreamInput): BroadcastConnectedStreams<A, B>
  keyedBroadcastConnected<K extends Key, A, B>(
    first: StreamInput,
    second: StreamInput,
  ): KeyedBroadcastConnectedStreams<K, A, B>
  /** Sets the strategy of a source nobody reads from yet; false if the origin is not such a source. */
  trySetSourceStrategy(origin: StreamOrigin, strategy: unknown): boolean
}

/** The same input with every origin distributed by `partitioner`. */
export function partitioned(
  input: StreamInput,
  partitioner: Partitioner,
  keyOf: KeyOf | null = null,
): StreamInput {
  return { ...input, origins: input.origins.map((origin) => ({ ...origin, partitioner })), keyOf }
}

/** What an operation on a stream reads. Every stream there is was made by a builder, and has it. */
export function inputOf<T>(stream: DataStream<T>): StreamInput {
  return (stream as unknown as { readonly input: StreamInput }).input
}
