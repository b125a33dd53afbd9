/**
 * A watermark strategy set on a stream rather than on its source: new timestamps, new watermarks. Watermarks and
 * idleness from upstream end here, save the last watermark of all. Flink's TimestampsAndWatermarksOperator.
 */
import { SluiceError } from '../base/errors.ts'
import { MAX_TIMESTAMP, timestampOrUndefined } from '../time/timestamp.ts'
import type { TimestampAssigner, WatermarkGenerator, WatermarkStrategy } from '../time/watermark-strategy.ts'
import { OneInputOperator } from './stream-operator.ts'
import { WatermarkEmitter } from './watermark-emitter.ts'

export class TimestampsOperator<T> extends OneInputOperator<T, T> {
  readonly #strategy: WatermarkStrategy<T>
  #generator!: WatermarkGenerator<T>
  #emitter!: WatermarkEmitter
  #timer: { cancel(): void } | null = null

  constructor(strategy: WatermarkStrategy<T>) {
    super()
    this.#strategy = strategy
  }

  override open(): void {
    this.#generator = this.#strategy.newGenerator(this.context.clock)
    this.#emitter = new WatermarkEmitter(this.output)
    this.#schedule()
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
    this.#timer?.cancel()
  }

  #schedule(): void {
    const { processingTime, watermarkIntervalMs } = this.context
    if (watermarkIntervalMs <= 0) return
    this.#timer = processingTime.callAt(processingTime.now() + watermarkIntervalMs, () => {
      this.#generator.onPeriodicEmit(this.#emitter)
      this.#schedule()
    })
  }
}

/** The timestamp a strategy reads from a record; throws TIMESTAMP_INVALID unless it is a whole number. */
export function assignTimestamp<T>(
  assigner: TimestampAssigner<T>,
  value: T,
  previous: number,
  operatorName: string,
): number {
  const timestamp = assigner(value, timestampOrUndefined(previous))
  if (Math.floor(timestamp) === timestamp) return timestamp
  throw new SluiceError(
    'TIMESTAMP_INVALID',
    `operator "${operatorName}": the timestamp of a record must be an integer number of milliseconds, found ${timestamp}`,
  )
}
