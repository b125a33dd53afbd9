/**
 * Runs one operator without a job: give it records, watermarks and the time, read what it emits, snapshot it and go on
 * from the snapshot. The operator runs as in a job, through generated chain code and on a real state backend.
 */
import type { Key } from '../base/hash.ts'
import { silentLogger } from '../base/logger.ts'
import { MetricGroup } from '../metrics/metric-group.ts'
import { BATCH_RECORDS_MAX, RecordBatch } from '../network/record-batch.ts'
import { RecordWriter } from '../network/record-writer.ts'
import type { OperatorContext, StreamOperator } from '../operator/stream-operator.ts'
import { EntryCache } from '../state/entry-cache.ts'
import { keyGroupRange } from '../state/key-group.ts'
import { KeyedSnapshot, loadRestored } from '../state/keyed-snapshot.ts'
import { KeyedStateBackend } from '../state/keyed-state-backend.ts'
import { OperatorStateBackend, type OperatorStateSnapshot } from '../state/operator-state.ts'
import { copyOfChunk, type StateChunk } from '../state/state-chunk.ts'
import type { StateBackend, StateHome } from '../state/state-home.ts'
import { ChainOutput, type CompiledChain, compileChain } from '../task/chain-code.ts'
import { InputWatermarks } from '../time/input-watermarks.ts'
import type { TimersOnRestore } from '../time/restored-timers.ts'
import { NO_TIMESTAMP, timestampOrUndefined } from '../time/timestamp.ts'
import { HarnessTime } from './harness-time.ts'
import { MemoryKeyValueStore } from './memory-key-value-store.ts'

export type HarnessOutput<O> =
  | { readonly kind: 'record'; readonly value: O; readonly timestamp: number | undefined }
  | {
      readonly kind: 'side'
      readonly tag: string
      readonly value: unknown
      readonly timestamp: number | undefined
    }
  | { readonly kind: 'watermark'; readonly timestamp: number }
  | { readonly kind: 'status'; readonly isIdle: boolean }

/** Everything a new harness needs to go on where another stopped. */
export interface HarnessSnapshot {
  readonly keyed: readonly StateChunk[]
  readonly operator: readonly OperatorStateSnapshot[]
}

export interface HarnessOptions<O> {
  /** For errors; default: `operator`. */
  readonly name?: string
  readonly uid?: string
  /** A new operator; called once per harness. */
  readonly operator: () => StreamOperator<O>
  /** Per input, how to find the key; null for inputs that are not keyed. Default: one input, not keyed. */
  readonly keySelectors?: readonly (((value: never) => Key) | null)[]
  /** Default 128. */
  readonly maxParallelism?: number
  /**
   * Which state backend keeps its keyed state; default `heap`. `leveldb`: over a store in memory, with a cache of a few
   * entries, so that state comes and goes all the time.
   */
  readonly backend?: StateBackend
  /** Which subtask of how many this is, and so which key groups it owns. Default: the only one. */
  readonly subtaskIndex?: number
  readonly parallelism?: number
  /** Whether a job would take checkpoints; default false. */
  readonly hasCheckpoints?: boolean
  /** Makes long bursts of work pause; the harness goes on at once. Default: never. */
  readonly shouldPause?: () => boolean
  /** Where the processing-time clock stands; default 0. */
  readonly processingTimeMs?: number
  readonly watermarkIntervalMs?: number
  /** Default: `fire`. */
  readonly timersOnRestore?: TimersOnRestore
  readonly restore?: HarnessSnapshot
  /** A clock that several operators share; default: one of its own, which begins at `processingTimeMs`. */
  readonly time?: HarnessTime
  /** Takes what is emitted as it comes; default: it is kept until `takeOutput`. */
  readonly onOutput?: (output: HarnessOutput<O>) => void
}

/** A record on its way into an operator. */
export interface HarnessRecord {
  readonly value: unknown
  readonly timestamp?: number | undefined
}

const MAX_PARALLELISM = 128
const WATERMARK_INTERVAL_MS = 200
const ROWS_PER_STEP = 1024

/** Two or three entries. */
const TINY_CACHE_BYTES = 700

function tinyHome(): StateHome {
  let tableCount = 0
  return {
    cache: new EntryCache(new MemoryKeyValueStore('at-once'), TINY_CACHE_BYTES),
    timers: 'leveldb',
    newTableId: () => tableCount++,
  }
}

class CapturingWriter extends RecordWriter {
  readonly #capture: (value: unknown) => void

  constructor(capture: (value: unknown) => void) {
    super([])
    this.#capture = capture
  }

  override collect(value: unknown): void {
    this.#capture(value)
  }
}

export class OperatorHarness<O> {
  readonly metrics = new MetricGroup()
  readonly operator: StreamOperator<O>
  readonly keyed: KeyedStateBackend | null
  readonly #operatorState = new OperatorStateBackend()
  readonly #time = new Float64Array(2).fill(NO_TIMESTAMP)
  readonly #clock: HarnessTime
  readonly #chain: CompiledChain
  readonly #watermarks: InputWatermarks
  readonly #batch = new RecordBatch()
  /** The one that runs, and those that wait for it. */
  readonly #deferred: (() => void)[] = []
  readonly #onOutput: (output: HarnessOutput<O>) => void
  #output: HarnessOutput<O>[] = []
  #pauseCount = 0

  private constructor(options: HarnessOptions<O>) {
    const maxParallelism = options.maxParallelism ?? MAX_PARALLELISM
    const keySelectors = options.keySelectors ?? [null]
    const isKeyed = keySelectors.some((keyOf) => keyOf !== null)
    const keyGroups = keyGroupRange(maxParallelism, options.parallelism ?? 1, options.subtaskIndex ?? 0)
    const home = options.backend === 'leveldb' ? tinyHome() : null
    this.keyed = isKeyed ? new KeyedStateBackend(maxParallelism, keyGroups, home) : null
    this.#clock = options.time ?? new HarnessTime(options.processingTimeMs ?? 0)
    this.#onOutput = options.onOutput ?? ((each) => void this.#output.push(each))
    this.operator = options.operator()
    const output = new ChainOutput()
    this.operator.setup(this.#context(maxParallelism, options), output as never)
    const writer = new CapturingWriter((value) =>
      this.#emit({ kind: 'record', value: value as O, timestamp: this.#timestamp() }),
    )
    const main = { operators: [], writers: [writer] }
    const link = { operator: this.operator, keying: null, main, sides: new Map() }
    const inputs = keySelectors.map((keyOf) => ({
      keying: keyOf === null || this.keyed === null ? null : { keyOf, keyContext: this.keyed.context },
    }))
    this.#chain = compileChain([link], inputs, this.#time)
    output.collect = this.#chain.collect[0]!
    output.collectSide = (tag, value) =>
      this.#emit({ kind: 'side', tag, value, timestamp: this.#timestamp() })
    output.emitWatermark = (timestamp) => this.#emit({ kind: 'watermark', timestamp })
    output.emitStatus = (isIdle) => this.#emit({ kind: 'status', isIdle })
    this.#watermarks = new InputWatermarks(keySelectors.length, {
      watermark: (timestamp) => this.#advance(timestamp),
      status: (isIdle) => this.operator.processStatus(isIdle),
    })
  }

  /** Opens an operator, restored if the options say so. */
  static async open<O>(options: HarnessOptions<O>): Promise<OperatorHarness<O>> {
    const harness = new OperatorHarness(options)
    if (options.restore !== undefined) {
      harness.keyed?.restore(options.restore.keyed)
      harness.#operatorState.restore(options.restore.operator)
    }
    harness.#load()
    await harness.operator.open()
    harness.#load()
    return harness
  }

  /** Processes a record; `input` counts from 0. */
  element(value: unknown, timestamp?: number, input = 0): void {
    this.elements([{ value, timestamp }], input)
  }

  /** Processes records that have arrived together. */
  elements(records: readonly HarnessRecord[], input = 0): void {
    for (let from = 0; from < records.length; from += BATCH_RECORDS_MAX) {
      const batch = this.#batch
      batch.clear()
      for (const { value, timestamp } of records.slice(from, from + BATCH_RECORDS_MAX)) {
        batch.values[batch.count] = value
        batch.timestamps[batch.count] = timestamp ?? NO_TIMESTAMP
        batch.keyGroups[batch.count] = -1
        batch.count++
      }
      this.#chain.inputs[input]!(batch, 0, batch.count)
    }
    this.#time[0] = NO_TIMESTAMP
  }

  watermark(timestamp: number, input = 0): void {
    this.#watermarks.onWatermark(input, timestamp)
  }

  status(isIdle: boolean, input = 0): void {
    this.#watermarks.onStatus(input, isIdle)
  }

  /** Sets the clock and fires what is due. */
  processingTime(nowMs: number): void {
    this.#clock.set(nowMs)
  }

  async finish(): Promise<void> {
    await this.operator.finish()
  }

  /** What has been emitted since the last call. */
  takeOutput(): HarnessOutput<O>[] {
    const output = this.#output
    this.#output = []
    return output
  }

  async snapshot(checkpointId = 1): Promise<HarnessSnapshot> {
    await this.operator.prepareSnapshot(checkpointId)
    const keyed: StateChunk[] = []
    if (this.keyed !== null) {
      const snapshot = new KeyedSnapshot(this.keyed, 'savepoint', (chunk) => keyed.push(copyOfChunk(chunk)))
      while (!snapshot.drain(ROWS_PER_STEP)) {}
    }
    return { keyed, operator: this.#operatorState.snapshot() }
  }

  /** A checkpoint with a snapshot of this operator is complete. */
  async checkpointCompleted(checkpointId: number): Promise<void> {
    await this.operator.checkpointCompleted(checkpointId)
  }

  /** How often the operator has paused in the middle of a watermark. */
  get pauseCount(): number {
    return this.#pauseCount
  }

  async close(): Promise<void> {
    await this.operator.close()
  }

  #advance(timestamp: number): void {
    while (!this.operator.processWatermark(timestamp)) this.#pauseCount++
  }

  #load(): void {
    if (this.keyed !== null) for (const _step of loadRestored(this.keyed, ROWS_PER_STEP));
  }

  /** At once, but one after the other: what is deferred meanwhile comes next, not in the middle. */
  #defer(callback: () => void): void {
    this.#deferred.push(callback)
    if (this.#deferred.length > 1) return
    try {
      for (let next = this.#deferred[0]; next !== undefined; next = this.#deferred[0]) {
        next()
        this.#deferred.shift()
      }
    } finally {
      this.#deferred.length = 0
    }
  }

  #emit(output: HarnessOutput<O>): void {
    this.#onOutput(output)
  }

  #timestamp(): number | undefined {
    return timestampOrUndefined(this.#time[0]!)
  }

  #context(maxParallelism: number, options: HarnessOptions<O>): OperatorContext {
    return {
      jobId: 'harness',
      jobName: 'harness',
      operatorName: options.name ?? 'operator',
      uid: options.uid ?? 'operator',
      subtaskIndex: options.subtaskIndex ?? 0,
      parallelism: options.parallelism ?? 1,
      maxParallelism,
      attempt: 0,
      hasCheckpoints: options.hasCheckpoints ?? false,
      time: this.#time,
      clock: this.#clock,
      processingTime: this.#clock,
      log: silentLogger,
      metrics: this.metrics,
      connections: {},
      operatorState: this.#operatorState,
      keyed: this.keyed,
      watermarkIntervalMs: options.watermarkIntervalMs ?? WATERMARK_INTERVAL_MS,
      timersOnRestore: options.timersOnRestore ?? 'fire',
      shouldPause: options.shouldPause ?? (() => false),
      wake: () => {},
      defer: (callback) => this.#defer(callback),
      fail: (error) => {
        throw error
      },
    }
  }
}
