/**
 * Session windows in event time with an incremental aggregation, the default trigger and no lateness: what most session
 * windows are. The general window operator makes windows, a set of them, and a timer that is deleted and set again of
 * every record; here the sessions of a key are one value, and its timers are set once and put off when they are due.
 *
 * S1. Results are those of the window operator with the same settings.
 * S2. For each session there is a timer at `timer`, not after the session's last ms. When it fires too early, because
 *     the session has grown since, it is set again, at the new end. A timer without a session does nothing.
 * S3. Sessions of a key neither overlap nor touch.
 */
import type { OutputTag } from '../function/output-tag.ts'
import type { Counter } from '../metrics/metric-group.ts'
import type { FlatTable } from '../state/flat-table.ts'
import type { KeyContext } from '../state/key-context.ts'
import type { Timer } from '../state/timer-table.ts'
import type { TimerService } from '../time/timer-service.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import type { WindowAssigner } from '../window/window-assigner.ts'
import { timestampUnusable } from './event-timestamp.ts'
import { newTimerService } from './process-context.ts'
import { keyedBackend, OneInputOperator, type OperatorContext, type Output } from './stream-operator.ts'
import type { Folding } from './window-contents.ts'

export interface SessionWindowOptions<I, A, O> {
  /** Of windows that begin with their record. */
  readonly assigner: WindowAssigner<I>
  /** With `merge`. */
  readonly folding: Folding<I, A, O>
  /** Where late records go; without it they are dropped and counted. */
  readonly lateTag: OutputTag<I> | null
}

interface Session<A> {
  start: number
  /** First ms after it. */
  end: number
  /** When the next timer of it fires. */
  timer: number
  accumulator: A
}

export class SessionWindowOperator<I, A, O> extends OneInputOperator<I, O> {
  readonly #assigner: WindowAssigner<I>
  readonly #folding: Folding<I, A, O>
  readonly #lateTag: OutputTag<I> | null
  #keyContext!: KeyContext
  #sessions!: FlatTable<Session<A>[]>
  #timers!: TimerService
  #lateDropped!: Counter

  constructor({ assigner, folding, lateTag }: SessionWindowOptions<I, A, O>) {
    super()
    this.#assigner = assigner
    this.#folding = folding
    this.#lateTag = lateTag
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    const keyed = keyedBackend(context)
    this.#keyContext = keyed.context
    this.#sessions = keyed.flatTable('window/sessions', sessionsType(this.#folding.type))
    this.#timers = newTimerService(context, {
      onEventTimer: (timer) => this.#onTimer(timer),
      onProcessingTimer() {},
    })
    this.timers = this.#timers
    this.#lateDropped = context.metrics.counter('late_records_dropped_total')
  }

  override processElement(value: I): void {
    const timestamp = this.context.time[0]!
    if (!Number.isSafeInteger(timestamp)) throw timestampUnusable(timestamp, this.context)
    const { start, end } = this.#assigner.assign(value, timestamp)[0]!
    const sessions = this.#sessions.get() ?? []
    const touched = firstTouched(sessions, start, end, 0)
    if (touched === sessions.length) {
      if (end - 1 <= this.#timers.watermark) {
        this.#onLate(value)
        return
      }
      this.#timers.registerEventTimer(end - 1, undefined)
      sessions.push({ start, end, timer: end - 1, accumulator: this.#folding.add(value, undefined) })
    } else {
      const session = sessions[touched]!
      this.#absorb(session, sessions, start, end, touched + 1)
      session.accumulator = this.#folding.add(value, session.accumulator)
    }
    this.#sessions.put(sessions)
  }

  /** Makes `session` one with the record's window, and with the others from `from` on that this touches. */
  #absorb(session: Session<A>, sessions: Session<A>[], start: number, end: number, from: number): void {
    for (;;) {
      const index = firstTouched(sessions, start, end, from)
      if (index === sessions.length) break
      const other = sessions[index]!
      sessions.splice(index, 1)
      session.accumulator = this.#folding.merge!(session.accumulator, other.accumulator)
      session.timer = Math.min(session.timer, other.timer)
      session.start = Math.min(session.start, other.start)
      session.end = Math.max(session.end, other.end)
    }
    if (start < session.start) session.start = start
    if (end > session.end) session.end = end
  }

  #onTimer({ timestamp }: Timer): void {
    const sessions = this.#sessions.get()
    if (sessions === undefined) return
    let open = 0
    for (const session of sessions) {
      if (session.end - 1 === timestamp) {
        this.#emit(session)
        continue
      }
      if (session.timer === timestamp) {
        session.timer = session.end - 1
        this.#timers.registerEventTimer(session.timer, undefined)
      }
      sessions[open++] = session
    }
    sessions.length = open
    if (open === 0) this.#sessions.remove()
    else this.#sessions.put(sessions)
  }

  #emit({ start, end, accumulator }: Session<A>): void {
    const time = this.context.time
    const before = time[0]!
    time[0] = end - 1
    const window = { key: this.#keyContext.key, start, end }
    this.output.collect(this.#folding.result(accumulator, window))
    time[0] = before
  }

  #onLate(value: I): void {
    if (this.#lateTag === null) this.#lateDropped.increment()
    else this.output.collectSide(this.#lateTag.id, value)
  }
}

/** The first session from index `from` on that overlaps or touches a window; the length if there is none. */
function firstTouched(
  sessions: readonly Session<unknown>[],
  start: number,
  end: number,
  from: number,
): number {
  let index = from
  while (index < sessions.length && (sessions[index]!.end < start || sessions[index]!.start > end)) index++
  return index
}

function sessionsType<A>(accumulator: Type<A>): Type<Session<A>[]> {
  const session = t.object({
    start: t.int64,
    end: t.int64,
    timer: t.int64,
    accumulator: accumulator as Type<unknown>,
  })
  return t.list(session) as unknown as Type<Session<A>[]>
}

/** Whether windows are sessions in event time; trigger, evictor and lateness are the caller's matter. */
export function isEventTimeSession(assigner: WindowAssigner<never>): boolean {
  return 'gapMs' in assigner && assigner.timeDomain === 'event'
}
