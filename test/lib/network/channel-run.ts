/**
 * A sender and a receiver at both ends of a remote channel, in virtual time: the sender writes numbered records and
 * events while the channel is available, the receiver takes batches at its own pace and notes what came.
 */
import assert from 'node:assert/strict'
import type { SluiceError } from '../../../lib/base/errors.ts'
import { SeededRandom } from '../../../lib/base/prng.ts'
import { RemoteInputChannel } from '../../../lib/network/remote-input-channel.ts'
import { RemoteOutputChannel } from '../../../lib/network/remote-output-channel.ts'
import type { StreamEvent } from '../../../lib/network/stream-event.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { t as types } from '../../../lib/types/t.ts'
import type { Type } from '../../../lib/types/type.ts'
import { FaultyPort, type FaultyPortOptions } from './faulty-port.ts'

export interface ChannelRunOptions extends Omit<FaultyPortOptions, 'clock' | 'random'> {
  readonly seed?: number
  readonly recordCount: number
  /** Per ms; the sender writes no more than the channel takes. */
  readonly recordsPerMs?: number
  /** Bytes of text in record n. */
  readonly sizeOf?: (n: number) => number
  /** Batches taken per ms. */
  readonly batchesPerMs?: number
  readonly frameBytes?: number
  readonly recordBytesMax?: number
  readonly timeoutMs?: number
  /** Default: barriers go with the records now and then. */
  readonly hasBarriers?: boolean
  /** Asked every ms. */
  readonly isOver?: () => boolean
  /** Called every ms. */
  readonly onMs?: (run: ChannelRun) => void
}

export const RECORD = types.object({ n: types.int64, text: types.string })
const ADDRESS = { jobId: 'job', attempt: 0, edgeId: 'e0', from: 1, to: 2 }
const TICK_MS = 200
const LINGER_MS = 5

export class ChannelRun {
  readonly clock = new ManualClock()
  readonly port: FaultyPort
  readonly output: RemoteOutputChannel
  readonly input: RemoteInputChannel
  readonly errors: SluiceError[] = []
  /** Records and events in the order in which they came. */
  readonly received: (number | StreamEvent)[] = []
  readonly expected: (number | StreamEvent)[] = []
  /** Accepted by the receiver and not consumed yet, at most. */
  queuedBytesMax = 0
  consumedBytes = 0
  readonly #options: ChannelRunOptions
  readonly #random: SeededRandom
  readonly #time = new Float64Array(2)
  #written = 0
  #lastProgressMs = 0
  stalledMsMax = 0

  constructor(options: ChannelRunOptions) {
    this.#options = options
    this.#random = new SeededRandom(options.seed ?? 1)
    const nowMs = () => this.clock.monotonic()
    const onError = (error: SluiceError) => {
      this.errors.push(error)
    }
    this.port = new FaultyPort({ ...options, clock: this.clock, random: this.#random })
    const shared = { address: ADDRESS, port: this.port, type: RECORD as Type<unknown>, nowMs, onError }
    const recordBytesMax = options.recordBytesMax ?? 64 * 2 ** 20
    this.input = new RemoteInputChannel({ ...shared, recordBytesMax })
    this.output = new RemoteOutputChannel({
      ...shared,
      recordBytesMax,
      time: this.#time,
      frameBytes: options.frameBytes ?? 1024,
      timeoutMs: options.timeoutMs ?? 60_000,
    })
  }

  /** Runs until everything has arrived and is known to have, something broke, or the time is over. */
  async run(msMax: number): Promise<void> {
    for (let ms = 1; ms <= msMax && this.errors.length === 0; ms++) {
      await this.clock.advance(1)
      this.#options.onMs?.(this)
      this.#write()
      this.#consume()
      this.stalledMsMax = Math.max(this.stalledMsMax, ms - this.#lastProgressMs)
      if (ms % TICK_MS === 0) {
        this.output.tick(ms)
        this.input.tick(ms)
      }
      if (this.output.oldestUnsentMs <= ms - LINGER_MS) this.output.flush()
      if (this.isDone || this.#options.isOver?.() === true) return
    }
  }

  get isDone(): boolean {
    return this.#written > this.#options.recordCount && this.output.isDrained && this.received.at(-1) === END
  }

  /** Everything that was written, once and in order. */
  check(): void {
    assert.deepEqual(this.errors, [])
    assert.equal(this.received.length, this.expected.length)
    this.expected.forEach((expected, i) => {
      assert.deepEqual(this.received[i], expected)
    })
  }

  #write(): void {
    const { recordCount, recordsPerMs = 20, sizeOf = () => 10 } = this.#options
    for (let i = 0; i < recordsPerMs && this.output.isAvailable && this.#written <= recordCount; i++) {
      const n = this.#written++
      if (n === recordCount) this.#writeEvent(END)
      else {
        this.#time[0] = n % 10 === 0 ? Number.NaN : n
        this.output.write({ n, text: 'x'.repeat(sizeOf(n)) }, n % 128)
        this.expected.push(n)
        if (n % 7 === 0) this.#writeEvent({ kind: 'watermark', timestamp: n })
        if (n % 501 === 0 && this.#options.hasBarriers !== false) this.#writeEvent(barrier(n))
      }
    }
  }

  #writeEvent(event: StreamEvent): void {
    this.output.event(event)
    this.expected.push(event)
  }

  #consume(): void {
    this.queuedBytesMax = Math.max(this.queuedBytesMax, this.input.stats.bytes - this.consumedBytes)
    for (let i = 0; i < (this.#options.batchesPerMs ?? 50); i++) {
      // Somebody looks ahead now and then.
      const next = this.received.length % 3 === 0 ? this.input.peek(0) : null
      if (this.received.length % 5 === 0) this.input.peek(2)
      const batch = this.input.poll()
      if (next !== null) assert.equal(batch, next)
      if (batch === null) return
      this.#lastProgressMs = this.clock.monotonic()
      for (let at = 0, event = 0; at <= batch.count; at++) {
        while (batch.eventPositions[event] === at) this.#receive(batch.events[event++]!)
        if (at === batch.count) break
        const { n, text } = batch.values[at] as { n: number; text: string }
        assert.equal(text.length, this.#options.sizeOf?.(n) ?? 10)
        assert.equal(batch.timestamps[at], n % 10 === 0 ? Number.NaN : n)
        assert.equal(batch.keyGroups[at], n % 128)
        this.received.push(n)
      }
      this.consumedBytes += batch.byteLength
      this.input.release(batch)
    }
  }

  #receive(event: StreamEvent): void {
    this.received.push(event.kind === 'end' ? END : event)
  }
}

const END: StreamEvent = { kind: 'end' }

function barrier(checkpointId: number): StreamEvent {
  return {
    kind: 'barrier',
    checkpointId,
    timestamp: 5,
    isSavepoint: false,
    isUnaligned: false,
    alignmentTimeoutMs: Number.POSITIVE_INFINITY,
  }
}
