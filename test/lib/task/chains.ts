/** Operator chains for tests: real generated code around operators that note what happens to them. */
import { silentLogger } from '../../../lib/base/logger.ts'
import { MetricGroup } from '../../../lib/metrics/metric-group.ts'
import { RecordBatch } from '../../../lib/network/record-batch.ts'
import { RecordWriter } from '../../../lib/network/record-writer.ts'
import type { StreamEvent } from '../../../lib/network/stream-event.ts'
import {
  OneInputOperator,
  type OperatorContext,
  type StreamOperator,
} from '../../../lib/operator/stream-operator.ts'
import { OperatorStateBackend } from '../../../lib/state/operator-state.ts'
import type { ChainTargets, Keying } from '../../../lib/task/chain-code.ts'
import type { InputEdge } from '../../../lib/task/input-processor.ts'
import { type ChainedOperator, OperatorChain } from '../../../lib/task/operator-chain.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { t as types } from '../../../lib/types/t.ts'

/** An edge into a task whose records may be anything. */
export const EDGE: InputEdge = {
  name: { fromOperator: 'up', toOperator: 'down', input: 0, sideTag: null, ordinal: 0 },
  partitioner: 'rebalance',
  type: types.any,
}

/** Notes what leaves the chain, in order. */
export class NotingWriter extends RecordWriter {
  readonly #name: string
  readonly #log: string[]

  constructor(name: string, log: string[]) {
    super([])
    this.#name = name
    this.#log = log
  }

  override collect(value: unknown): void {
    this.#log.push(`${this.#name} ${String(value)}`)
  }

  override event(event: StreamEvent): void {
    const what = event.kind === 'watermark' ? event.timestamp : event.kind === 'status' ? event.isIdle : ''
    this.#log.push(`${this.#name} ${event.kind} ${what}`.trim())
  }
}

/** An operator that notes everything, and pauses in watermarks as often as it is told to. */
export class NotingOperator extends OneInputOperator<unknown, unknown> {
  readonly name: string
  readonly #log: string[]
  /** Times that processWatermark returns false before it gets done. */
  pauses = 0
  #paused: number | null = null
  ready: Promise<void> | undefined
  onOpen: () => void | Promise<void> = () => {}
  onElement: (value: unknown) => void = (value) => this.output.collect(value)
  onFinish: () => void | Promise<void> = () => {}

  constructor(name: string, log: string[]) {
    super()
    this.name = name
    this.#log = log
  }

  override async open(): Promise<void> {
    this.#log.push(`${this.name} open`)
    await this.onOpen()
  }

  override processElement(value: unknown): void {
    if (this.#paused !== null) this.#log.push(`${this.name} DISTURBED by ${String(value)}`)
    this.onElement(value)
  }

  override processWatermark(timestamp: number): boolean {
    if (this.#paused !== null && this.#paused !== timestamp)
      this.#log.push(`${this.name} DISTURBED by ${timestamp}`)
    if (this.pauses > 0) {
      this.pauses--
      this.#paused = timestamp
      this.#log.push(`${this.name} pauses in ${timestamp}`)
      return false
    }
    this.#paused = null
    this.#log.push(`${this.name} watermark ${timestamp}`)
    this.output.emitWatermark(timestamp)
    return true
  }

  override processStatus(isIdle: boolean): void {
    if (this.#paused !== null) this.#log.push(`${this.name} DISTURBED by status`)
    this.output.emitStatus(isIdle)
  }

  override whenReady(): Promise<void> | undefined {
    return this.ready
  }

  override async finish(): Promise<void> {
    this.#log.push(`${this.name} finish`)
    await this.onFinish()
  }

  override close(): void {
    this.#log.push(`${this.name} close`)
  }

  emit(value: unknown): void {
    this.output.collect(value)
  }

  emitSide(tag: string, value: unknown): void {
    this.output.collectSide(tag, value)
  }

  emitWatermark(timestamp: number): void {
    this.output.emitWatermark(timestamp)
  }

  emitStatus(isIdle: boolean): void {
    this.output.emitStatus(isIdle)
  }
}

export interface Link {
  readonly operator: StreamOperator<unknown>
  readonly keying?: Keying | null
  readonly main?: Partial<ChainTargets>
  readonly sides?: ReadonlyMap<string, Partial<ChainTargets>>
}

export const TIME = new Float64Array(2)

export function contextOf(
  name: string,
  clock = new ManualClock(),
  more: Partial<OperatorContext> = {},
): OperatorContext {
  return {
    jobId: 'job',
    jobName: 'job',
    operatorName: name,
    uid: `uid-${name}`,
    subtaskIndex: 1,
    parallelism: 4,
    maxParallelism: 128,
    attempt: 0,
    hasCheckpoints: false,
    time: TIME,
    clock,
    processingTime: {
      now: () => clock.now(),
      callAt: (timestamp, callback) => clock.schedule(timestamp - clock.now(), callback),
    },
    log: silentLogger,
    metrics: new MetricGroup(),
    connections: {},
    operatorState: new OperatorStateBackend(),
    keyed: null,
    watermarkIntervalMs: 200,
    timersOnRestore: 'fire',
    shouldPause: () => false,
    wake: () => {},
    defer: (callback) => callback(),
    fail: (error) => {
      throw error
    },
    ...more,
  }
}

const targets = (given: Partial<ChainTargets> = {}): ChainTargets => ({
  operators: [],
  writers: [],
  ...given,
})

export function chainOf(
  links: readonly Link[],
  inputs: ConstructorParameters<typeof OperatorChain>[1] = [{ keying: null }],
  contextFor: (name: string, k: number) => OperatorContext = (name) => contextOf(name),
): OperatorChain {
  const chained = links.map(
    ({ operator, keying = null, main, sides = new Map() }, k): ChainedOperator => ({
      operator,
      keying,
      context: contextFor((operator as { name?: string }).name ?? `operator ${k}`, k),
      main: targets(main),
      sides: new Map([...sides].map(([tag, side]) => [tag, targets(side)])),
    }),
  )
  return new OperatorChain(chained, inputs, TIME)
}

/** Gives records to an input of a chain, as one batch. */
export function feed(
  chain: OperatorChain,
  values: readonly unknown[],
  timestamps: readonly number[] = [],
  input = 0,
): void {
  const batch = new RecordBatch()
  values.forEach((value, i) => {
    batch.values[i] = value
    batch.timestamps[i] = timestamps[i] ?? Number.NaN
    batch.keyGroups[i] = -1
  })
  batch.count = values.length
  chain.inputs[input]!(batch, 0, values.length)
}
