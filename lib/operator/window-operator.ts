/**
 * The general window operator: any assigner, trigger, evictor and lateness, merging or not. The rules, down to the
 * order of steps, are those of Flink's WindowOperator (and EvictingWindowOperator); aligned windows that fire once
 * and keep one accumulator are done faster by the slice window operator.
 *
 * W1. A window is late when maxTimestamp + allowed lateness <= watermark, and its state is gone by then.
 * W2. A record is late only if no window took it; it then goes to the late output or is counted as dropped.
 * W3. Contents of merging windows live under the state window, trigger state and timers under the window in use.
 */
import { SluiceError } from '../base/errors.ts'
import type { Key } from '../base/hash.ts'
import type { OutputTag } from '../function/output-tag.ts'
import type { ProcessWindowContext } from '../function/window-function.ts'
import type { Counter } from '../metrics/metric-group.ts'
import type { SubKey } from '../state/entry.ts'
import type { FlatTable } from '../state/flat-table.ts'
import type { NestedTable } from '../state/nested-table.ts'
import type { StateDescriptor } from '../state/state-descriptor.ts'
import type { Timer } from '../state/timer-table.ts'
import type { TimerService } from '../time/timer-service.ts'
import { t } from '../types/t.ts'
import { MergingWindows } from '../window/merging-windows.ts'
import { FIRE, PURGE, setsTimersOnly, type Trigger, type TriggerResult } from '../window/trigger.ts'
import { Window } from '../window/window.ts'
import type { WindowAssigner } from '../window/window-assigner.ts'
import { timestampUnusable } from './event-timestamp.ts'
import { newTimerService } from './process-context.ts'
import { keyedBackend, OneInputOperator, type OperatorContext, type Output } from './stream-operator.ts'
import type { WindowContents } from './window-contents.ts'
import { WindowTriggerContext } from './window-trigger-context.ts'

export interface WindowOperatorOptions<I, A, O> {
  readonly assigner: WindowAssigner<I>
  readonly trigger: Trigger<I>
  readonly contents: WindowContents<I, A, O>
  readonly allowedLatenessMs: number
  /** Where late records go; without it they are dropped and counted. */
  readonly lateTag: OutputTag<I> | null
}

const WINDOW_SET_TYPE = t.list(t.tuple(t.float64, t.float64, t.float64, t.float64))
type WindowSet = [number, number, number, number][]

export class WindowOperator<I, A, O> extends OneInputOperator<I, O> {
  readonly #assigner: WindowAssigner<I>
  readonly #trigger: Trigger<I>
  /** A record does no more to its window than to be added and to set timers. */
  readonly #hasTimersOnly: boolean
  readonly #contents: WindowContents<I, A, O>
  readonly #latenessMs: number
  readonly #lateTag: OutputTag<I> | null
  readonly #isEventTime: boolean
  #table!: NestedTable<A>
  /** Windows in use per key; only with a merging assigner. */
  #windowSets: FlatTable<WindowSet> | null = null
  #timers!: TimerService
  #triggerContext!: WindowTriggerContext
  #processContext!: ProcessWindowContext<Key>
  #lateDropped!: Counter

  constructor(options: WindowOperatorOptions<I, A, O>) {
    super(options.contents.process)
    this.#assigner = options.assigner
    this.#trigger = options.trigger
    this.#hasTimersOnly = !options.assigner.isMerging && setsTimersOnly(options.trigger)
    this.#contents = options.contents
    this.#latenessMs = options.allowedLatenessMs
    this.#lateTag = options.lateTag
    this.#isEventTime = options.assigner.timeDomain === 'event'
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    const keyed = keyedBackend(context)
    this.#table = keyed.nestedTable('window/contents', this.#contents.stateType)
    if (this.#assigner.isMerging) this.#windowSets = keyed.flatTable('window/set', WINDOW_SET_TYPE)
    this.#lateDropped = context.metrics.counter('late_records_dropped_total')
    this.#timers = newTimerService(context, {
      onEventTimer: (timer) => this.#onTimer(timer, true),
      onProcessingTimer: (timer) => this.#onTimer(timer, false),
    })
    this.timers = this.#timers
    this.#triggerContext = new WindowTriggerContext(keyed, this.#timers, (window) => this.#idOf(window))
    this.#processContext = this.#newProcessContext()
  }

  /** Where the record in hand goes if it is late. */
  protected get lateTag(): OutputTag<I> | null {
    return this.#lateTag
  }

  override processElement(value: I): void {
    const timestamp = this.context.time[0]!
    const windows = this.#assigner.assign(value, this.#assignmentTime(timestamp))
    let isTaken = false
    for (const window of windows) {
      if (
        this.#windowSets === null
          ? this.#addTo(window, value, timestamp)
          : this.#merge(window, value, timestamp)
      ) {
        isTaken = true
      }
    }
    if (!isTaken && this.#isEventTime && timestamp + this.#latenessMs <= this.#timers.watermark) {
      this.#onLate(value)
    }
  }

  /** What decides about a record's windows: its own time, or the clock's. Triggers and evictors see its own. */
  #assignmentTime(timestamp: number): number {
    if (!this.#isEventTime) return this.context.processingTime.now()
    const isNeeded = this.#assigner.fixedSizeMs !== null || this.#assigner.isMerging
    if (isNeeded && !Number.isSafeInteger(timestamp)) throw timestampUnusable(timestamp, this.context)
    return timestamp
  }

  /** Adds a record to a window of its own; false if the window is late. */
  #addTo(window: Window, value: I, timestamp: number): boolean {
    if (this.#isLate(window)) return false
    this.#addAndTrigger(window, this.#idOf(window), value, timestamp)
    return true
  }

  /** Adds a record to the merged window that `window` becomes part of; false if that is late. */
  #merge(window: Window, value: I, timestamp: number): boolean {
    const windows = this.#readWindowSet()
    const inUse = windows.add(window, (merge) => this.#onMerge(merge))
    // It is new then, since those in use are not late: the set need not be written.
    if (this.#isLate(inUse)) return false
    this.#writeWindowSet(windows)
    this.#addAndTrigger(inUse, this.#idOf(windows.stateWindowOf(inUse)!), value, timestamp)
    return true
  }

  #onMerge(merge: Parameters<Parameters<MergingWindows['add']>[1]>[0]): void {
    const deadline = this.#isEventTime ? this.#timers.watermark : this.#timers.processingTimeMs
    if (this.#cleanupTime(merge.result) <= deadline) {
      throw new SluiceError(
        'USER_FUNCTION_FAILED',
        `operator "${this.context.operatorName}": merging made a window that ends at ${merge.result.end}, which ${deadline} has already passed`,
      )
    }
    const trigger = this.#triggerContext
    trigger.merge(merge.result, merge.sources, () => this.#trigger.onMerge!(merge.result, trigger))
    for (const source of merge.sources) {
      trigger.enter(source)
      this.#trigger.clear(source, trigger)
      this.#cleanupTimer(source, false)
    }
    const target = this.#idOf(merge.stateWindow)
    for (const stateWindow of merge.mergedStateWindows) {
      const source = this.#idOf(stateWindow)
      const contents = this.#table.get(source)
      if (contents === undefined) continue
      const existing = this.#table.get(target)
      this.#table.put(target, existing === undefined ? contents : this.#contents.merge!(existing, contents))
      this.#table.remove(source)
    }
  }

  #addAndTrigger(window: Window, stateId: SubKey, value: I, timestamp: number): void {
    const before = this.#table.get(stateId)
    this.#table.put(stateId, this.#contents.add(value, timestamp, before))
    // The timers are set; those of a window that merges move with each record.
    if (before !== undefined && this.#hasTimersOnly) return
    this.#triggerContext.enter(window)
    const result = this.#trigger.onElement(value, timestamp, window, this.#triggerContext)
    this.#carryOut(result, window, stateId)
    this.#cleanupTimer(window, true)
  }

  #onTimer(timer: Timer, isEventTime: boolean): void {
    const window = this.#windowOf(timer.sub)
    const windows = this.#windowSets === null ? null : this.#readWindowSet()
    const stateWindow = windows === null ? window : windows.stateWindowOf(window)
    if (stateWindow === undefined) return
    const stateId = this.#idOf(stateWindow)
    const trigger = this.#triggerContext
    trigger.enter(window)
    const result = isEventTime
      ? this.#trigger.onEventTime(timer.timestamp, window, trigger)
      : this.#trigger.onProcessingTime(timer.timestamp, window, trigger)
    this.#carryOut(result, window, stateId)
    if (isEventTime === this.#isEventTime && timer.timestamp === this.#cleanupTime(window)) {
      this.#clear(window, stateId, windows)
    }
  }

  /**
   * A window that ended while the job was down goes without a result. Other timers are the trigger's own affair: it may
   * count on each to set the next.
   */
  protected override skipTimer(timer: Timer): boolean {
    const window = this.#windowOf(timer.sub)
    if (this.#isEventTime || timer.timestamp !== this.#cleanupTime(window)) return false
    const windows = this.#windowSets === null ? null : this.#readWindowSet()
    const stateWindow = windows === null ? window : windows.stateWindowOf(window)
    if (stateWindow !== undefined) this.#clear(window, this.#idOf(stateWindow), windows)
    return true
  }

  #carryOut(result: TriggerResult, window: Window, stateId: SubKey): void {
    if ((result & FIRE) !== 0) this.#fire(window, stateId)
    if ((result & PURGE) !== 0) this.#table.remove(stateId)
  }

  #fire(window: Window, stateId: SubKey): void {
    const contents = this.#table.get(stateId)
    if (contents === undefined) return
    const time = this.context.time
    const before = time[0]!
    time[0] = window.maxTimestamp
    this.#triggerContext.enter(window)
    const kept = this.#contents.emit(contents, this.#processContext, this.output)
    time[0] = before
    if (kept === undefined) this.#table.remove(stateId)
    // Even what is the same object may have been changed, by an evictor.
    else this.#table.put(stateId, kept)
  }

  /** The window has passed its cleanup time: everything about it goes. */
  #clear(window: Window, stateId: SubKey, windows: MergingWindows | null): void {
    this.#table.remove(stateId)
    this.#triggerContext.enter(window)
    this.#trigger.clear(window, this.#triggerContext)
    this.#contents.process?.clear?.(this.#processContext as ProcessWindowContext<never>)
    if (windows === null) return
    windows.retire(window)
    this.#writeWindowSet(windows)
  }

  #onLate(value: I): void {
    const { lateTag } = this
    if (lateTag === null) this.#lateDropped.increment()
    else this.output.collectSide(lateTag.id, value)
  }

  #isLate(window: Window): boolean {
    return this.#isEventTime && this.#cleanupTime(window) <= this.#timers.watermark
  }

  #cleanupTime(window: Window): number {
    return this.#isEventTime ? window.maxTimestamp + this.#latenessMs : window.maxTimestamp
  }

  /** The timer at which the window's state goes; a window without end keeps its state for ever. */
  #cleanupTimer(window: Window, isWanted: boolean): void {
    const timestamp = this.#cleanupTime(window)
    if (timestamp === Number.POSITIVE_INFINITY) return
    const id = this.#idOf(window)
    if (this.#isEventTime) {
      if (isWanted) this.#timers.registerEventTimer(timestamp, id)
      else this.#timers.deleteEventTimer(timestamp, id)
    } else if (isWanted) this.#timers.registerProcessingTimer(timestamp, id)
    else this.#timers.deleteProcessingTimer(timestamp, id)
  }

  #idOf(window: Window): SubKey {
    return this.#assigner.fixedSizeMs === null ? `${window.start},${window.end}` : window.start
  }

  #windowOf(id: SubKey): Window {
    if (typeof id === 'number') return new Window(id, id + this.#assigner.fixedSizeMs!)
    const [start, end] = String(id).split(',')
    return new Window(Number(start), Number(end))
  }

  #readWindowSet(): MergingWindows {
    const set = this.#windowSets!.get() ?? []
    return new MergingWindows(set.map(([a, b, c, d]) => [new Window(a, b), new Window(c, d)] as const))
  }

  #writeWindowSet(windows: MergingWindows): void {
    const set = windows.mapping.map(
      ([inUse, state]) => [inUse.start, inUse.end, state.start, state.end] as const,
    )
    if (set.length === 0) this.#windowSets!.remove()
    else this.#windowSets!.put(set as unknown as WindowSet)
  }

  #newProcessContext(): ProcessWindowContext<Key> {
    const keyed = keyedBackend(this.context)
    const trigger = this.#triggerContext
    return {
      get window() {
        return { key: keyed.context.key, start: trigger.window.start, end: trigger.window.end }
      },
      currentWatermark: () => this.#timers.watermark,
      processingTime: () => this.#timers.processingTimeMs,
      windowState: <S>(descriptor: StateDescriptor<S>) => this.#windowState(descriptor),
      globalState: <S>(descriptor: StateDescriptor<S>) => keyed.state(descriptor),
      output: (tag, value) => this.output.collectSide(tag.id, value),
    }
  }

  /** The prefix tells a function's states from its trigger's. */
  #windowState<S>(descriptor: StateDescriptor<S>): S {
    if (this.#assigner.isMerging) {
      throw new SluiceError(
        'UNSUPPORTED',
        `operator "${this.context.operatorName}": state "${descriptor.name}" of a window cannot be kept, since ${this.#assigner.name} windows merge; use globalState`,
      )
    }
    const prefixed = { ...descriptor, name: `function.${descriptor.name}` }
    return keyedBackend(this.context).windowState(prefixed, this.#triggerContext.scope)
  }
}
