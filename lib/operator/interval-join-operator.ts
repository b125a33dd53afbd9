/**
 * Joins two keyed streams on time: a left record meets every right record of its key whose timestamp lies in
 * [left + lower, left + upper]. Flink's IntervalJoinOperator.
 *
 * J1. Each side is kept as long as a record of the other that is not late could still meet it: a left record until the
 *     watermark passes its time plus `upper`, a right one until it passes its time minus `lower`; not shorter than its
 *     own time. Timers end it, one per key, side and timestamp.
 * J2. A record is late if its timestamp is less than the watermark; it meets nobody then. One that equals it, which no
 *     honest watermark lets happen, meets those who are still there.
 * J3. A pair comes once, when the later of the two arrives; its timestamp is the greater of theirs.
 */
import type { ProcessJoinContext, RichProcessJoin } from '../function/join-functions.ts'
import type { OutputTag } from '../function/output-tag.ts'
import type { Counter } from '../metrics/metric-group.ts'
import type { NestedTable } from '../state/nested-table.ts'
import type { Timer } from '../state/timer-table.ts'
import type { TimerService } from '../time/timer-service.ts'
import { NO_TIMESTAMP } from '../time/timestamp.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import { timestampUnusable } from './event-timestamp.ts'
import { newTimerService, RecordContext } from './process-context.ts'
import { keyedBackend, type OperatorContext, type Output, TwoInputOperator } from './stream-operator.ts'

/** Both ends belong to the interval. */
export interface JoinInterval {
  readonly lowerMs: number
  readonly upperMs: number
}

export interface JoinSide<T> {
  readonly type: Type<T>
  /** Where late records go; without it they are dropped and counted. */
  readonly lateTag: OutputTag<T> | null
}

export interface IntervalJoinOptions<L, R, O> {
  readonly interval: JoinInterval
  readonly left: JoinSide<L>
  readonly right: JoinSide<R>
  readonly process: RichProcessJoin<L, R, O>
}

class PairContext extends RecordContext implements ProcessJoinContext {
  leftTimestamp = NO_TIMESTAMP
  rightTimestamp = NO_TIMESTAMP
}

/** The records of one side, by timestamp, and how long they stay. */
class Buffer<T> {
  readonly name: 'left' | 'right'
  /** Key and timestamp to the records. */
  readonly table: NestedTable<T[]>
  readonly #type: Type<T>
  readonly #timers: TimerService
  /** From a record's timestamp to the watermark that ends its stay. */
  readonly #stayMs: number

  constructor(
    name: Buffer<T>['name'],
    context: OperatorContext,
    side: JoinSide<T>,
    timers: TimerService,
    stayMs: number,
  ) {
    this.name = name
    this.table = keyedBackend(context).nestedTable(`join/${name}`, t.list(side.type))
    this.#type = side.type
    this.#timers = timers
    this.#stayMs = Math.max(0, stayMs)
  }

  add(value: T, timestamp: number): void {
    const records = this.table.get(timestamp)
    const kept = this.#type.detach(value)
    if (records === undefined) this.table.put(timestamp, [kept])
    else {
      records.push(kept)
      this.table.put(timestamp, records)
    }
    this.#timers.registerEventTimer(timestamp + this.#stayMs, this.name)
  }

  onTimer(timestamp: number): void {
    this.table.remove(timestamp - this.#stayMs)
  }

  /** Calls `meet` for the records of the current key with timestamps from `first` to `last`. */
  forEachBetween(first: number, last: number, meet: (value: T, timestamp: number) => void): void {
    if (last - first < this.table.countOfKey()) {
      for (let timestamp = first; timestamp <= last; timestamp++) {
        for (const value of this.table.get(timestamp) ?? []) meet(value, timestamp)
      }
      return
    }
    for (const [sub, values] of this.table.ofKey()) {
      const timestamp = sub as number
      if (timestamp >= first && timestamp <= last) for (const value of values) meet(value, timestamp)
    }
  }
}

export class IntervalJoinOperator<L, R, O> extends TwoInputOperator<L, R, O> {
  readonly #options: IntervalJoinOptions<L, R, O>
  #left!: Buffer<L>
  #right!: Buffer<R>
  #pair!: PairContext
  #timers!: TimerService
  #lateDropped!: Counter
  /** The record in hand, and what each on the other side is met by: made once, not per record. */
  #arrivedLeft!: L
  #arrivedRight!: R
  readonly #meetRight = (right: R, timestamp: number): void => {
    this.#pair.rightTimestamp = timestamp
    this.#meet(this.#arrivedLeft, right)
  }
  readonly #meetLeft = (left: L, timestamp: number): void => {
    this.#pair.leftTimestamp = timestamp
    this.#meet(left, this.#arrivedRight)
  }

  constructor(options: IntervalJoinOptions<L, R, O>) {
    super(options.process)
    this.#options = options
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    const { interval, left, right } = this.#options
    this.#timers = newTimerService(context, {
      onEventTimer: (timer) => this.#onTimer(timer),
      onProcessingTimer: () => {},
    })
    this.timers = this.#timers
    this.#left = new Buffer('left', context, left, this.#timers, interval.upperMs)
    this.#right = new Buffer('right', context, right, this.#timers, -interval.lowerMs)
    this.#pair = new PairContext(context, output, () => this.#timers.watermark)
    this.#lateDropped = context.metrics.counter('late_records_dropped_total')
  }

  override processElement1(left: L): void {
    const timestamp = this.#timestampOf(left, this.#options.left.lateTag)
    if (timestamp === null) return
    const { lowerMs, upperMs } = this.#options.interval
    this.#left.add(left, timestamp)
    this.#arrivedLeft = left
    this.#pair.leftTimestamp = timestamp
    this.#right.forEachBetween(timestamp + lowerMs, timestamp + upperMs, this.#meetRight)
  }

  override processElement2(right: R): void {
    const timestamp = this.#timestampOf(right, this.#options.right.lateTag)
    if (timestamp === null) return
    const { lowerMs, upperMs } = this.#options.interval
    this.#right.add(right, timestamp)
    this.#arrivedRight = right
    this.#pair.rightTimestamp = timestamp
    this.#left.forEachBetween(timestamp - upperMs, timestamp - lowerMs, this.#meetLeft)
  }

  /** Null if the record is late, which it then has been treated as. */
  #timestampOf<T>(value: T, lateTag: OutputTag<T> | null): number | null {
    const timestamp = this.context.time[0]!
    if (!Number.isSafeInteger(timestamp)) throw timestampUnusable(timestamp, this.context)
    if (timestamp >= this.#timers.watermark) return timestamp
    if (lateTag === null) this.#lateDropped.increment()
    else this.output.collectSide(lateTag.id, value)
    return null
  }

  #meet(left: L, right: R): void {
    const time = this.context.time
    const before = time[0]!
    time[0] = Math.max(this.#pair.leftTimestamp, this.#pair.rightTimestamp)
    this.#options.process.process(left, right, this.#pair, this.output)
    time[0] = before
  }

  #onTimer({ timestamp, sub }: Timer): void {
    if (sub === this.#left.name) this.#left.onTimer(timestamp)
    else this.#right.onTimer(timestamp)
  }
}
