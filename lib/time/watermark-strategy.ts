/**
 * How a stream gets its event time: where a record's timestamp is, and how far time has come once it was seen.
 *
 *     boundedOutOfOrderness('5s', (trade) => trade.at).withIdleness('30s')
 *
 * A generator is made per source split (or per subtask where the strategy is set on a stream).
 */
import type { Clock } from '../base/clock.ts'
import { SluiceError } from '../base/errors.ts'
import { type Duration, parseDuration } from '../base/units.ts'
import { MIN_TIMESTAMP } from './timestamp.ts'
import type { WatermarkAlignment } from './watermark-alignment.ts'

/** Where a generator puts its watermarks. Going back is ignored; a watermark implies activity. */
export interface WatermarkOutput {
  emitWatermark(timestamp: number): void
  markIdle(): void
  markActive(): void
}

export interface WatermarkGenerator<T> {
  /** Called for each record; punctuated generators emit from here. */
  onEvent(value: T, timestamp: number, output: WatermarkOutput): void
  /** Called every `watermarks.interval`; periodic generators emit from here. */
  onPeriodicEmit(output: WatermarkOutput): void
}

/** Reads a record's timestamp, ms since the epoch; `previous` is the one it carries already, if any. */
export type TimestampAssigner<T> = (value: T, previous: number | undefined) => number

const ALIGNMENT_UPDATE_INTERVAL = '200ms'

export class WatermarkStrategy<T> {
  readonly createGenerator: () => WatermarkGenerator<T>
  readonly timestampOf: TimestampAssigner<T> | null
  readonly idleTimeoutMs: number | null
  readonly alignment: WatermarkAlignment | null

  constructor(
    createGenerator: () => WatermarkGenerator<T>,
    timestampOf: TimestampAssigner<T> | null = null,
    idleTimeoutMs: number | null = null,
    alignment: WatermarkAlignment | null = null,
  ) {
    this.createGenerator = createGenerator
    this.timestampOf = timestampOf
    this.idleTimeoutMs = idleTimeoutMs
    this.alignment = alignment
  }

  /** The same strategy reading timestamps by `timestampOf`. */
  withTimestamps(timestampOf: TimestampAssigner<T>): WatermarkStrategy<T> {
    return new WatermarkStrategy(this.createGenerator, timestampOf, this.idleTimeoutMs, this.alignment)
  }

  /** The same strategy; a split without records for longer than `timeout` no longer holds event time back. */
  withIdleness(timeout: Duration): WatermarkStrategy<T> {
    const idleTimeoutMs = positive('idleness timeout', timeout)
    return new WatermarkStrategy(this.createGenerator, this.timestampOf, idleTimeoutMs, this.alignment)
  }

  /**
   * The same strategy; the source pauses while its watermark is more than `maxDrift` ahead of that of the slowest
   * subtask of the sources with the same `group` in this job, and so does each split of it, where the source can read
   * some splits and not others. For sources, and for streams that are chained with one. Sources ask about each other
   * every `updateInterval`, default 200 ms; history is read no faster than about one drift per interval.
   */
  withAlignment(
    group: string,
    maxDrift: Duration,
    updateInterval: Duration = ALIGNMENT_UPDATE_INTERVAL,
  ): WatermarkStrategy<T> {
    if (typeof group !== 'string' || group === '') {
      throw new SluiceError(
        'GRAPH_INVALID',
        `an alignment group needs a name, found ${JSON.stringify(group)}`,
      )
    }
    const alignment = {
      group,
      maxDriftMs: positive('alignment drift', maxDrift),
      updateIntervalMs: positive('alignment update interval', updateInterval),
    }
    return new WatermarkStrategy(this.createGenerator, this.timestampOf, this.idleTimeoutMs, alignment)
  }

  /** A new generator, wrapped so that it notices idleness if the strategy asks for it. */
  newGenerator(clock: Clock): WatermarkGenerator<T> {
    const generator = this.createGenerator()
    return this.idleTimeoutMs === null
      ? generator
      : new IdlenessWatermarks(generator, this.idleTimeoutMs, clock)
  }
}

/** Records come at most `delay` late: the watermark trails the greatest timestamp by `delay` plus 1 ms. */
export function boundedOutOfOrderness<T>(
  delay: Duration,
  timestampOf?: TimestampAssigner<T>,
): WatermarkStrategy<T> {
  const delayMs = parseDuration(delay)
  if (delayMs < 0)
    throw new SluiceError('GRAPH_INVALID', `out-of-orderness must not be negative, found ${delay}`)
  return new WatermarkStrategy(() => new BoundedOutOfOrdernessWatermarks<T>(delayMs), timestampOf)
}

/** Timestamps never go back within a split. */
export function ascendingTimestamps<T>(timestampOf?: TimestampAssigner<T>): WatermarkStrategy<T> {
  return new WatermarkStrategy(() => new BoundedOutOfOrdernessWatermarks<T>(0), timestampOf)
}

/** A watermark whenever `watermarkOf` returns one for a record. */
export function punctuated<T>(
  watermarkOf: (value: T, timestamp: number) => number | undefined,
  timestampOf?: TimestampAssigner<T>,
): WatermarkStrategy<T> {
  const generator: WatermarkGenerator<T> = {
    onEvent(value, timestamp, output) {
      const watermark = watermarkOf(value, timestamp)
      if (watermark !== undefined) output.emitWatermark(watermark)
    },
    onPeriodicEmit() {},
  }
  return new WatermarkStrategy(() => generator, timestampOf)
}

/** The user's own generator, made afresh for every split. */
export function watermarkGenerator<T>(
  create: () => WatermarkGenerator<T>,
  timestampOf?: TimestampAssigner<T>,
): WatermarkStrategy<T> {
  return new WatermarkStrategy(create, timestampOf)
}

/** No event time before the end of the input: for jobs on processing time. */
export function noWatermarks<T>(timestampOf?: TimestampAssigner<T>): WatermarkStrategy<T> {
  return new WatermarkStrategy(() => ({ onEvent() {}, onPeriodicEmit() {} }), timestampOf)
}

class BoundedOutOfOrdernessWatermarks<T> implements WatermarkGenerator<T> {
  readonly #delayMs: number
  #greatest = MIN_TIMESTAMP

  constructor(delayMs: number) {
    this.#delayMs = delayMs
  }

  onEvent(_value: T, timestamp: number): void {
    if (timestamp > this.#greatest) this.#greatest = timestamp
  }

  onPeriodicEmit(output: WatermarkOutput): void {
    output.emitWatermark(this.#greatest - this.#delayMs - 1)
  }
}

/**
 * Declares its split idle after more than the timeout without records, counted from the first periodic check
 * that saw none. The split is active again with its next watermark, not with its next record: until then it has
 * nothing to hold others back with. Flink's WatermarksWithIdleness.
 */
class IdlenessWatermarks<T> implements WatermarkGenerator<T> {
  readonly #generator: WatermarkGenerator<T>
  readonly #timeoutMs: number
  readonly #clock: Clock
  #hasActivity = false
  #inactiveSinceMs: number | null = null
  #isIdle = false

  constructor(generator: WatermarkGenerator<T>, timeoutMs: number, clock: Clock) {
    this.#generator = generator
    this.#timeoutMs = timeoutMs
    this.#clock = clock
  }

  onEvent(value: T, timestamp: number, output: WatermarkOutput): void {
    this.#hasActivity = true
    this.#isIdle = false
    this.#generator.onEvent(value, timestamp, output)
  }

  onPeriodicEmit(output: WatermarkOutput): void {
    if (!this.#hasBecomeIdle()) this.#generator.onPeriodicEmit(output)
    else if (!this.#isIdle) {
      this.#isIdle = true
      output.markIdle()
    }
  }

  #hasBecomeIdle(): boolean {
    if (this.#hasActivity) {
      this.#hasActivity = false
      this.#inactiveSinceMs = null
      return false
    }
    const nowMs = this.#clock.monotonic()
    if (this.#inactiveSinceMs === null) {
      this.#inactiveSinceMs = nowMs
      return false
    }
    return nowMs - this.#inactiveSinceMs > this.#timeoutMs
  }
}

function positive(what: string, value: Duration): number {
  const ms = parseDuration(value)
  if (ms > 0) return ms
  throw new SluiceError('GRAPH_INVALID', `${what} must be positive, found ${JSON.stringify(value)}`)
}
