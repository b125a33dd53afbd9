/**
 * Which windows a record belongs to. Assigners are plain, stateless objects; users may write their own.
 *
 *     tumbling('1m')   sliding('10s', '2s')   session('30s')   globalWindow()
 *     tumblingProcessingTime('1m')   slidingProcessingTime('10s', '2s')   sessionProcessingTime('30s')
 */
import { SluiceError } from '../base/errors.ts'
import { type Duration, parseDuration } from '../base/units.ts'
import {
  continueForever,
  endOfStreamTrigger,
  eventTimeTrigger,
  processingTimeTrigger,
  type Trigger,
} from './trigger.ts'
import { GLOBAL_WINDOW, Window, windowStart } from './window.ts'

export type TimeDomain = 'event' | 'processing'

/**
 * Of one's own, for instance business hours: windows from 8 to 18 o'clock (UTC), and none for the night:
 *
 *     const businessHours: WindowAssigner<Order> = {
 *       name: 'business hours',
 *       timeDomain: 'event',
 *       isMerging: false,
 *       fixedSizeMs: 10 * HOUR_MS,
 *       assign(order, timestamp) {
 *         const start = Math.floor(timestamp / DAY_MS) * DAY_MS + 8 * HOUR_MS
 *         const isInside = timestamp >= start && timestamp < start + 10 * HOUR_MS
 *         return isInside ? [new Window(start, start + 10 * HOUR_MS)] : []
 *       },
 *       defaultTrigger: () => eventTimeTrigger(),
 *     }
 */
export interface WindowAssigner<T> {
  /** Shown in graphs and part of the job's fingerprint. */
  readonly name: string
  readonly timeDomain: TimeDomain
  /** Whether windows of one key that overlap or touch become one. */
  readonly isMerging: boolean
  /** Length of every window, where it is the same for all and starts are unique; else null. */
  readonly fixedSizeMs: number | null
  /** `timestamp` is the record's event time, or the clock's in processing time. */
  assign(value: T, timestamp: number): Window[]
  /** What fires the windows where the job sets no trigger; with merging windows it needs `onMerge`. */
  defaultTrigger(): Trigger<T>
}

/** Windows all keys share, on one grid: what makes slicing possible. */
export interface AlignedWindows<T> extends WindowAssigner<T> {
  readonly sizeMs: number
  readonly slideMs: number
  readonly offsetMs: number
}

export interface WindowOptions {
  /** Shifts the grid, which begins at the epoch (UTC) otherwise; may be negative. */
  readonly offset?: Duration
}

class GridWindows<T> implements AlignedWindows<T> {
  readonly name: string
  readonly timeDomain: TimeDomain
  readonly isMerging = false
  readonly fixedSizeMs: number
  readonly sizeMs: number
  readonly slideMs: number
  readonly offsetMs: number

  constructor(timeDomain: TimeDomain, sizeMs: number, slideMs: number, offsetMs: number) {
    this.timeDomain = timeDomain
    this.sizeMs = sizeMs
    this.slideMs = slideMs
    this.offsetMs = offsetMs
    this.fixedSizeMs = sizeMs
    const grid = slideMs === sizeMs ? `tumbling(${sizeMs}ms` : `sliding(${sizeMs}ms, ${slideMs}ms`
    this.name = `${grid}${offsetMs === 0 ? '' : `, offset ${offsetMs}ms`}, ${timeDomain} time)`
  }

  assign(_value: T, timestamp: number): Window[] {
    const windows: Window[] = []
    const last = windowStart(timestamp, this.offsetMs, this.slideMs)
    for (let start = last; start > timestamp - this.sizeMs; start -= this.slideMs) {
      windows.push(new Window(start, start + this.sizeMs))
    }
    return windows
  }

  defaultTrigger(): Trigger<T> {
    return this.timeDomain === 'event' ? eventTimeTrigger() : processingTimeTrigger()
  }
}

/** Windows of `size`, one after the other, in event time. */
export function tumbling<T>(size: Duration, options?: WindowOptions): AlignedWindows<T> {
  return grid('event', size, size, options)
}

/** Windows of `size` beginning every `slide`, in event time. With slide > size, records in the gaps are dropped. */
export function sliding<T>(size: Duration, slide: Duration, options?: WindowOptions): AlignedWindows<T> {
  return grid('event', size, slide, options)
}

export function tumblingProcessingTime<T>(size: Duration, options?: WindowOptions): AlignedWindows<T> {
  return grid('processing', size, size, options)
}

export function slidingProcessingTime<T>(
  size: Duration,
  slide: Duration,
  options?: WindowOptions,
): AlignedWindows<T> {
  return grid('processing', size, slide, options)
}

function grid<T>(
  domain: TimeDomain,
  size: Duration,
  slide: Duration,
  options: WindowOptions = {},
): AlignedWindows<T> {
  const offsetMs = options.offset === undefined ? 0 : parseDuration(options.offset)
  const sizeMs = positive('window size', size)
  const slideMs = positive('window slide', slide)
  if (Math.abs(offsetMs) >= slideMs) {
    throw new SluiceError(
      'GRAPH_INVALID',
      `window offset ${offsetMs}ms must be smaller than the slide ${slideMs}ms`,
    )
  }
  return new GridWindows(domain, sizeMs, slideMs, offsetMs)
}

/** How long a gap ends a session: fixed, or read from the record that begins it. */
export type SessionGap<T> = Duration | ((value: T) => number)

class SessionWindows<T> implements WindowAssigner<T> {
  readonly name: string
  readonly timeDomain: TimeDomain
  readonly isMerging = true
  readonly fixedSizeMs = null
  /** The gap where it is the same for all records; else null. */
  readonly gapMs: number | null
  readonly #gapOf: ((value: T) => number) | null

  constructor(timeDomain: TimeDomain, gap: SessionGap<T>) {
    this.timeDomain = timeDomain
    this.#gapOf = typeof gap === 'function' ? gap : null
    this.gapMs = typeof gap === 'function' ? null : positive('session gap', gap)
    this.name = `session(${this.gapMs === null ? 'gap per record' : `${this.gapMs}ms`}, ${timeDomain} time)`
  }

  assign(value: T, timestamp: number): Window[] {
    return [new Window(timestamp, timestamp + (this.gapMs ?? this.#readGap(value)))]
  }

  defaultTrigger(): Trigger<T> {
    return this.timeDomain === 'event' ? eventTimeTrigger() : processingTimeTrigger()
  }

  #readGap(value: T): number {
    const gapMs = this.#gapOf!(value)
    if (Number.isInteger(gapMs) && gapMs > 0) return gapMs
    throw new SluiceError(
      'GRAPH_INVALID',
      `a session gap must be a positive number of milliseconds, found ${gapMs}`,
    )
  }
}

/** Windows of activity of one key, ended by a gap without records, in event time. */
export function session<T>(gap: SessionGap<T>): WindowAssigner<T> {
  return new SessionWindows('event', gap)
}

export function sessionProcessingTime<T>(gap: SessionGap<T>): WindowAssigner<T> {
  return new SessionWindows('processing', gap)
}

/** Time decides neither about the window of a record nor about its end: nothing is late, nothing needs a timestamp. */
const globalWindows: Omit<WindowAssigner<never>, 'defaultTrigger' | 'name'> = {
  timeDomain: 'processing',
  isMerging: false,
  fixedSizeMs: null,
  assign: () => [GLOBAL_WINDOW],
}

/** One window for all of time. It never fires by itself: set a trigger. */
export function globalWindow<T>(): WindowAssigner<T> {
  return { ...globalWindows, name: 'global', defaultTrigger: continueForever } as WindowAssigner<T>
}

/** One window for all of time that fires when a bounded input has ended. */
export function endOfStreamWindow<T>(): WindowAssigner<T> {
  return { ...globalWindows, name: 'end of stream', defaultTrigger: endOfStreamTrigger } as WindowAssigner<T>
}

function positive(what: string, value: Duration): number {
  const ms = parseDuration(value)
  if (ms > 0) return ms
  throw new SluiceError('GRAPH_INVALID', `${what} must be positive, found ${JSON.stringify(value)}`)
}
