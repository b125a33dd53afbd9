/**
 * A watermark strategy set on a stream rather than on its source: new timestamps, new watermarks. Watermarks and
 * idleness from upstream end here, save the last watermark of all. Flink's TimestampsAndWatermarksOperator.
 */
import { SluiceError } from '../base/errors.ts'
import { MAX_TIMESTAMP, timestampOrUndefined } from '../time/timestamp.ts'
import { AlignedWatermark } from '../time/watermark-alignment.ts'
import type { TimestampAssigner, WatermarkGenerator, WatermarkStrategy } from '../time/watermark-strategy.ts'
import { PeriodicEmission } from './periodic-emission.ts'
import { OneInputOperator } from './stream-operator.ts'
import { WatermarkEmitter } from './watermark-emitter.ts'

export class TimestampsOperator<T> extends OneInputOperator<T, T> {
  override readonly aligned: AlignedWatermark | null
  readonly #strategy: WatermarkStrategy<T>
  #generator!: WatermarkGenerator<T>
  #emitter!: WatermarkEmitter
  #periodic: PeriodicEmission | null = null

  constructor(strategy: WatermarkStrategy<T>) {
    super()
    this.#strategy = strategy
    this.aligned = strategy.alignment === null ? null : new AlignedWatermark(strategy.alignment)
  }

  override open(): void {
    this.#generator = this.#strategy.newGenerator(this.context.clock)
    this.#emitter = new WatermarkEmitter(this.output, this.aligned)
    this.#periodic = new PeriodicEmission(this.context, () => this.emitPeriodicWatermark())
    this.#periodic.start()
  }

  /** Who waits for others is not idle: the generator's clock stands still meanwhile. */
  override emitPeriodicWatermark(): void {
    if (this.aligned?.isAhead !== true) this.#generator.onPeriodicEmit(this.#emitter)
  }

  override processElement(value: T): void {
    const time = this.context.time
    const before = time[0]!
    const assigner = this.#strategy.timestampOf
    const timestamp =
      assigner === null ? before : assignTimestamp(assigner, value, before, this.context.operatorName)
    time[0] = timestamp
    this.output.collect(value)
    this.#generator.onEvent(value, timestamp, this.#emitter)
    time[0] = before
  }

  override processWatermark(timestamp: number): boolean {
    if (timestamp === MAX_TIMESTAMP) this.#emitter.emitWatermark(timestamp)
    return true
  }

  override processStatus(): void {}

  override finish(): void {
    this.#generator.onPeriodicEmit(this.#emitter)
  }

  override close(): void {
    this.#periodic?.close()
  }
}

/** The timestamp a strategy reads from a record. Throws TIMESTAMP_INVALID unless it is a whole number. */
export function assignTimestamp<T>(
  assigner: TimestampAssigner<T>,
  value: T,
  previous: number,
  operatorName: string,
): number {
  const timestamp = assigner(value, timestampOrUndefined(previous))
  if (Number.isSafeInteger(timestamp)) return timestamp
  throw timestampInvalid(timestamp, operatorName)
}

/** Throws TIMESTAMP_INVALID unless a timestamp that came with a record is a whole number, or NaN for none. */
export function checkTimestamp(timestamp: number, operatorName: string): void {
  if (Number.isSafeInteger(timestamp) || Number.isNaN(timestamp)) return
  throw timestampInvalid(timestamp, operatorName)
}

function timestampInvalid(timestamp: unknown, operatorName: string): SluiceError {
  return new SluiceError(
    'TIMESTAMP_INVALID',
    `operator "${operatorName}": the timestamp of a record must be an integer number of milliseconds since the epoch, found ${timestamp}`,
  )
}
