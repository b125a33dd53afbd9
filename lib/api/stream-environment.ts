/**
 * Where a job begins: sources, and the graph that grows from them. One is made for each building of the graph, which
 * happens wherever the job runs; so the job function must do the same every time it is called.
 */
import { SluiceError } from '../base/errors.ts'
import type { Source, Split } from '../function/source.ts'
import { StreamGraph, type StreamNode } from '../graph/stream-graph.ts'
import type { Partitioner } from '../network/partitioner.ts'
import { SourceOperator } from '../operator/source-operator.ts'
import type { StreamOperator } from '../operator/stream-operator.ts'
import { TIMERS_ON_RESTORE, type TimersOnRestore } from '../time/restored-timers.ts'
import type { WatermarkStrategy } from '../time/watermark-strategy.ts'
import type { Type } from '../types/type.ts'
import {
  GraphBroadcastConnectedStreams,
  GraphConnectedStreams,
  GraphKeyedBroadcastConnectedStreams,
  GraphKeyedConnectedStreams,
} from './graph-connected-streams.ts'
import { GraphBroadcastStream, GraphDataStream } from './graph-data-stream.ts'
import { GraphIntervalJoin, GraphPairOfStreams } from './graph-joined-streams.ts'
import { GraphKeyedStream } from './graph-keyed-stream.ts'
import { GraphWindowedStream } from './graph-windowed-stream.ts'
import { chainingOf, type OperatorOptions } from './operator-options.ts'
import type { NewOperator, StreamBuilder, StreamInput, StreamOrigin } from './stream-builder.ts'
import type { DataStream } from './streams.ts'

export interface GraphSettings {
  /** Of operators that do not say their own. */
  readonly parallelism: number
  /** Of operators that do not say their own; null: derived from the parallelism. */
  readonly maxParallelism: number | null
  readonly isChainingEnabled: boolean
  /** What followed `--` on the command line. */
  readonly args: readonly string[]
}

export interface SourceOptions<T> extends Omit<OperatorOptions<T>, 'type'> {
  readonly watermarks?: WatermarkStrategy<T>
}

export class StreamEnvironment {
  readonly graph: StreamGraph
  readonly settings: GraphSettings
  readonly #builder: StreamBuilder
  readonly #strategies = new Map<StreamNode, { strategy: WatermarkStrategy<unknown> | null }>()

  constructor(jobName: string, settings: GraphSettings) {
    this.graph = new StreamGraph(jobName, settings.isChainingEnabled)
    this.settings = settings
    this.#builder = this.#newBuilder()
  }

  /** What followed `--` on the command line. */
  get args(): readonly string[] {
    return this.settings.args
  }

  source<T, S extends Split, E>(source: Source<T, S, E>, options: SourceOptions<T> = {}): DataStream<T> {
    const chosen = { strategy: (options.watermarks ?? null) as WatermarkStrategy<unknown> | null }
    const node = this.#addNode('source', {
      operation: `source(${source.name})`,
      inputs: [],
      options: { name: source.name, ...options } as OperatorOptions<T>,
      outputType: source.type,
      source: source as Source<unknown>,
      alignment: () => chosen.strategy?.alignment ?? null,
      create: () =>
        new SourceOperator(source as Source<unknown, never>, chosen.strategy) as StreamOperator<unknown>,
    })
    this.#strategies.set(node, chosen)
    return this.#builder.dataStream([originOf(node)], source.type)
  }

  #addNode<O>(kind: StreamNode['kind'], operator: NewOperator<O>): StreamNode {
    const { operation, inputs, options, outputType, isSingle } = operator
    checkTimersOnRestore(operation, inputs, options.timersOnRestore)
    if (isSingle === true && (options.parallelism ?? 1) !== 1) {
      throw new SluiceError(
        'GRAPH_INVALID',
        `${operation} sees the whole stream and so needs parallelism 1, found ${options.parallelism}`,
      )
    }
    return this.graph.addNode({
      kind,
      operation,
      name: options.name ?? operation,
      uid: options.uid ?? null,
      parallelism: isSingle === true ? 1 : (options.parallelism ?? this.settings.parallelism),
      maxParallelism: options.maxParallelism ?? this.settings.maxParallelism,
      slotSharingGroup: options.slotSharingGroup ?? inputs[0]?.origins[0]?.node.slotSharingGroup ?? 'default',
      chaining: chainingOf(options as OperatorOptions<never>),
      outputType: outputType as Type<unknown>,
      keySelectors: inputs.map(({ keyOf }) => keyOf),
      timersOnRestore: options.timersOnRestore ?? 'fire',
      alignment: () => operator.alignment?.() ?? null,
      newOperator: operator.create,
      source: operator.source ?? null,
    })
  }

  #add<O>(operator: NewOperator<O>): DataStream<O> {
    const node = this.#addNode(operator.inputs.length === 2 ? 'two-input' : 'one-input', operator)
    operator.inputs.forEach((input, index) => {
      for (const origin of input.origins) {
        this.graph.addEdge({
          from: origin.node,
          to: node,
          input: index,
          partitioner: origin.partitioner ?? naturalPartitioner(origin.node, node),
          sideTag: origin.sideTag,
          type: input.type,
        })
      }
    })
    return this.#builder.dataStream([originOf(node)], operator.outputType)
  }

  #newBuilder(): StreamBuilder {
    const builder: StreamBuilder = {
      add: (operator) => this.#add(operator),
      dataStream: (origins, type) =>
        new GraphDataStream(builder, { origins, type: type as Type<unknown>, keyOf: null }),
      broadcast: (input) => new GraphBroadcastStream(builder, input),
      keyed: (input) => new GraphKeyedStream(builder, input),
      windowed: (input, settings) => new GraphWindowedStream(builder, input, settings, null),
      intervalJoin: (left, right) => new GraphIntervalJoin(builder, left, right),
      pair: (left, right) => new GraphPairOfStreams(builder, left, right),
      connected: (first, second) => new GraphConnectedStreams(builder, unkeyed(first), unkeyed(second)),
      keyedConnected: (first, second) => new GraphKeyedConnectedStreams(builder, first, second),
      broadcastConnected: (first, second) => new GraphBroadcastConnectedStreams(builder, first, second),
      keyedBroadcastConnected: (first, second) =>
        new GraphKeyedBroadcastConnectedStreams(builder, first, second),
      trySetSourceStrategy: (origin, strategy) =>
        this.#trySetSourceStrategy(origin, strategy as WatermarkStrategy<unknown>),
    }
    return builder
  }

  #trySetSourceStrategy(
    { node, sideTag, partitioner }: StreamOrigin,
    strategy: WatermarkStrategy<unknown>,
  ): boolean {
    const chosen = this.#strategies.get(node)
    const isUsed = this.graph.edges.some(({ from }) => from === node)
    if (
      chosen === undefined ||
      chosen.strategy !== null ||
      isUsed ||
      sideTag !== null ||
      partitioner !== null
    )
      return false
    chosen.strategy = strategy
    return true
  }
}

function originOf(node: StreamNode): StreamOrigin {
  return { node, sideTag: null, partitioner: null }
}

/** Keyed state needs the key of every record, of both inputs. */
function unkeyed(input: StreamInput): StreamInput {
  return { ...input, keyOf: null }
}

function checkTimersOnRestore(
  operation: string,
  inputs: readonly StreamInput[],
  choice: TimersOnRestore | undefined,
): void {
  if (choice === undefined) return
  const isKnown = TIMERS_ON_RESTORE.includes(choice)
  if (isKnown && inputs.some(({ keyOf }) => keyOf !== null)) return
  const problem = isKnown
    ? 'only keyed operators have timers: call keyBy first'
    : `expected ${TIMERS_ON_RESTORE.join(', ')}, found ${JSON.stringify(choice)}`
  throw new SluiceError('GRAPH_INVALID', `timersOnRestore of ${operation}: ${problem}`)
}

function naturalPartitioner(from: StreamNode, to: StreamNode): Partitioner {
  return { kind: from.parallelism === to.parallelism ? 'forward' : 'rebalance' }
}
