/**
 * The input side of a subtask: takes batches from the channels in turn, gives their records to the chain, and turns
 * the events between them into the subtask's own: one watermark out of those of all channels, the end when all have
 * ended. Channels that have data wait in a queue, so that a turn costs the same however many channels there are; one
 * that a barrier has blocked waits until the gate opens.
 */
import type { BarrierGate, GateOrder } from '../checkpoint/barrier-gate.ts'
import type { BarrierTracker } from '../checkpoint/barrier-tracker.ts'
import type { ChannelSnapshot, EdgeName, InputSnapshot } from '../checkpoint/channel-snapshot.ts'
import type { InputChannel } from '../network/channel.ts'
import type { PartitionerKind } from '../network/partitioner.ts'
import type { RecordBatch } from '../network/record-batch.ts'
import type { CheckpointBarrier, StreamEvent } from '../network/stream-event.ts'
import { type ValveOutput, WatermarkValve } from '../time/watermark-valve.ts'
import type { Type } from '../types/type.ts'
import { AdaptiveChunk } from './adaptive-chunk.ts'
import type { BatchFunction } from './chain-code.ts'

/** What the channels of one edge have in common. */
export interface InputEdge {
  readonly name: EdgeName
  readonly partitioner: PartitionerKind
  readonly type: Type<unknown>
}

export interface InputChannelOf {
  readonly channel: InputChannel
  readonly edge: InputEdge
  /** The logical input it belongs to: 0, or 1 for the second of a two-input operator. */
  readonly input: number
}

export interface InputEvents extends ValveOutput {
  /**
   * The barriers of all channels have been reached: nothing that follows them has been processed. `alignmentMs`: since
   * the first was.
   */
  snapshot(barrier: CheckpointBarrier, alignmentMs: number): void
  /** A channel had no data and has some now. */
  data(): void
}

export class InputProcessor {
  readonly valve: WatermarkValve
  readonly #channels: readonly InputChannelOf[]
  readonly #process: readonly BatchFunction[]
  readonly #events: InputEvents
  readonly #gate: BarrierGate | BarrierTracker
  readonly #isBlocked: boolean[]
  readonly #chunk = new AdaptiveChunk()
  /** Channels with data, each at most once. */
  readonly #ready: number[] = []
  readonly #isReady: boolean[]
  readonly #hasEnded: boolean[]
  #openCount: number
  /** Records of channel i before its current batch. */
  readonly #recordsBefore: number[]
  #current = -1
  #batch: RecordBatch | null = null
  #nextRecord = 0
  #nextEvent = 0
  /** Of the checkpoint whose barriers are being reached, and when the first of them was. */
  #alignment = { checkpointId: 0, startedMs: 0 }

  constructor(
    channels: readonly InputChannelOf[],
    process: readonly BatchFunction[],
    gate: BarrierGate | BarrierTracker,
    events: InputEvents,
  ) {
    this.#channels = channels
    this.#process = process
    this.#events = events
    this.#gate = gate
    this.#isBlocked = channels.map(() => false)
    this.valve = new WatermarkValve(channels.length, events)
    this.#isReady = channels.map(() => false)
    this.#hasEnded = channels.map(() => false)
    this.#recordsBefore = channels.map(() => 0)
    this.#openCount = channels.length
    channels.forEach(({ channel }, index) => {
      channel.onData = () => {
        this.#enqueue(index)
        events.data()
      }
      if (channel.hasData) this.#enqueue(index)
    })
  }

  get hasEnded(): boolean {
    return this.#openCount === 0
  }

  /** Channels whose barrier has been reached and that wait for the others. */
  get blocked(): readonly number[] {
    return this.#channels.flatMap((_channel, index) => (this.#isBlocked[index]! ? [index] : []))
  }

  /** What a checkpoint keeps of the channels. */
  snapshot(): InputSnapshot[] {
    const watermarks = this.valve.snapshot()
    const byEdge = new Map<InputEdge, ChannelSnapshot[]>()
    this.#channels.forEach(({ channel, edge }, index) => {
      const channels = byEdge.get(edge) ?? []
      byEdge.set(edge, channels)
      channels.push({ from: channel.from, watermark: watermarks[index]!.watermark, frames: [] })
    })
    return [...byEdge].map(([{ name, partitioner, type }, channels]) => ({
      edge: name,
      partitioner,
      schema: type.schema,
      channels,
    }))
  }

  /** One chunk of records, or one event; false if there is nothing to do. */
  step(nowMs: () => number): boolean {
    const batch = this.#batch ?? this.#nextBatch()
    if (batch === null) return false
    const eventPosition = batch.eventPositions[this.#nextEvent] ?? batch.count
    if (this.#nextRecord < eventPosition) this.#processRecords(batch, eventPosition, nowMs)
    else if (this.#nextEvent < batch.events.length)
      this.#processEvent(batch.events[this.#nextEvent++]!, nowMs)
    if (this.#nextRecord === batch.count && this.#nextEvent === batch.events.length) this.#finishBatch(batch)
    return true
  }

  /** Which record is being processed, for people. `position` is its index in the batch. */
  describePosition(position: number): string {
    if (this.#current < 0) return 'between records'
    const { channel, input } = this.#channels[this.#current]!
    const record = this.#recordsBefore[this.#current]! + position
    return `record ${record} from subtask ${channel.from} of input ${input + 1}`
  }

  #processRecords(batch: RecordBatch, end: number, nowMs: () => number): void {
    const from = this.#nextRecord
    const to = Math.min(end, from + this.#chunk.size)
    const startedMs = nowMs()
    this.#process[this.#channels[this.#current]!.input]!(batch, from, to)
    this.#nextRecord = to
    this.#chunk.measured(to - from, nowMs() - startedMs)
  }

  #processEvent(event: StreamEvent, nowMs: () => number): void {
    switch (event.kind) {
      case 'watermark':
        this.valve.onWatermark(this.#current, event.timestamp)
        return
      case 'status':
        this.valve.onStatus(this.#current, event.isIdle)
        return
      case 'barrier':
        this.#onBarrier(event, nowMs())
        return
      case 'end':
        if (this.#hasEnded[this.#current]!) return
        this.#hasEnded[this.#current] = true
        this.#openCount--
        this.valve.onEnd(this.#current)
        this.#follow(this.#gate.onEnd(this.#current), nowMs())
    }
  }

  #onBarrier(barrier: CheckpointBarrier, nowMs: number): void {
    const { checkpointId } = barrier
    if (checkpointId > this.#alignment.checkpointId) this.#alignment = { checkpointId, startedMs: nowMs }
    this.#follow(this.#gate.onBarrier(this.#current, barrier, nowMs), nowMs)
  }

  /** A sender flushes behind a barrier: it is the last thing in its batch, and what follows is still in the channel. */
  #follow(orders: readonly GateOrder[], nowMs: number): void {
    for (const order of orders) {
      if (order.kind === 'block') this.#isBlocked[order.channel] = true
      else if (order.kind === 'unblockAll') this.#unblockAll()
      else if (order.kind === 'trigger')
        this.#events.snapshot(order.barrier, nowMs - this.#alignment.startedMs)
    }
  }

  #unblockAll(): void {
    this.#isBlocked.fill(false)
    this.#channels.forEach(({ channel }, index) => {
      if (channel.hasData) this.#enqueue(index)
    })
  }

  #nextBatch(): RecordBatch | null {
    for (;;) {
      const index = this.#ready.shift()
      if (index === undefined) return null
      this.#isReady[index] = false
      // Blocked after it was queued: by a barrier whose arrival gave up the checkpoint before it, which unblocked all.
      if (this.#isBlocked[index]!) continue
      const batch = this.#channels[index]!.channel.poll()
      if (batch === null) continue
      this.#current = index
      this.#batch = batch
      this.#nextRecord = 0
      this.#nextEvent = 0
      return batch
    }
  }

  #finishBatch(batch: RecordBatch): void {
    const { channel } = this.#channels[this.#current]!
    this.#recordsBefore[this.#current]! += batch.count
    this.#batch = null
    channel.release(batch)
    if (channel.hasData) this.#enqueue(this.#current)
  }

  #enqueue(index: number): void {
    if (this.#isReady[index]! || this.#isBlocked[index]!) return
    this.#isReady[index] = true
    this.#ready.push(index)
  }
}
