/**
 * The channel within one thread: both ends in one object, batches handed over as they are. Records are passed by
 * reference; a function that changes a record it has emitted or received changes it for everybody.
 *
 * At most QUEUED_BATCHES_MAX batches wait; at the bound the channel is not available and the sending task stops, save
 * for what its current step still emits. A barrier's arrival is told at once, however much waits in front of it.
 */
import { ChannelStats, type InputChannel, type OutputChannel } from './channel.ts'
import type { ChannelRecorder } from './channel-recorder.ts'
import { BATCH_RECORDS_MAX, RecordBatch } from './record-batch.ts'
import { type ClosingEvent, isBoundary, isClosing, type StreamEvent } from './stream-event.ts'

const QUEUED_BATCHES_MAX = 4
/** Batches kept for reuse. */
const POOLED_BATCHES_MAX = QUEUED_BATCHES_MAX + 2

export class LocalChannel implements OutputChannel, InputChannel {
  readonly from: number
  readonly stats = new ChannelStats()
  onAvailable: () => void = () => {}
  onData: () => void = () => {}
  onArrival: (event: ClosingEvent) => void = () => {}
  oldestUnsentMs = Number.POSITIVE_INFINITY
  readonly isDrained = true
  readonly isLocal = true
  beside: readonly OutputChannel[] = []
  readonly #time: Float64Array
  readonly #nowMs: () => number
  readonly #queue: RecordBatch[] = []
  readonly #pool: RecordBatch[] = []
  #current = new RecordBatch()
  #recording: { readonly checkpointId: number; readonly recorder: ChannelRecorder } | null = null

  /** `time`: the sending chain's time cell. */
  constructor(from: number, time: Float64Array, nowMs: () => number) {
    this.from = from
    this.#time = time
    this.#nowMs = nowMs
  }

  write(value: unknown, keyGroup: number): void {
    const batch = this.#current
    const index = batch.count
    if (index === 0 && batch.events.length === 0) this.oldestUnsentMs = this.#nowMs()
    batch.values[index] = value
    batch.timestamps[index] = this.#time[0]!
    if (keyGroup >= 0) batch.keyGroups[index] = keyGroup
    batch.count = index + 1
    if (index + 1 === BATCH_RECORDS_MAX) this.flush()
  }

  event(event: StreamEvent): void {
    if (this.#current.isEmpty) this.oldestUnsentMs = this.#nowMs()
    this.#current.addEvent(event)
    if (isClosing(event)) this.flush()
  }

  flush(): void {
    for (const channel of this.beside) channel.flushAlone()
    this.flushAlone()
  }

  flushAlone(): void {
    const batch = this.#current
    if (batch.isEmpty) return
    this.stats.records += batch.count
    this.oldestUnsentMs = Number.POSITIVE_INFINITY
    this.#queue.push(batch)
    this.#current = this.#pool.pop() ?? new RecordBatch()
    if (this.#recording !== null) this.#record(batch)
    if (this.#queue.length === 1) this.onData()
    const { closingEvent } = batch
    if (closingEvent !== null) this.onArrival(closingEvent)
  }

  get isAvailable(): boolean {
    return this.#queue.length < QUEUED_BATCHES_MAX
  }

  get hasData(): boolean {
    return this.#queue.length > 0
  }

  poll(): RecordBatch | null {
    return this.#queue.shift() ?? null
  }

  peek(depth: number): RecordBatch | null {
    return this.#queue[depth] ?? null
  }

  release(batch: RecordBatch): void {
    batch.clear()
    if (this.#pool.length < POOLED_BATCHES_MAX) this.#pool.push(batch)
    if (this.#queue.length === QUEUED_BATCHES_MAX - 1) this.onAvailable()
  }

  record(checkpointId: number, recorder: ChannelRecorder): void {
    this.#recording = { checkpointId, recorder }
    for (const batch of this.#queue) if (this.#recording !== null) this.#record(batch)
  }

  stopRecording(): void {
    this.#recording = null
  }

  tick(): void {}

  /** Nothing is held outside this object; the receiver may still have batches to read after the sender closed. */
  close(): void {}

  #record(batch: RecordBatch): void {
    const { checkpointId, recorder } = this.#recording!
    recorder.batch(batch)
    if (isBoundary(batch.closingEvent, checkpointId)) this.#recording = null
  }
}
