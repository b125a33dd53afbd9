/**
 * Cases of barriers, played to a gate between a model of channels and a model of a task: channels are queues, the task
 * processes whatever it finds in those that are not blocked, and keeps what the gate has it record.
 */
import { BarrierGate, type GateOrder } from '../../lib/checkpoint/barrier-gate.ts'
import { BarrierTracker } from '../../lib/checkpoint/barrier-tracker.ts'
import type { CheckpointBarrier } from '../../lib/network/stream-event.ts'
import { CaseError, checkFields, type Json, type JsonObject, numberOf, objectOf, stringOf } from './case.ts'
import type { Adapter, Subject } from './run-case.ts'

type Item =
  | { readonly kind: 'buffer'; readonly id: string }
  | { readonly kind: 'barrier'; readonly barrier: CheckpointBarrier }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'end' }

const MODES: readonly string[] = ['aligned', 'at-least-once', 'unaligned', 'aligned-with-timeout']
const ARRIVALS: readonly string[] = ['buffer', 'barrier', 'cancel', 'end']

export const barrierAdapter: Adapter = {
  variants: (config) => {
    checkFields(config, 'config', ['op', 'mode', 'channels', 'checkpointAfterEndOfInput', 'alignmentTimeout'])
    if (config.op !== 'barrier-gate') throw new CaseError(`unknown op ${JSON.stringify(config.op)}`)
    if (!MODES.includes(String(config.mode)))
      throw new CaseError(`unknown mode ${JSON.stringify(config.mode)}`)
    return [{ name: '', open: () => new ModelTask(config) }]
  },
}

/** A task behind a gate; `config` is that of a case, and so are the steps. */
export class ModelTask implements Subject {
  /** Checkpoints whose snapshots have all they need. */
  readonly completed: number[] = []
  readonly #mode: string
  readonly #timeoutMs: number
  readonly #gate: BarrierGate | BarrierTracker
  readonly #queues: Item[][]
  readonly #blocked = new Set<number>()
  /** Channels whose data is kept, for which checkpoint. */
  readonly #recording = new Map<number, number>()
  /** Checkpoint -> channel -> buffers. */
  readonly #persisted = new Map<number, Map<number, string[]>>()
  /** While paused: what has come, in order. */
  readonly #inbox: { readonly channel: number; readonly item: Item }[] = []
  #isPaused = false
  #nowMs = 0
  #wakeAtMs = Number.POSITIVE_INFINITY
  #outputs: Json[] = []

  constructor(config: JsonObject) {
    const channels = numberOf(config, 'channels')
    const isAfterEnd = config.checkpointAfterEndOfInput === true
    this.#mode = stringOf(config, 'mode')
    this.#timeoutMs =
      config.alignmentTimeout === undefined ? Number.POSITIVE_INFINITY : numberOf(config, 'alignmentTimeout')
    this.#gate =
      this.#mode === 'at-least-once'
        ? new BarrierTracker(channels, isAfterEnd)
        : new BarrierGate(channels, isAfterEnd)
    this.#queues = Array.from({ length: channels }, () => [])
  }

  step(step: JsonObject): readonly Json[] {
    this.#outputs = []
    checkFields(step, 'step', [...ARRIVALS, 'time', 'pause', 'resume'])
    if (step.time !== undefined) this.#nowMs = numberOf(step, 'time')
    else if (step.pause === true) this.#isPaused = true
    else if (step.resume === true) this.#isPaused = false
    else this.#inbox.push(this.#arrivalOf(step))
    if (!this.#isPaused) this.#run()
    return this.#outputs
  }

  facts(): JsonObject {
    const persisted = [...this.#persisted].map(([id, byChannel]) => {
      const filled = [...byChannel].filter(([, buffers]) => buffers.length > 0)
      return [id, Object.fromEntries(filled)] as const
    })
    return {
      blocked: [...this.#blocked].sort((a, b) => a - b),
      persisted: Object.fromEntries(persisted.filter(([, channels]) => Object.keys(channels).length > 0)),
    }
  }

  #arrivalOf(step: JsonObject): { channel: number; item: Item } {
    const kind = ARRIVALS.find((each) => step[each] !== undefined)
    if (kind === undefined) throw new CaseError(`unknown step ${JSON.stringify(step)}`)
    const details = objectOf(step, kind)
    checkFields(details, kind, ['channel', 'id', 'savepoint'])
    const channel = numberOf(details, 'channel')
    switch (kind) {
      case 'buffer':
        return { channel, item: { kind, id: stringOf(details, 'id') } }
      case 'barrier':
        return { channel, item: { kind, barrier: this.#barrierOf(details) } }
      case 'cancel':
        return { channel, item: { kind, id: numberOf(details, 'id') } }
      default:
        return { channel, item: { kind: 'end' } }
    }
  }

  #barrierOf(details: JsonObject): CheckpointBarrier {
    const isSavepoint = details.savepoint === true
    return {
      kind: 'barrier',
      checkpointId: numberOf(details, 'id'),
      timestamp: this.#nowMs,
      isSavepoint,
      isUnaligned: this.#mode === 'unaligned' && !isSavepoint,
      alignmentTimeoutMs: this.#timeoutMs,
    }
  }

  /** Takes in all that has come, then the time, then works until nothing is left that may be processed. */
  #run(): void {
    for (const { channel, item } of this.#inbox.splice(0)) {
      const recordingId = this.#recording.get(channel)
      if (item.kind === 'buffer' && recordingId !== undefined) this.#persist(recordingId, channel, [item.id])
      this.#queues[channel]!.push(item)
      if (item.kind !== 'barrier') continue
      this.#follow(this.#gate.onArrival(channel, item.barrier, item.barrier.timestamp))
    }
    if (this.#nowMs >= this.#wakeAtMs) {
      this.#wakeAtMs = Number.POSITIVE_INFINITY
      this.#follow(this.#gate.onTime(this.#nowMs))
    }
    for (;;) {
      const channel = this.#queues.findIndex((queue, i) => queue.length > 0 && !this.#blocked.has(i))
      if (channel < 0) return
      this.#process(channel, this.#queues[channel]!.shift()!)
    }
  }

  #process(channel: number, item: Item): void {
    switch (item.kind) {
      case 'buffer':
        this.#outputs.push({ process: item.id, channel })
        break
      case 'barrier':
        this.#follow(this.#gate.onBarrier(channel, item.barrier, this.#nowMs))
        break
      case 'cancel':
        this.#follow(this.#gate.onCancel(item.id, channel))
        break
      case 'end':
        this.#follow(this.#gate.onEnd(channel))
        break
    }
  }

  #follow(orders: readonly GateOrder[]): void {
    for (const order of orders) {
      switch (order.kind) {
        case 'block':
          this.#blocked.add(order.channel)
          break
        case 'unblockAll':
          this.#blocked.clear()
          break
        case 'trigger':
          this.#trigger(order)
          break
        case 'recorded':
          this.#recording.delete(order.channel)
          break
        case 'complete':
          this.completed.push(order.checkpointId)
          break
        case 'abort':
          this.#recording.clear()
          this.#persisted.delete(order.checkpointId)
          this.#outputs.push({ abort: order.checkpointId, reason: order.reason })
          break
        case 'wakeAt':
          this.#wakeAtMs = order.timeMs
      }
    }
  }

  #trigger({ barrier, isUnaligned, recording }: Extract<GateOrder, { kind: 'trigger' }>): void {
    const { checkpointId } = barrier
    const mode = isUnaligned ? 'unaligned' : 'aligned'
    this.#outputs.push({
      trigger: checkpointId,
      ...(this.#mode === 'aligned-with-timeout' ? { mode } : {}),
    })
    for (const channel of recording) {
      this.#recording.set(channel, checkpointId)
      this.#persist(checkpointId, channel, this.#queuedBefore(channel, checkpointId))
    }
  }

  #queuedBefore(channel: number, checkpointId: number): string[] {
    const queue = this.#queues[channel]!
    const end = queue.findIndex(
      (item) => item.kind === 'barrier' && item.barrier.checkpointId === checkpointId,
    )
    return queue
      .slice(0, end < 0 ? queue.length : end)
      .flatMap((item) => (item.kind === 'buffer' ? [item.id] : []))
  }

  #persist(checkpointId: number, channel: number, buffers: readonly string[]): void {
    const byChannel = this.#persisted.get(checkpointId) ?? new Map<number, string[]>()
    this.#persisted.set(checkpointId, byChannel)
    byChannel.set(channel, [...(byChannel.get(channel) ?? []), ...buffers])
  }
}
