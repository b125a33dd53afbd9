/**
 * When a window's contents are emitted and when they are thrown away. Triggers are told of each record and of the
 * timers they set; they keep what they need in state of the key and the window. The rules of each are Flink's.
 */
import { SluiceError } from '../base/errors.ts'
import { type Duration, parseDuration } from '../base/units.ts'
import type { ReducingState, ValueState } from '../state/state.ts'
import { reducingState, type StateDescriptor, valueState } from '../state/state-descriptor.ts'
import { MAX_TIMESTAMP } from '../time/timestamp.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import type { Window } from './window.ts'

/** Bits: fire emits the contents, purge drops them; the window itself stays until its cleanup time. */
export const CONTINUE = 0
export const FIRE = 1
export const PURGE = 2
export const FIRE_AND_PURGE = 3
export type TriggerResult = typeof CONTINUE | typeof FIRE | typeof PURGE | typeof FIRE_AND_PURGE

export interface TriggerContext {
  currentWatermark(): number
  processingTime(): number
  registerEventTimer(timestamp: number): void
  deleteEventTimer(timestamp: number): void
  registerProcessingTimer(timestamp: number): void
  deleteProcessingTimer(timestamp: number): void
  /** State of the current key and window. */
  state<S>(descriptor: StateDescriptor<S>): S
}

export interface MergeContext extends TriggerContext {
  /** Adds what the merged windows had in a reducing state to that of the window they became. */
  mergeState<T>(descriptor: StateDescriptor<ReducingState<T>>): void
}

/**
 * Of one's own, for instance a result for the first record of a window and another at its end:
 *
 *     const FIRST = valueState<boolean>('has-fired', t.boolean)
 *     const firstAndLast: Trigger<Order> = {
 *       ...eventTimeTrigger<Order>(),
 *       name: 'first and last',
 *       onElement(order, timestamp, window, context) {
 *         context.registerEventTimer(window.maxTimestamp)
 *         const hasFired = context.state(FIRST)
 *         if (hasFired.value() === true) return CONTINUE
 *         hasFired.update(true)
 *         return FIRE
 *       },
 *       clear(window, context) {
 *         context.deleteEventTimer(window.maxTimestamp)
 *         context.state(FIRST).clear()
 *       },
 *     }
 *
 * All timers a trigger sets are timers of the key and the window; what it has set and kept it removes in `clear`.
 */
export interface Trigger<T> {
  /** Shown in graphs and part of the job's fingerprint. */
  readonly name: string
  onElement(value: T, timestamp: number, window: Window, context: TriggerContext): TriggerResult
  onEventTime(time: number, window: Window, context: TriggerContext): TriggerResult
  onProcessingTime(time: number, window: Window, context: TriggerContext): TriggerResult
  /** Absent: the trigger cannot be used with merging windows. */
  onMerge?(window: Window, context: MergeContext): void
  /** Deletes timers and state of a window that goes away. */
  clear(window: Window, context: TriggerContext): void
}

/**
 * The `onElement`s that do no more than set timers of the window's, always the same: once is enough. Functions and not
 * triggers, since one that is made from another may have an `onElement` of its own.
 */
const timerSetters = new WeakSet<Trigger<never>['onElement']>()

/** Whether it need not be told of further records of a window that has had one since it was opened or purged. */
export function setsTimersOnly({ onElement }: Trigger<never>): boolean {
  return timerSetters.has(onElement)
}

function settingTimersOnly<T>(trigger: Trigger<T>): Trigger<T> {
  timerSetters.add(trigger.onElement)
  return trigger
}

/** Fires when the watermark passes the end of the window, and at once for each late record still allowed. */
export function eventTimeTrigger<T>(): Trigger<T> {
  return {
    name: 'event time',
    onElement(_value, _timestamp, window, context) {
      if (window.maxTimestamp <= context.currentWatermark()) return FIRE
      context.registerEventTimer(window.maxTimestamp)
      return CONTINUE
    },
    onEventTime: (time, window) => (time === window.maxTimestamp ? FIRE : CONTINUE),
    onProcessingTime: () => CONTINUE,
    onMerge(window, context) {
      if (window.maxTimestamp > context.currentWatermark()) context.registerEventTimer(window.maxTimestamp)
    },
    clear: (window, context) => context.deleteEventTimer(window.maxTimestamp),
  }
}

/** Fires when the clock passes the end of the window. */
export function processingTimeTrigger<T>(): Trigger<T> {
  return settingTimersOnly({
    name: 'processing time',
    onElement(_value, _timestamp, window, context) {
      context.registerProcessingTimer(window.maxTimestamp)
      return CONTINUE
    },
    onEventTime: () => CONTINUE,
    onProcessingTime: () => FIRE,
    onMerge(window, context) {
      if (window.maxTimestamp > context.processingTime()) context.registerProcessingTimer(window.maxTimestamp)
    },
    clear: (window, context) => context.deleteProcessingTimer(window.maxTimestamp),
  })
}

const sum = (a: number, b: number): number => a + b
const COUNT = reducingState<number>('trigger-count', sum, t.int64)

/** Fires after every `count` records of a window. What is left over at the end of the window is dropped. */
export function countTrigger<T>(count: number): Trigger<T> {
  if (!Number.isInteger(count) || count < 1) {
    throw new SluiceError('GRAPH_INVALID', `a count trigger needs a positive integer, found ${count}`)
  }
  return {
    name: `count ${count}`,
    onElement(_value, _timestamp, _window, context) {
      const seen = context.state(COUNT)
      seen.add(1)
      if (seen.get()! < count) return CONTINUE
      seen.clear()
      return FIRE
    },
    onEventTime: () => CONTINUE,
    onProcessingTime: () => CONTINUE,
    onMerge: (_window, context) => context.mergeState(COUNT),
    clear: (_window, context) => context.state(COUNT).clear(),
  }
}

/** As `inner`, and drops the contents whenever they are emitted. */
export function purging<T>(inner: Trigger<T>): Trigger<T> {
  const purge = (result: TriggerResult): TriggerResult => (result === FIRE ? FIRE_AND_PURGE : result)
  const onMerge = inner.onMerge?.bind(inner)
  return {
    name: `purging ${inner.name}`,
    onElement: (value, timestamp, window, context) =>
      purge(inner.onElement(value, timestamp, window, context)),
    onEventTime: (time, window, context) => purge(inner.onEventTime(time, window, context)),
    onProcessingTime: (time, window, context) => purge(inner.onProcessingTime(time, window, context)),
    ...(onMerge === undefined ? {} : { onMerge }),
    clear: (window, context) => inner.clear(window, context),
  }
}

const NEXT_FIRE = reducingState<number>('trigger-next-fire', Math.min, t.float64)

/**
 * The next firing is the next multiple of the interval, or the end of the window if that comes first. Where the end is
 * behind already, as that of event-time windows may be for the clock, it no longer counts.
 */
function scheduleFire(
  after: number,
  intervalMs: number,
  window: Window,
  next: ReducingState<number>,
  register: (timestamp: number) => void,
): void {
  const end = window.maxTimestamp
  const timestamp = end < after ? after + intervalMs : Math.min(after + intervalMs, end)
  next.add(timestamp)
  register(timestamp)
}

const floorTo = (timestamp: number, intervalMs: number): number =>
  Math.floor(timestamp / intervalMs) * intervalMs

/** Early results: fires at every multiple of `interval` in event time while the window is open, and at its end. */
export function continuousEventTimeTrigger<T>(interval: Duration): Trigger<T> {
  const intervalMs = positive('trigger interval', interval)
  const schedule = (after: number, window: Window, context: TriggerContext) =>
    scheduleFire(after, intervalMs, window, context.state(NEXT_FIRE), (at) => context.registerEventTimer(at))
  return {
    name: `continuous event time ${intervalMs}ms`,
    onElement(_value, timestamp, window, context) {
      if (window.maxTimestamp <= context.currentWatermark()) return FIRE
      context.registerEventTimer(window.maxTimestamp)
      if (context.state(NEXT_FIRE).get() === undefined)
        schedule(floorTo(timestamp, intervalMs), window, context)
      return CONTINUE
    },
    onEventTime(time, window, context) {
      if (time === window.maxTimestamp) return FIRE
      const next = context.state(NEXT_FIRE)
      if (next.get() !== time) return CONTINUE
      next.clear()
      // At the end of the input a window without end fires once more, not at every multiple up to the end of time.
      const isLast = window.maxTimestamp === MAX_TIMESTAMP && context.currentWatermark() === MAX_TIMESTAMP
      if (!isLast) schedule(time, window, context)
      return FIRE
    },
    onProcessingTime: () => CONTINUE,
    onMerge(_window, context) {
      context.mergeState(NEXT_FIRE)
      const next = context.state(NEXT_FIRE).get()
      if (next !== undefined) context.registerEventTimer(next)
    },
    clear(_window, context) {
      const next = context.state(NEXT_FIRE)
      const timestamp = next.get()
      if (timestamp === undefined) return
      context.deleteEventTimer(timestamp)
      next.clear()
    },
  }
}

/** Early results: fires at every multiple of `interval` of the clock. */
export function continuousProcessingTimeTrigger<T>(interval: Duration): Trigger<T> {
  const intervalMs = positive('trigger interval', interval)
  const schedule = (after: number, window: Window, context: TriggerContext) =>
    scheduleFire(after, intervalMs, window, context.state(NEXT_FIRE), (at) =>
      context.registerProcessingTimer(at),
    )
  return {
    name: `continuous processing time ${intervalMs}ms`,
    onElement(_value, _timestamp, window, context) {
      if (context.state(NEXT_FIRE).get() === undefined) {
        schedule(floorTo(context.processingTime(), intervalMs), window, context)
      }
      return CONTINUE
    },
    onEventTime: () => CONTINUE,
    onProcessingTime(time, window, context) {
      const next = context.state(NEXT_FIRE)
      if (next.get() !== time) return CONTINUE
      next.clear()
      if (time !== window.maxTimestamp) schedule(time, window, context)
      return FIRE
    },
    onMerge(_window, context) {
      context.mergeState(NEXT_FIRE)
      const next = context.state(NEXT_FIRE).get()
      if (next !== undefined) context.registerProcessingTimer(next)
    },
    clear(_window, context) {
      const next = context.state(NEXT_FIRE)
      const timestamp = next.get()
      if (timestamp === undefined) return
      context.deleteProcessingTimer(timestamp)
      next.clear()
    },
  }
}

/** Fires when a record differs from the one that fired last by more than `threshold`. */
export function deltaTrigger<T>(
  threshold: number,
  delta: (previous: T, value: T) => number,
  type?: Type<T>,
): Trigger<T> {
  const LAST: StateDescriptor<ValueState<T>> = valueState('trigger-last', type)
  return {
    name: `delta ${threshold}`,
    onElement(value, _timestamp, _window, context) {
      const last = context.state(LAST)
      const previous = last.value()
      if (previous !== undefined && delta(previous, value) <= threshold) return CONTINUE
      last.update(value)
      return previous === undefined ? CONTINUE : FIRE
    },
    onEventTime: () => CONTINUE,
    onProcessingTime: () => CONTINUE,
    clear: (_window, context) => context.state(LAST).clear(),
  }
}

/** Fires once, at the end of a bounded input. */
export function endOfStreamTrigger<T>(): Trigger<T> {
  return {
    name: 'end of stream',
    onElement(_value, _timestamp, _window, context) {
      context.registerEventTimer(MAX_TIMESTAMP)
      return CONTINUE
    },
    onEventTime: (time) => (time === MAX_TIMESTAMP ? FIRE : CONTINUE),
    onProcessingTime: () => CONTINUE,
    onMerge: (_window, context) => context.registerEventTimer(MAX_TIMESTAMP),
    clear: (_window, context) => context.deleteEventTimer(MAX_TIMESTAMP),
  }
}

/**
 * As `inner`, and at the end of a bounded input fires once more what is still in the window. For windows of processing
 * time: their clock stops with the input, and what they hold would be lost.
 */
export function orEndOfStream<T>(inner: Trigger<T>): Trigger<T> {
  const onMerge = inner.onMerge?.bind(inner)
  const trigger: Trigger<T> = {
    name: `${inner.name}, or end of stream`,
    onElement(value, timestamp, window, context) {
      context.registerEventTimer(MAX_TIMESTAMP)
      return inner.onElement(value, timestamp, window, context)
    },
    // Purged, so that the clock, should it get that far before the job has ended, fires nothing twice.
    onEventTime: (time, window, context) =>
      time === MAX_TIMESTAMP ? FIRE_AND_PURGE : inner.onEventTime(time, window, context),
    onProcessingTime: (time, window, context) => inner.onProcessingTime(time, window, context),
    ...(onMerge === undefined
      ? {}
      : {
          onMerge: (window, context) => {
            context.registerEventTimer(MAX_TIMESTAMP)
            onMerge(window, context)
          },
        }),
    clear(window, context) {
      context.deleteEventTimer(MAX_TIMESTAMP)
      inner.clear(window, context)
    },
  }
  return setsTimersOnly(inner) ? settingTimersOnly(trigger) : trigger
}

/** Never fires. */
export function continueForever<T>(): Trigger<T> {
  return {
    name: 'never',
    onElement: () => CONTINUE,
    onEventTime: () => CONTINUE,
    onProcessingTime: () => CONTINUE,
    onMerge() {},
    clear() {},
  }
}

function positive(what: string, value: Duration): number {
  const ms = parseDuration(value)
  if (ms > 0) return ms
  throw new SluiceError('GRAPH_INVALID', `${what} must be positive, found ${JSON.stringify(value)}`)
}
