/**
 * The input side of a subtask: takes batches from the channels in turn, gives their records to the chain, and turns
 * the events between them into the subtask's own: one watermark out of those of all channels, the end when all have
 * ended. Channels that have data wait in a queue, so that a turn costs the same however many channels there are; one
 * that a barrier has blocked waits until the gate opens.
 *
 * I1. What was in flight when the checkpoint was taken that the subtask was restored from is processed before anything
 *     new of any channel, so that records of one key keep their order when they have changed channels.
 * I2. The gate hears of a barrier's arrival (`react`) before it is reached.
 * I3. An unaligned snapshot records, of each channel whose barrier has not been reached, what has not been processed
 *     when it is triggered and what arrives before the barrier. No record is processed from then until the state is
 *     frozen, which is up to whoever is told of the snapshot.
 * I4. What is looked at ahead of its turn stays in its channel: barriers, recordings and credit know nothing of it.
 */
import type { BarrierGate, GateOrder } from '../checkpoint/barrier-gate.ts'
import type { BarrierTracker } from '../checkpoint/barrier-tracker.ts'
import type { ChannelSnapshot, EdgeName, InputSnapshot } from '../checkpoint/channel-snapshot.ts'
import type { InputChannel } from '../network/channel.ts'
import { ChannelRecorder } from '../network/channel-recorder.ts'
import type { PartitionerKind } from '../network/partitioner.ts'
import type { RecordBatch } from '../network/record-batch.ts'
import type { RestoredFrames } from '../network/restored-frames.ts'
import { type CheckpointBarrier, isBoundary, type StreamEvent } from '../network/stream-event.ts'
import { type ValveOutput, WatermarkValve } from '../time/watermark-valve.ts'
import type { Type } from '../types/type.ts'
import { AdaptiveChunk } from './adaptive-chunk.ts'
import type { BatchFunction } from './chain-code.ts'
import { ChannelRecording } from './channel-recording.ts'
import type { InputLookahead } from './input-lookahead.ts'

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

/** What a subtask begins with at its inputs. */
export interface RestoredInputs {
  /** Event time of the subtask. */
  readonly watermark: number
  /** By channel. */
  readonly channels: readonly { readonly watermark: number; readonly frames: RestoredFrames | null }[]
}

export interface SnapshotTrigger {
  /** With what is to be sent on. */
  readonly barrier: CheckpointBarrier
  /** When its first barrier arrived, by the monotonic clock. */
  readonly startedMs: number
  /** Null: the barriers of all channels have been reached, and nothing that follows them has been processed. */
  readonly recording: ChannelRecording | null
}

export interface InputEvents extends ValveOutput {
  snapshot(trigger: SnapshotTrigger): void
  /** A newer checkpoint has come before this one was through. */
  subsumed(checkpointId: number): void
  /** `react` has something to do at this time, by the monotonic clock. */
  wakeAt(timeMs: number): void
  /** A channel had no data and has some now, or a barrier has arrived. */
  data(): void
}

type TriggerOrder = Extract<GateOrder, { kind: 'trigger' }>

export class InputProcessor {
  readonly valve: WatermarkValve
  readonly #channels: readonly InputChannelOf[]
  readonly #process: readonly BatchFunction[]
  readonly #events: InputEvents
  readonly #gate: BarrierGate | BarrierTracker
  /** Null: nothing is read ahead. */
  readonly #lookahead: InputLookahead | null
  readonly #isBlocked: boolean[]
  readonly #chunk = new AdaptiveChunk()
  /** Channels with data, each at most once. */
  readonly #ready: number[] = []
  readonly #isReady: boolean[]
  readonly #hasEnded: boolean[]
  #openCount: number
  /** Records of channel i before its current batch. */
  readonly #recordsBefore: number[]
  /** There is data, but all of it has to wait for state. */
  isAwaitingState = false
  #current = -1
  #batch: RecordBatch | null = null
  #nextRecord = 0
  #nextEvent = 0
  /** Whether the current batch was in flight before. */
  #isRestored = false
  /** What is left of the data in flight that was restored. */
  readonly #restored: { readonly index: number; readonly frames: RestoredFrames }[]
  /** Barriers the gate has not heard of, by channel; a newer one takes the place of an older. */
  readonly #arrivals = new Map<number, CheckpointBarrier>()
  readonly #endArrivals: number[] = []
  readonly #endHasArrived: boolean[]
  /** The newest barrier reached on each channel. */
  readonly #reachedIds: number[]
  /** The newest checkpoint a barrier has arrived of, and when the first of them did. */
  #alignment = { checkpointId: 0, startedMs: 0 }
  #recording: ChannelRecording | null = null
  #wakeAtMs = Number.POSITIVE_INFINITY

  constructor(
    channels: readonly InputChannelOf[],
    process: readonly BatchFunction[],
    gate: BarrierGate | BarrierTracker,
    events: InputEvents,
    restored: RestoredInputs | null = null,
    lookahead: InputLookahead | null = null,
  ) {
    this.#channels = channels
    this.#process = process
    this.#events = events
    this.#gate = gate
    this.#lookahead = lookahead
    this.#isBlocked = channels.map(() => false)
    this.valve = new WatermarkValve(channels.length, events)
    this.#isReady = channels.map(() => false)
    this.#hasEnded = channels.map(() => false)
    this.#recordsBefore = channels.map(() => 0)
    this.#openCount = channels.length
    this.#endHasArrived = channels.map(() => false)
    this.#reachedIds = channels.map(() => 0)
    this.#restored = (restored?.channels ?? []).flatMap(({ frames }, index) =>
      frames === null ? [] : [{ index, frames }],
    )
    if (restored !== null) {
      const watermarks = restored.channels.map(({ watermark }) => watermark)
      this.valve.restore(restored.watermark, watermarks)
    }
    channels.forEach(({ channel }, index) => {
      channel.onArrival = (event) => {
        if (event.kind === 'barrier') this.#arrive(index, event)
        else this.#arriveEnd(index)
        events.data()
      }
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

  /** Whether every channel has ended, or will with what has arrived. */
  get hasEndArrived(): boolean {
    return this.#endHasArrived.every((has) => has)
  }

  /**
   * Follows what has arrived, and the clock, however much waits to be processed; false if there is nothing to follow.
   * To be called again until then, but not between a snapshot and the freezing of its state.
   */
  react(nowMs: number): boolean {
    if (nowMs >= this.#wakeAtMs) {
      this.#wakeAtMs = Number.POSITIVE_INFINITY
      this.#follow(this.#gate.onTime(nowMs), nowMs)
      return true
    }
    for (const [index, barrier] of this.#arrivals) {
      this.#arrivals.delete(index)
      this.#begin(barrier, nowMs)
      this.#follow(this.#gate.onArrival(index, barrier, nowMs), nowMs)
      return true
    }
    const ended = this.#endArrivals.shift()
    if (ended === undefined) return false
    this.#follow(this.#gate.onEndArrival(ended), nowMs)
    return true
  }

  /** A barrier that nobody upstream is left to send, behind what has arrived of all channels. */
  arriveEverywhere(barrier: CheckpointBarrier): void {
    this.#hasEnded.forEach((hasEnded, index) => {
      if (!hasEnded) this.#arrive(index, barrier)
    })
  }

  /** Nobody waits for this checkpoint any more. */
  giveUp(checkpointId: number, nowMs: number): void {
    if (this.#recording?.checkpointId === checkpointId) this.#stopRecording()
    if (this.#gate.pendingId === checkpointId) this.#follow(this.#gate.onCancel(checkpointId), nowMs)
  }

  /** What a checkpoint keeps of the channels; the data in flight grows until the recording is complete. */
  snapshot(recording: ChannelRecording | null): InputSnapshot[] {
    const byEdge = new Map<InputEdge, ChannelSnapshot[]>()
    this.#channels.forEach(({ channel, edge }, index) => {
      const channels = byEdge.get(edge) ?? []
      byEdge.set(edge, channels)
      const watermark = this.valve.watermarkOf(index)
      channels.push({ from: channel.from, watermark, frames: recording?.framesOf(index) ?? [] })
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
    this.#reachedIds[this.#current] = barrier.checkpointId
    this.#begin(barrier, nowMs)
    this.#follow(this.#gate.onBarrier(this.#current, barrier, nowMs), nowMs)
  }

  #arrive(index: number, barrier: CheckpointBarrier): void {
    this.#arrivals.delete(index)
    this.#arrivals.set(index, barrier)
  }

  #arriveEnd(index: number): void {
    if (this.#endHasArrived[index]!) return
    this.#endHasArrived[index] = true
    this.#endArrivals.push(index)
  }

  #begin({ checkpointId }: CheckpointBarrier, nowMs: number): void {
    if (checkpointId > this.#alignment.checkpointId) this.#alignment = { checkpointId, startedMs: nowMs }
  }

  /** A sender flushes behind a barrier: it is the last thing in its batch, and what follows is still in the channel. */
  #follow(orders: readonly GateOrder[], nowMs: number): void {
    for (const order of orders) {
      if (order.kind === 'block') this.#isBlocked[order.channel] = true
      else if (order.kind === 'unblockAll') this.#unblockAll()
      else if (order.kind === 'trigger') this.#trigger(order, nowMs)
      else if (order.kind === 'complete') this.#complete(order.checkpointId, nowMs)
      else if (order.kind === 'abort') this.#abort(order)
      else if (order.kind === 'wakeAt') {
        this.#wakeAtMs = order.timeMs
        this.#events.wakeAt(order.timeMs)
      }
    }
  }

  #trigger({ barrier, isUnaligned, recording: indexes }: TriggerOrder, nowMs: number): void {
    const { startedMs } = this.#alignment
    if (!isUnaligned) {
      this.#events.snapshot({ barrier, startedMs, recording: null })
      return
    }
    const recording = this.#record(barrier.checkpointId, indexes)
    this.#recording = recording
    // What turned unaligned here stays so: those behind this task have waited long enough.
    this.#events.snapshot({ barrier: { ...barrier, isUnaligned: true }, startedMs, recording })
    for (const index of indexes) {
      if (this.#endHasArrived[index]!) this.#follow(this.#gate.onEndArrival(index), nowMs)
    }
  }

  #record(checkpointId: number, indexes: readonly number[]): ChannelRecording {
    const recorders = new Map<number, ChannelRecorder>()
    const recording = new ChannelRecording(checkpointId, recorders)
    for (const index of indexes) {
      const { channel, edge } = this.#channels[index]!
      const recorder = new ChannelRecorder(edge.type, () => recording.grown())
      recorders.set(index, recorder)
      if (this.#recordCurrent(checkpointId, index, recorder)) continue
      for (const restored of this.#restored) if (restored.index === index) restored.frames.record(recorder)
      if (this.#reachedIds[index]! < checkpointId) channel.record(checkpointId, recorder)
    }
    return recording
  }

  /** What is left of the current batch; true if the barrier is in it, and nothing behind it is to be recorded. */
  #recordCurrent(checkpointId: number, index: number, recorder: ChannelRecorder): boolean {
    if (this.#batch === null || this.#current !== index) return false
    recorder.batch(this.#batch, this.#nextRecord, this.#nextEvent)
    return isBoundary(this.#batch.closingEvent, checkpointId)
  }

  #complete(checkpointId: number, nowMs: number): void {
    if (this.#recording?.checkpointId !== checkpointId) return
    this.#recording.complete(nowMs)
    this.#recording = null
  }

  #abort({ checkpointId, reason }: Extract<GateOrder, { kind: 'abort' }>): void {
    if (this.#recording?.checkpointId === checkpointId) this.#stopRecording()
    if (reason === 'subsumed') this.#events.subsumed(checkpointId)
  }

  #stopRecording(): void {
    this.#recording?.giveUp()
    this.#recording = null
    for (const { channel } of this.#channels) channel.stopRecording()
  }

  #unblockAll(): void {
    this.#isBlocked.fill(false)
    this.#channels.forEach(({ channel }, index) => {
      if (channel.hasData) this.#enqueue(index)
    })
  }

  #nextBatch(): RecordBatch | null {
    const restored = this.#nextRestored()
    if (restored !== null) return restored
    if (this.#lookahead !== null) this.#lookAhead(this.#lookahead)
    for (let at = 0; at < this.#ready.length; ) {
      const index = this.#ready[at]!
      const { channel } = this.#channels[index]!
      if (this.#lookahead !== null && channel.peek(0)?.isAwaited === true) {
        at++
        continue
      }
      this.#ready.splice(at, 1)
      this.#isReady[index] = false
      // Blocked after it was queued: by a barrier whose arrival gave up the checkpoint before it, which unblocked all.
      if (this.#isBlocked[index]!) continue
      const batch = channel.poll()
      if (batch === null) continue
      this.#lookahead?.leave(batch)
      this.#isRestored = false
      this.isAwaitingState = false
      return this.#enter(index, batch)
    }
    this.isAwaitingState = this.#ready.length > 0
    return null
  }

  #lookAhead(lookahead: InputLookahead): void {
    for (const index of this.#ready) {
      const { channel, input } = this.#channels[index]!
      for (let depth = 0; lookahead.wantsMore; depth++) {
        const batch = channel.peek(depth)
        if (batch === null) break
        if (!batch.isSeenAhead) lookahead.look(batch, input, this.#events.data)
      }
    }
  }

  #nextRestored(): RecordBatch | null {
    for (; this.#restored.length > 0; this.#restored.shift()) {
      const { index, frames } = this.#restored[0]!
      const batch = frames.poll()
      if (batch === null) continue
      this.#isRestored = true
      return this.#enter(index, batch)
    }
    return null
  }

  #enter(index: number, batch: RecordBatch): RecordBatch {
    this.#current = index
    this.#batch = batch
    this.#nextRecord = 0
    this.#nextEvent = 0
    return batch
  }

  #finishBatch(batch: RecordBatch): void {
    const { channel } = this.#channels[this.#current]!
    this.#recordsBefore[this.#current]! += batch.count
    this.#batch = null
    if (this.#isRestored) return
    channel.release(batch)
    if (channel.hasData) this.#enqueue(this.#current)
  }

  #enqueue(index: number): void {
    if (this.#isReady[index]! || this.#isBlocked[index]!) return
    this.#isReady[index] = true
    this.#ready.push(index)
  }
}
