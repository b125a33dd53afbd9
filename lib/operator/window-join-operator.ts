/**
 * The windows of two keyed streams together: what window join and coGroup are made of. Flink tags the records of both
 * streams, unites them and runs one window operator over the union; here the two stay inputs of their own, so that
 * channels carry each with its own type, and which side a record is of is known from where it came. What decides about
 * windows, triggers, lateness and cleanup is the window operator itself, with contents that have two sides.
 */
import type { Key } from '../base/hash.ts'
import type { Collector } from '../function/functions.ts'
import type { RichCoGroup } from '../function/join-functions.ts'
import type { OutputTag } from '../function/output-tag.ts'
import type { ProcessWindowContext } from '../function/window-function.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import type { Evictor, TimestampedValue } from '../window/evictor.ts'
import type { Trigger } from '../window/trigger.ts'
import { Window } from '../window/window.ts'
import type { WindowAssigner } from '../window/window-assigner.ts'
import type { JoinSide } from './interval-join-operator.ts'
import {
  type OneInputOperator,
  type OperatorContext,
  type Output,
  TwoInputOperator,
} from './stream-operator.ts'
import type { WindowContents } from './window-contents.ts'
import { WindowOperator } from './window-operator.ts'

export interface WindowJoinOptions<L, R, O> {
  readonly left: JoinSide<L>
  readonly right: JoinSide<R>
  readonly assigner: WindowAssigner<L | R>
  readonly trigger: Trigger<L | R>
  readonly evictor: Evictor<L | R> | null
  readonly allowedLatenessMs: number
  readonly coGroup: RichCoGroup<L, R, O, Key>
}

/** Which side the record in hand is of. */
interface Arrival {
  side: 'left' | 'right'
}

interface Groups<L, R> {
  left: L[]
  right: R[]
}

type SidedElement<L, R> =
  | ({ readonly side: 'left' } & TimestampedValue<L>)
  | ({ readonly side: 'right' } & TimestampedValue<R>)

/** An evictor returns some of the elements it was given, and those have a side. */
interface ElementEvictor<L, R> {
  before?(elements: SidedElement<L, R>[], window: Window): SidedElement<L, R>[]
  after?(elements: SidedElement<L, R>[], window: Window): SidedElement<L, R>[]
}

class SidedWindowOperator<L, R, A, O> extends WindowOperator<L | R, A, O> {
  readonly #arrival: Arrival
  readonly #options: WindowJoinOptions<L, R, O>

  constructor(options: WindowJoinOptions<L, R, O>, contents: WindowContents<L | R, A, O>, arrival: Arrival) {
    super({ ...options, contents, lateTag: null })
    this.#options = options
    this.#arrival = arrival
  }

  protected override get lateTag(): OutputTag<L | R> | null {
    return this.#options[this.#arrival.side].lateTag as OutputTag<L | R> | null
  }
}

export class WindowJoinOperator<L, R, O> extends TwoInputOperator<L, R, O> {
  readonly #arrival: Arrival = { side: 'left' }
  readonly #windows: OneInputOperator<L | R, O>

  constructor(options: WindowJoinOptions<L, R, O>) {
    super()
    this.#windows =
      options.evictor === null
        ? new SidedWindowOperator(options, groups(options, this.#arrival), this.#arrival)
        : new SidedWindowOperator(options, evicting(options, this.#arrival), this.#arrival)
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    this.#windows.setup(context, output)
  }

  override open(): void | Promise<void> {
    return this.#windows.open()
  }

  override processElement1(left: L): void {
    this.#arrival.side = 'left'
    this.#windows.processElement(left)
  }

  override processElement2(right: R): void {
    this.#arrival.side = 'right'
    this.#windows.processElement(right)
  }

  override processWatermark(timestamp: number): boolean {
    return this.#windows.processWatermark(timestamp)
  }

  override prepareSnapshot(checkpointId: number): void | Promise<void> {
    return this.#windows.prepareSnapshot(checkpointId)
  }

  override close(): void | Promise<void> {
    return this.#windows.close()
  }
}

/** Two lists per window, each as compact as its type. */
function groups<L, R, O>(
  { left, right, coGroup }: WindowJoinOptions<L, R, O>,
  arrival: Arrival,
): WindowContents<L | R, Groups<L, R>, O> {
  const stateType = t.object({ left: t.list(left.type), right: t.list(right.type) })
  return {
    stateType: stateType as Type<unknown> as Type<Groups<L, R>>,
    add(value, _timestamp, contents = { left: [], right: [] }) {
      if (arrival.side === 'left') contents.left.push(left.type.detach(value as L))
      else contents.right.push(right.type.detach(value as R))
      return contents
    },
    merge: (a, b) => ({ left: a.left.concat(b.left), right: a.right.concat(b.right) }),
    emit(contents, context, out) {
      coGroup.process(context.window.key, context, contents.left, contents.right, out)
      return contents
    },
    process: coGroup as unknown as WindowContents<L | R, never, O>['process'],
  }
}

/** All records of both in the order they came, for the evictor to choose from. */
function evicting<L, R, O>(
  options: WindowJoinOptions<L, R, O>,
  arrival: Arrival,
): WindowContents<L | R, SidedElement<L, R>[], O> {
  const { left, right, coGroup } = options
  const stamped = <T>(type: Type<T>) => t.object({ value: type, timestamp: t.float64 })
  const element = t.union('side', { left: stamped(left.type), right: stamped(right.type) })
  return {
    stateType: t.list(element) as Type<unknown> as Type<SidedElement<L, R>[]>,
    add(value, timestamp, elements = []) {
      if (arrival.side === 'left')
        elements.push({ side: 'left', value: left.type.detach(value as L), timestamp })
      else elements.push({ side: 'right', value: right.type.detach(value as R), timestamp })
      return elements
    },
    merge: (a, b) => a.concat(b),
    emit: (elements, context, out) => emitEvicted(elements, options, context, out),
    process: coGroup as unknown as WindowContents<L | R, never, O>['process'],
  }
}

/** What stays; undefined if that is nothing. */
function emitEvicted<L, R, O>(
  elements: SidedElement<L, R>[],
  { evictor, coGroup }: WindowJoinOptions<L, R, O>,
  context: ProcessWindowContext<Key>,
  out: Collector<O>,
): SidedElement<L, R>[] | undefined {
  const window = new Window(context.window.start, context.window.end)
  const choice = evictor as unknown as ElementEvictor<L, R>
  const seen = choice.before?.(elements, window) ?? elements
  const lefts = seen.flatMap((each) => (each.side === 'left' ? [each.value] : []))
  const rights = seen.flatMap((each) => (each.side === 'right' ? [each.value] : []))
  coGroup.process(context.window.key, context, lefts, rights, out)
  const kept = choice.after?.(seen, window) ?? seen
  return kept.length === 0 ? undefined : kept
}
