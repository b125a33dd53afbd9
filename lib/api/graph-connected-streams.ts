/** Two streams into one operator, over a graph under construction. */
import type { Key } from '../base/hash.ts'
import type { KeySelector } from '../function/functions.ts'
import type {
  BroadcastProcessFunction,
  CoFlatMapFunction,
  CoMapFunction,
  CoProcessFunction,
  KeyedBroadcastProcessFunction,
  KeyedCoProcessFunction,
} from '../function/process-functions.ts'
import { BroadcastProcessOperator, KeyedBroadcastProcessOperator } from '../operator/broadcast-operators.ts'
import {
  CoProcessOperator,
  coFlatMapAsProcess,
  coMapAsProcess,
  KeyedCoProcessOperator,
} from '../operator/co-process-operators.ts'
import { JoinOperator, UniqueJoinOperator } from '../operator/join-operator.ts'
import type { StreamOperator } from '../operator/stream-operator.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import {
  type JoinStreamOptions,
  type OperatorOptions,
  refuseAsync,
  stateOptionsOf,
} from './operator-options.ts'
import { type KeyOf, partitioned, type StreamBuilder, type StreamInput } from './stream-builder.ts'
import type {
  BroadcastConnectedStreams,
  ConnectedStreams,
  DataStream,
  KeyedBroadcastConnectedStreams,
  KeyedConnectedStreams,
} from './streams.ts'

class StreamPair {
  protected readonly builder: StreamBuilder
  protected readonly first: StreamInput
  protected readonly second: StreamInput

  constructor(builder: StreamBuilder, first: StreamInput, second: StreamInput) {
    this.builder = builder
    this.first = first
    this.second = second
  }

  protected transform<O>(
    operation: string,
    options: OperatorOptions<O>,
    create: () => StreamOperator<unknown>,
  ): DataStream<O> {
    const outputType = options.type ?? (t.any as Type<O>)
    return this.builder.add({ operation, inputs: [this.first, this.second], options, outputType, create })
  }

  protected mapPair<O>(fn: CoMapFunction<never, never, O>, options: OperatorOptions<O>): DataStream<O> {
    refuseAsync('map', fn.map1, fn.map2)
    return this.transform('co-map', options, () => new CoProcessOperator(coMapAsProcess(fn)))
  }

  protected flatMapPair<O>(
    fn: CoFlatMapFunction<never, never, O>,
    options: OperatorOptions<O>,
  ): DataStream<O> {
    refuseAsync('flatMap', fn.flatMap1, fn.flatMap2)
    return this.transform('co-flatMap', options, () => new CoProcessOperator(coFlatMapAsProcess(fn)))
  }
}

export class GraphConnectedStreams<A, B> extends StreamPair implements ConnectedStreams<A, B> {
  map<O>(fn: CoMapFunction<A, B, O>, options: OperatorOptions<O> = {}): DataStream<O> {
    return this.mapPair(fn, options)
  }

  flatMap<O>(fn: CoFlatMapFunction<A, B, O>, options: OperatorOptions<O> = {}): DataStream<O> {
    return this.flatMapPair(fn, options)
  }

  process<O>(fn: CoProcessFunction<A, B, O>, options: OperatorOptions<O> = {}): DataStream<O> {
    refuseAsync('process', fn.processElement1, fn.processElement2)
    return this.transform('co-process', options, () => new CoProcessOperator(fn))
  }

  keyBy<K extends Key>(keyOfA: KeySelector<A, K>, keyOfB: KeySelector<B, K>): KeyedConnectedStreams<K, A, B> {
    const hashed = (input: StreamInput, keyOf: KeyOf) => partitioned(input, { kind: 'hash', keyOf }, keyOf)
    return this.builder.keyedConnected(
      hashed(this.first, keyOfA as KeyOf),
      hashed(this.second, keyOfB as KeyOf),
    )
  }
}

export class GraphKeyedConnectedStreams<K extends Key, A, B>
  extends StreamPair
  implements KeyedConnectedStreams<K, A, B>
{
  map<O>(fn: CoMapFunction<A, B, O>, options: OperatorOptions<O> = {}): DataStream<O> {
    return this.mapPair(fn, options)
  }

  flatMap<O>(fn: CoFlatMapFunction<A, B, O>, options: OperatorOptions<O> = {}): DataStream<O> {
    return this.flatMapPair(fn, options)
  }

  process<O>(fn: KeyedCoProcessFunction<K, A, B, O>, options: OperatorOptions<O> = {}): DataStream<O> {
    refuseAsync('process', fn.processElement1, fn.processElement2, fn.onTimer)
    return this.transform('keyed co-process', options, () => new KeyedCoProcessOperator(fn))
  }

  join<O>(fn: (a: A, b: B) => O, options: JoinStreamOptions<A, B, O> = {}): DataStream<O> {
    const { unique, where = null, whereFirst = null, whereSecond = null, ...more } = options
    refuseAsync('join', fn, where, whereFirst, whereSecond)
    if (unique === 'second') {
      const swapped = this.builder.keyedConnected<K, B, A>(this.second, this.first)
      return swapped.join((b, a) => fn(a, b), {
        ...more,
        unique: 'first',
        ...(where === null ? {} : { where: (b: B, a: A) => where(a, b) }),
        ...(whereSecond === null ? {} : { whereFirst: whereSecond }),
        ...(whereFirst === null ? {} : { whereSecond: whereFirst }),
      })
    }
    const types = [this.first.type as Type<A>, this.second.type as Type<B>] as const
    const settings = { types, combine: fn, where, whereFirst, whereSecond, ...stateOptionsOf(more) }
    return unique === undefined
      ? this.transform('join', more, () => new JoinOperator(settings))
      : this.transform('join(unique)', more, () => new UniqueJoinOperator(settings))
  }
}

export class GraphBroadcastConnectedStreams<A, B>
  extends StreamPair
  implements BroadcastConnectedStreams<A, B>
{
  process<O>(fn: BroadcastProcessFunction<A, B, O>, options: OperatorOptions<O> = {}): DataStream<O> {
    refuseAsync('process', fn.processElement, fn.processBroadcastElement)
    return this.transform('broadcast process', options, () => new BroadcastProcessOperator(fn))
  }
}

export class GraphKeyedBroadcastConnectedStreams<K extends Key, A, B>
  extends StreamPair
  implements KeyedBroadcastConnectedStreams<K, A, B>
{
  process<O>(fn: KeyedBroadcastProcessFunction<K, A, B, O>, options: OperatorOptions<O> = {}): DataStream<O> {
    refuseAsync('process', fn.processElement, fn.processBroadcastElement, fn.onTimer)
    return this.transform('keyed broadcast process', options, () => new KeyedBroadcastProcessOperator(fn))
  }
}
