/**
 * The contexts process functions are given. One object per operator, reused for every call: what it says holds
 * during the call only.
 */
import type { Key } from '../base/hash.ts'
import type { OutputTag } from '../function/output-tag.ts'
import type { ProcessContext, TimerContext } from '../function/process-functions.ts'
import { type TimerCallbacks, TimerService } from '../time/timer-service.ts'
import { timestampOrUndefined } from '../time/timestamp.ts'
import { keyedBackend, type OperatorContext, type Output } from './stream-operator.ts'

export class RecordContext implements ProcessContext {
  protected readonly operatorContext: OperatorContext
  readonly #output: Output<unknown>
  /** Set by the operator whenever event time moves. */
  watermark = Number.NEGATIVE_INFINITY

  constructor(context: OperatorContext, output: Output<unknown>) {
    this.operatorContext = context
    this.#output = output
  }

  get timestamp(): number | undefined {
    return timestampOrUndefined(this.operatorContext.time[0]!)
  }

  currentWatermark(): number {
    return this.watermark
  }

  processingTime(): number {
    return this.operatorContext.processingTime.now()
  }

  output<T>(tag: OutputTag<T>, value: T): void {
    this.#output.collectSide(tag.id, value)
  }
}

/** The timers and the key of a keyed process function; none of its timers has a namespace. */
export class KeyedRecordContext<K extends Key> extends RecordContext implements TimerContext<K> {
  readonly #timers: TimerService
  timeDomain: 'event' | 'processing' = 'event'

  constructor(context: OperatorContext, output: Output<unknown>, timers: TimerService) {
    super(context, output)
    this.#timers = timers
  }

  override currentWatermark(): number {
    return this.#timers.watermark
  }

  get currentKey(): K {
    return keyedBackend(this.operatorContext).context.key as K
  }

  registerEventTimer(timestamp: number): void {
    this.#timers.registerEventTimer(timestamp, undefined)
  }

  deleteEventTimer(timestamp: number): void {
    this.#timers.deleteEventTimer(timestamp, undefined)
  }

  registerProcessingTimer(timestamp: number): void {
    this.#timers.registerProcessingTimer(timestamp, undefined)
  }

  deleteProcessingTimer(timestamp: number): void {
    this.#timers.deleteProcessingTimer(timestamp, undefined)
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
