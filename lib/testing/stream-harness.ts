/**
 * Runs a piece of a job without a job: one subtask of each operator, in the thread of the test, in virtual time.
 *
 *     const harness = await openHarness((orders: DataStream<Order>) =>
 *       orders.keyBy((order) => order.customer).process(new Reminder()))
 *     harness.input.push({ customer: 'ann', amount: 3 }, 1000)
 *     harness.input.watermark(5000)
 *     harness.values() // what has come out
 *
 * Operators run as in a job: through generated code, on a real state backend, snapshots through the codecs of their
 * types. What is not there is everything between them: channels, threads, other subtasks. Errors that functions throw
 * come out of the call that led to them.
 */
import type { GraphDataStream } from '../api/graph-data-stream.ts'
import { StreamEnvironment } from '../api/stream-environment.ts'
import type { DataStream } from '../api/streams.ts'
import { systemClock } from '../base/clock.ts'
import { SluiceError } from '../base/errors.ts'
import type { Key } from '../base/hash.ts'
import { type Duration, parseDuration } from '../base/units.ts'
import { collection } from '../connectors/generator.ts'
import type { OutputTag } from '../function/output-tag.ts'
import { operatorIds } from '../graph/operator-id.ts'
import type { StreamEdge, StreamNode } from '../graph/stream-graph.ts'
import { keyGroupOf, keyGroupRange } from '../state/key-group.ts'
import { MAX_TIMESTAMP } from '../time/timestamp.ts'
import { noWatermarks } from '../time/watermark-strategy.ts'
import { WatermarkValve } from '../time/watermark-valve.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import { mergeSnapshots } from './harness-rescaling.ts'
import { HarnessTime } from './harness-time.ts'
import {
  type HarnessOutput,
  type HarnessRecord,
  type HarnessSnapshot,
  OperatorHarness,
} from './operator-harness.ts'

/** The operators under test, and the streams they are on. Each input is a parameter of its own. */
export type HarnessBuild<I extends readonly unknown[], O> = (
  ...inputs: { [K in keyof I]: DataStream<I[K]> }
) => DataStream<O>

export interface StreamHarnessOptions<I extends readonly unknown[] = readonly unknown[]> {
  /** Types of the inputs, in order; default `t.any`. */
  readonly types?: { readonly [K in keyof I]: Type<I[K]> }
  /**
   * Which subtask of how many this is. It takes those records of an input that would get to it: by key, all where the
   * input is broadcast, else to the first. Default: the only one, which takes them all.
   */
  readonly subtaskIndex?: number
  readonly parallelism?: number
  /** Default 128. */
  readonly maxParallelism?: number
  /** Where the clock stands, in ms since the epoch. Default 0. */
  readonly processingTime?: number
  /** What to begin with: one snapshot, or those of all subtasks there were, in order. */
  readonly restore?: StreamSnapshot | readonly StreamSnapshot[]
  /** Asked in bursts of timers: whether to pause. Default: never. */
  readonly shouldPause?: () => boolean
}

/** The state of every operator, by its uid (or what stands for it). */
export type StreamSnapshot = ReadonlyMap<string, HarnessSnapshot>

export interface Stamped<T> {
  readonly value: T
  /** Ms since the epoch; undefined: it has none. */
  readonly timestamp: number | undefined
}

/** One input, played by the test. */
export interface HarnessInput<T> {
  /** Processes a record and all that comes of it. */
  push(value: T, timestamp?: number): void
  /** Records that arrive together, in one batch. */
  pushAll(records: readonly (readonly [value: T, timestamp?: number])[]): void
  /** Event time at this input moves. */
  watermark(timestamp: number): void
  idle(): void
  active(): void
}

/** What goes from operator to operator; records that arrive together stay together as far as the first. */
type Passed = HarnessOutput<unknown> | { readonly kind: 'batch'; readonly records: readonly HarnessRecord[] }

type Receiver = (passed: Passed) => void

export class StreamHarness<I extends readonly unknown[], O> {
  readonly inputs: { readonly [K in keyof I]: HarnessInput<I[K]> }
  readonly #operators = new Map<string, OperatorHarness<unknown>>()
  readonly #receivers = new Map<StreamNode, Receiver[]>()
  readonly #time: HarnessTime
  #output: HarnessOutput<O>[] = []
  #sides = new Map<string, Stamped<unknown>[]>()

  private constructor(time: HarnessTime, sources: readonly StreamNode[]) {
    this.#time = time
    this.inputs = sources.map((source) => this.#input(source)) as never
  }

  /** Builds and opens the operators; throws what the API throws for a graph that makes no sense. */
  static async open<I extends readonly unknown[], O>(
    build: HarnessBuild<I, O>,
    options: StreamHarnessOptions<I> = {},
  ): Promise<StreamHarness<I, O>> {
    const { maxParallelism = 128, parallelism = 1 } = options
    const types: readonly Type<unknown>[] = options.types ?? []
    const settings = { parallelism: 1, maxParallelism, isChainingEnabled: true, args: [] }
    const env = new StreamEnvironment('harness', settings)
    const streams = Array.from({ length: build.length }, (_, i) =>
      // With a strategy of its own, so that one the test sets makes an operator.
      env.source(collection([], types[i] ?? t.any), { watermarks: noWatermarks() }),
    )
    const result = (build as (...inputs: unknown[]) => unknown)(...streams) as GraphDataStream<O>
    const { nodes } = env.graph
    const harness = new StreamHarness<I, O>(
      new HarnessTime(options.processingTime ?? 0),
      nodes.filter(({ kind }) => kind === 'source'),
    )
    const ids = operatorIds(env.graph)
    const restored = mergeSnapshots(options.restore ?? [], {
      parallelism,
      maxParallelism,
      index: options.subtaskIndex ?? 0,
    })
    // From last to first: what an operator emits while it opens finds the next one open.
    for (const node of nodes.filter(({ kind }) => kind !== 'source').reverse()) {
      await harness.#open(node, ids.get(node)!, env.graph.inEdges(node), options, restored)
    }
    checkRestored(restored, harness.#operators)
    for (const { node, sideTag } of result.input.origins)
      harness.#receive(node, sideTag, (output) => harness.#take(output))
    return harness
  }

  /** The first input. */
  get input(): HarnessInput<I[0]> {
    return this.inputs[0] as HarnessInput<I[0]>
  }

  /** Values that have come out since they were last asked for, by this or by `records`. */
  values(): O[] {
    return this.records().map(({ value }) => value)
  }

  /** As `values`, with the timestamps of the records. */
  records(): Stamped<O>[] {
    return this.output().flatMap((output) =>
      output.kind === 'record' ? [{ value: output.value, timestamp: output.timestamp }] : [],
    )
  }

  /** As `records`, with watermarks and idleness between them. */
  output(): HarnessOutput<O>[] {
    const output = this.#output
    this.#output = []
    return output
  }

  /** Values that went to a side output of any of the operators since they were last asked for. */
  side<S>(tag: OutputTag<S>): S[] {
    const side = this.#sides.get(tag.id) ?? []
    this.#sides.delete(tag.id)
    return side.map(({ value }) => value as S)
  }

  /** Moves event time at all inputs. */
  watermark(timestamp: number): void {
    for (const input of this.inputs as readonly HarnessInput<unknown>[]) input.watermark(timestamp)
  }

  get processingTime(): number {
    return this.#time.nowMs
  }

  /** Moves the clock on, to each moment at which something is due on the way. */
  advance(duration: Duration): void {
    this.#time.advanceTo(this.#time.nowMs + parseDuration(duration))
  }

  /** Lets promises settle, as of asynchronous functions: one turn of the event loop. */
  settle(): Promise<void> {
    return new Promise((resolve) => systemClock.defer(resolve))
  }

  /** All inputs end: event time as well, and operators put out what they still hold. */
  async end(): Promise<void> {
    this.watermark(MAX_TIMESTAMP)
    for (const operator of this.#inOrder()) await operator.finish()
  }

  /** A checkpoint's part of this subtask. */
  async snapshot(): Promise<StreamSnapshot> {
    const snapshot = new Map<string, HarnessSnapshot>()
    for (const [id, operator] of this.#operators) snapshot.set(id, await operator.snapshot())
    return snapshot
  }

  /** A metric of all operators together, such as `late_records_dropped_total`; undefined if none has it. */
  metric(name: string): number | undefined {
    const values = [...this.#operators.values()].flatMap(({ metrics }) => metrics.read()[name] ?? [])
    return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0)
  }

  async close(): Promise<void> {
    for (const operator of this.#inOrder()) await operator.close()
  }

  #inOrder(): OperatorHarness<unknown>[] {
    return [...this.#operators.values()].reverse()
  }

  async #open(
    node: StreamNode,
    id: string,
    edges: readonly StreamEdge[],
    options: StreamHarnessOptions,
    restored: StreamSnapshot,
  ): Promise<void> {
    const { maxParallelism = 128, parallelism = 1, subtaskIndex = 0, shouldPause } = options
    const restore = restored.get(id)
    const operator = await OperatorHarness.open<unknown>({
      operator: () => node.newOperator(),
      keySelectors: node.keySelectors,
      name: node.name,
      uid: id,
      maxParallelism,
      parallelism,
      subtaskIndex,
      timersOnRestore: node.timersOnRestore,
      time: this.#time,
      onOutput: (output) => this.#send(node, output),
      ...(shouldPause === undefined ? {} : { shouldPause }),
      ...(restore === undefined ? {} : { restore }),
    })
    this.#operators.set(id, operator)
    node.keySelectors.forEach((_, input) => {
      this.#connect(
        edges.filter((edge) => edge.input === input),
        operator,
        input,
        options,
      )
    })
  }

  /** As a task's input does: one watermark out of those of all streams that were united. */
  #connect(
    edges: readonly StreamEdge[],
    operator: OperatorHarness<unknown>,
    input: number,
    options: StreamHarnessOptions,
  ): void {
    const valve = new WatermarkValve(edges.length, {
      watermark: (timestamp) => operator.watermark(timestamp, input),
      status: (isIdle) => operator.status(isIdle, input),
    })
    edges.forEach((edge, channel) => {
      const isOwn = routing(edge, options)
      this.#receive(edge.from, edge.sideTag, (output) => {
        if (output.kind === 'watermark') valve.onWatermark(channel, output.timestamp)
        else if (output.kind === 'status') valve.onStatus(channel, output.isIdle)
        else if (output.kind === 'batch')
          operator.elements(
            output.records.filter(({ value }) => isOwn(value)),
            input,
          )
        else if (isOwn(output.value)) operator.element(output.value, output.timestamp, input)
      })
    })
  }

  /** What of a node's output goes over an edge of this side tag. */
  #receive(node: StreamNode, sideTag: string | null, receiver: Receiver): void {
    const receivers = this.#receivers.get(node) ?? []
    this.#receivers.set(node, receivers)
    receivers.push((output) => {
      if (output.kind === 'side') {
        const { value, timestamp } = output
        if (output.tag === sideTag) receiver({ kind: 'record', value, timestamp })
      } else if (sideTag === null || output.kind === 'watermark' || output.kind === 'status') receiver(output)
    })
  }

  #send(node: StreamNode, output: Passed): void {
    if (output.kind === 'side') {
      const { tag, value, timestamp } = output
      this.#sides.set(tag, [...(this.#sides.get(tag) ?? []), { value, timestamp }])
    }
    for (const receiver of this.#receivers.get(node) ?? []) receiver(output)
  }

  #take(passed: Passed): void {
    if (passed.kind !== 'batch') this.#output.push(passed as HarnessOutput<O>)
    else for (const { value, timestamp } of passed.records) this.#take({ kind: 'record', value, timestamp })
  }

  #input(source: StreamNode): HarnessInput<unknown> {
    const send = (output: Passed) => this.#send(source, output)
    return {
      push: (value, timestamp) => send({ kind: 'record', value, timestamp }),
      pushAll: (records) =>
        send({ kind: 'batch', records: records.map(([value, timestamp]) => ({ value, timestamp })) }),
      watermark: (timestamp) => send({ kind: 'watermark', timestamp }),
      idle: () => send({ kind: 'status', isIdle: true }),
      active: () => send({ kind: 'status', isIdle: false }),
    }
  }
}

/** Opens a harness; see StreamHarness. */
export function openHarness<I extends readonly unknown[], O>(
  build: HarnessBuild<I, O>,
  options?: StreamHarnessOptions<I>,
): Promise<StreamHarness<I, O>> {
  return StreamHarness.open(build, options)
}

/** Which records of an input come to this subtask; between operators under test all stay in it. */
function routing(
  { from, partitioner }: StreamEdge,
  { maxParallelism = 128, parallelism = 1, subtaskIndex = 0 }: StreamHarnessOptions,
): (value: unknown) => boolean {
  if (parallelism === 1 || from.kind !== 'source' || partitioner.kind === 'broadcast') return () => true
  if (partitioner.kind !== 'hash') return () => subtaskIndex === 0
  const { first, last } = keyGroupRange(maxParallelism, parallelism, subtaskIndex)
  const keyOf = partitioner.keyOf as (value: unknown) => Key
  return (value) => {
    const keyGroup = keyGroupOf(keyOf(value), maxParallelism)
    return keyGroup >= first && keyGroup <= last
  }
}

function checkRestored(restored: StreamSnapshot, operators: ReadonlyMap<string, unknown>): void {
  const strangers = [...restored.keys()].filter((id) => !operators.has(id))
  if (strangers.length === 0) return
  throw new SluiceError(
    'STATE_INCOMPATIBLE',
    `the snapshot holds state of operators that are not there: ${strangers.join(', ')}; give operators a uid`,
  )
}
