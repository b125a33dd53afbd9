/**
 * The contexts process functions are given. One object per operator, reused for every call: what it says holds
 * during the call only.
 */
import type { Key } from '../base/hash.ts'
import type { OutputTag } from '../function/output-tag.ts'
import type { ProcessContext, TimerContext } from '../function/process-functions.ts'
import type { Timer } from '../state/timer-table.ts'
import { type TimerCallbacks, TimerService } from '../time/timer-service.ts'
import { NO_TIMESTAMP, timestampOrUndefined } from '../time/timestamp.ts'
import { keyedBackend, type OperatorContext, type Output } from './stream-operator.ts'

export class RecordContext implements ProcessContext {
  protected readonly operatorContext: OperatorContext
  readonly #output: Output<unknown>
  readonly #watermark: () => number

  /** `watermark`: event time as far as it has come in the operator. */
  constructor(context: OperatorContext, output: Output<unknown>, watermark: () => number) {
    this.operatorContext = context
    this.#output = output
    this.#watermark = watermark
  }

  get timestamp(): number | undefined {
    return timestampOrUndefined(this.operatorContext.time[0]!)
  }

  currentWatermark(): number {
    return this.#watermark()
  }

  processingTime(): number {
    return this.operatorContext.processingTime.now()
  }

  output<T>(tag: OutputTag<T>, value: T): void {
    this.#output.collectSide(tag.id, value)
  }
}

/** With the key and the timers of a keyed process function; none of its timers has a namespace. */
export class KeyedRecordContext<K extends Key> extends RecordContext implements TimerContext<K> {
  /** For the operator, which drives them. */
  readonly timers: TimerService
  timeDomain: 'event' | 'processing' = 'event'
  readonly #onTimer: (timestamp: number) => void

  constructor(context: OperatorContext, output: Output<unknown>, onTimer: (timestamp: number) => void) {
    super(context, output, () => this.timers.watermark)
    this.#onTimer = onTimer
    this.timers = newTimerService(context, {
      onEventTimer: (timer) => this.#fire(timer, 'event', timer.timestamp),
      onProcessingTimer: (timer) => this.#fire(timer, 'processing', NO_TIMESTAMP),
    })
  }

  get currentKey(): K {
    return keyedBackend(this.operatorContext).context.key as K
  }

  registerEventTimer(timestamp: number): void {
    this.timers.registerEventTimer(timestamp, undefined)
  }

  deleteEventTimer(timestamp: number): void {
    this.timers.deleteEventTimer(timestamp, undefined)
  }

  registerProcessingTimer(timestamp: number): void {
    this.timers.registerProcessingTimer(timestamp, undefined)
  }

  deleteProcessingTimer(timestamp: number): void {
    this.timers.deleteProcessingTimer(timestamp, undefined)
  }

  #fire({ timestamp }: Timer, timeDomain: 'event' | 'processing', recordTimestamp: number): void {
    const { time } = this.operatorContext
    const before = time[0]!
    time[0] = recordTimestamp
    this.timeDomain = timeDomain
    this.#onTimer(timestamp)
    time[0] = before
  }
}

/** The timers of a keyed operator, kept in its state backend. */
export function newTimerService(context: OperatorContext, callbacks: TimerCallbacks): TimerService {
  const keyed = keyedBackend(context)
  return new TimerService(
    keyed.timerTable('timers/event'),
    keyed.timerTable('timers/processing'),
    context.processingTime,
    callbacks,
    () => context.shouldPause(),
  )
}
