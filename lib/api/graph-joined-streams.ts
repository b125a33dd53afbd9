/** Interval joins, window joins and coGroups over a graph under construction. */
import { SluiceError } from '../base/errors.ts'
import type { Key } from '../base/hash.ts'
import { type Duration, parseDuration } from '../base/units.ts'
import type {
  CoGroupFunction,
  FlatJoinFunction,
  JoinFunction,
  ProcessJoinFunction,
  RichCoGroup,
  RichProcessJoin,
} from '../function/join-functions.ts'
import type { OutputTag } from '../function/output-tag.ts'
import { IntervalJoinOperator, type JoinInterval } from '../operator/interval-join-operator.ts'
import {
  coGroup,
  flatMapPairs,
  mapPairs,
  pairsAsCoGroup,
  pairsAsProcessJoin,
  processJoin,
} from '../operator/pair-functions.ts'
import { WindowJoinOperator } from '../operator/window-join-operator.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import type { Evictor } from '../window/evictor.ts'
import type { Trigger } from '../window/trigger.ts'
import type { WindowAssigner } from '../window/window-assigner.ts'
import { type OperatorOptions, refuseAsync } from './operator-options.ts'
import type { StreamBuilder, StreamInput } from './stream-builder.ts'
import type {
  DataStream,
  IntervalJoin,
  IntervalJoinedStreams,
  PairOfStreams,
  SynchronousOptions,
  WindowedCoGroup,
  WindowedJoin,
} from './streams.ts'
import {
  checkMerging,
  describeWindows,
  parseLateness,
  refuseShift,
  type WindowSettings,
  windowSettings,
} from './window-settings.ts'

interface LateTags<L, R> {
  readonly left: OutputTag<L> | null
  readonly right: OutputTag<R> | null
}

const NO_LATE_TAGS = { left: null, right: null }

export class GraphIntervalJoin<L, R> implements IntervalJoin<L, R> {
  readonly #builder: StreamBuilder
  readonly #inputs: readonly [StreamInput, StreamInput]

  constructor(builder: StreamBuilder, left: StreamInput, right: StreamInput) {
    this.#builder = builder
    this.#inputs = [left, right]
  }

  between(lower: Duration, upper: Duration): IntervalJoinedStreams<L, R> {
    const interval = { lowerMs: parseDuration(lower), upperMs: parseDuration(upper) }
    return new GraphIntervalJoinedStreams(this.#builder, this.#inputs, checked(interval), NO_LATE_TAGS)
  }
}

class GraphIntervalJoinedStreams<L, R> implements IntervalJoinedStreams<L, R> {
  readonly #builder: StreamBuilder
  readonly #inputs: readonly [StreamInput, StreamInput]
  readonly #interval: JoinInterval
  readonly #late: LateTags<L, R>

  constructor(
    builder: StreamBuilder,
    inputs: readonly [StreamInput, StreamInput],
    interval: JoinInterval,
    late: LateTags<L, R>,
  ) {
    this.#builder = builder
    this.#inputs = inputs
    this.#interval = interval
    this.#late = late
  }

  /** Times are whole milliseconds: without its end, the interval is one shorter. */
  lowerExclusive(): IntervalJoinedStreams<L, R> {
    const { lowerMs, upperMs } = this.#interval
    return this.#with(checked({ lowerMs: lowerMs + 1, upperMs }), this.#late)
  }

  upperExclusive(): IntervalJoinedStreams<L, R> {
    const { lowerMs, upperMs } = this.#interval
    return this.#with(checked({ lowerMs, upperMs: upperMs - 1 }), this.#late)
  }

  leftLateOutput(tag: OutputTag<L>): IntervalJoinedStreams<L, R> {
    return this.#with(this.#interval, { ...this.#late, left: tag })
  }

  rightLateOutput(tag: OutputTag<R>): IntervalJoinedStreams<L, R> {
    return this.#with(this.#interval, { ...this.#late, right: tag })
  }

  map<O>(fn: JoinFunction<L, R, O>, ...[options = {}]: SynchronousOptions<O>): DataStream<O> {
    refuseAsync('map', fn)
    return this.#add('map', pairsAsProcessJoin(mapPairs(fn)), options as OperatorOptions<O>)
  }

  flatMap<O>(fn: FlatJoinFunction<L, R, O>, options: OperatorOptions<O> = {}): DataStream<O> {
    refuseAsync('flatMap', fn)
    return this.#add('flatMap', pairsAsProcessJoin(flatMapPairs(fn)), options)
  }

  process<O>(fn: ProcessJoinFunction<L, R, O>, options: OperatorOptions<O> = {}): DataStream<O> {
    refuseAsync('process', fn)
    return this.#add('process', processJoin(fn), options)
  }

  #add<O>(what: string, process: RichProcessJoin<L, R, O>, options: OperatorOptions<O>): DataStream<O> {
    const [left, right] = this.#inputs
    const { lowerMs, upperMs } = this.#interval
    return this.#builder.add({
      operation: `interval join(${lowerMs}ms to ${upperMs}ms).${what}`,
      inputs: this.#inputs,
      options,
      outputType: options.type ?? (t.any as Type<O>),
      create: () =>
        new IntervalJoinOperator<L, R, O>({
          interval: this.#interval,
          left: { type: left.type as Type<L>, lateTag: this.#late.left },
          right: { type: right.type as Type<R>, lateTag: this.#late.right },
          process,
        }),
    })
  }

  #with(interval: JoinInterval, late: LateTags<L, R>): IntervalJoinedStreams<L, R> {
    return new GraphIntervalJoinedStreams(this.#builder, this.#inputs, interval, late)
  }
}

function checked(interval: JoinInterval): JoinInterval {
  const { lowerMs, upperMs } = interval
  if (lowerMs <= upperMs) return interval
  throw new SluiceError(
    'GRAPH_INVALID',
    `an interval join needs a lower bound that is not above the upper one, found ${lowerMs}ms to ${upperMs}ms, both included: no records could meet`,
  )
}

export class GraphPairOfStreams<K extends Key, L, R>
  implements PairOfStreams<WindowedJoin<L, R> & WindowedCoGroup<K, L, R>, L, R>
{
  readonly #builder: StreamBuilder
  readonly #inputs: readonly [StreamInput, StreamInput]

  constructor(builder: StreamBuilder, left: StreamInput, right: StreamInput) {
    this.#builder = builder
    this.#inputs = [left, right]
  }

  window(assigner: WindowAssigner<L | R>): GraphWindowedPair<K, L, R> {
    return new GraphWindowedPair<K, L, R>(this.#builder, this.#inputs, windowSettings(assigner), NO_LATE_TAGS)
  }
}

class GraphWindowedPair<K extends Key, L, R> implements WindowedJoin<L, R>, WindowedCoGroup<K, L, R> {
  readonly #builder: StreamBuilder
  readonly #inputs: readonly [StreamInput, StreamInput]
  readonly #settings: WindowSettings<L | R>
  readonly #late: LateTags<L, R>

  constructor(
    builder: StreamBuilder,
    inputs: readonly [StreamInput, StreamInput],
    settings: WindowSettings<L | R>,
    late: LateTags<L, R>,
  ) {
    this.#builder = builder
    this.#inputs = inputs
    this.#settings = settings
    this.#late = late
  }

  trigger(trigger: Trigger<L | R>): GraphWindowedPair<K, L, R> {
    checkMerging(this.#settings.assigner, trigger)
    return this.#with({ ...this.#settings, trigger }, this.#late)
  }

  evictor(evictor: Evictor<L | R>): GraphWindowedPair<K, L, R> {
    return this.#with({ ...this.#settings, evictor }, this.#late)
  }

  allowedLateness(lateness: Duration): GraphWindowedPair<K, L, R> {
    return this.#with({ ...this.#settings, allowedLatenessMs: parseLateness(lateness) }, this.#late)
  }

  leftLateOutput(tag: OutputTag<L>): GraphWindowedPair<K, L, R> {
    return this.#with(this.#settings, { ...this.#late, left: tag })
  }

  rightLateOutput(tag: OutputTag<R>): GraphWindowedPair<K, L, R> {
    return this.#with(this.#settings, { ...this.#late, right: tag })
  }

  map<O>(fn: JoinFunction<L, R, O>, ...[options = {}]: SynchronousOptions<O>): DataStream<O> {
    refuseAsync('map', fn)
    return this.#add('join', 'map', pairsAsCoGroup(mapPairs(fn)), options as OperatorOptions<O>)
  }

  flatMap<O>(fn: FlatJoinFunction<L, R, O>, options: OperatorOptions<O> = {}): DataStream<O> {
    refuseAsync('flatMap', fn)
    return this.#add('join', 'flatMap', pairsAsCoGroup(flatMapPairs(fn)), options)
  }

  process<O>(fn: CoGroupFunction<L, R, O, K>, options: OperatorOptions<O> = {}): DataStream<O> {
    refuseAsync('process', fn)
    return this.#add('coGroup', 'process', coGroup(fn), options)
  }

  #add<O>(
    operation: string,
    what: string,
    group: RichCoGroup<L, R, O, K>,
    options: OperatorOptions<O>,
  ): DataStream<O> {
    const [left, right] = this.#inputs
    const settings = this.#settings
    const description = `window ${operation}(${describeWindows(settings)}).${what}`
    refuseShift(description, options)
    return this.#builder.add({
      operation: description,
      inputs: this.#inputs,
      options,
      outputType: options.type ?? (t.any as Type<O>),
      create: () =>
        new WindowJoinOperator<L, R, O>({
          ...settings,
          trigger: settings.trigger ?? settings.assigner.defaultTrigger(),
          left: { type: left.type as Type<L>, lateTag: this.#late.left },
          right: { type: right.type as Type<R>, lateTag: this.#late.right },
          coGroup: group as unknown as RichCoGroup<L, R, O, Key>,
        }),
    })
  }

  #with(settings: WindowSettings<L | R>, late: LateTags<L, R>): GraphWindowedPair<K, L, R> {
    return new GraphWindowedPair(this.#builder, this.#inputs, settings, late)
  }
}
