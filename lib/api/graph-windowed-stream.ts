/** WindowedStream over a graph under construction: gathers the settings, then picks the window operator. */
import { SluiceError } from '../base/errors.ts'
import type { Key } from '../base/hash.ts'
import type { Duration } from '../base/units.ts'
import type { AggregateFunction, ReduceFunction } from '../function/functions.ts'
import type { OutputTag } from '../function/output-tag.ts'
import type { ProcessWindowFunction, RichProcessWindow } from '../function/window-function.ts'
import {
  type PartialAggregate,
  PreAggregateOperator,
  partialFolding,
  partialType,
} from '../operator/pre-aggregate-operator.ts'
import { isEventTimeSession, SessionWindowOperator } from '../operator/session-window-operator.ts'
import { isSliceable, SliceWindowOperator } from '../operator/slice-window-operator.ts'
import type { StreamOperator } from '../operator/stream-operator.ts'
import {
  aggregateFolding,
  bufferedContents,
  evictingContents,
  type Folding,
  foldedContents,
  reduceFolding,
  type WindowContents,
} from '../operator/window-contents.ts'
import { WindowOperator } from '../operator/window-operator.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import type { Evictor } from '../window/evictor.ts'
import { SliceGrid } from '../window/slice-grid.ts'
import type { Trigger } from '../window/trigger.ts'
import type { AlignedWindows, WindowAssigner } from '../window/window-assigner.ts'
import { type OperatorOptions, refuseAsync, type WindowAggregateOptions } from './operator-options.ts'
import { inputOf, type KeyOf, partitioned, type StreamBuilder, type StreamInput } from './stream-builder.ts'
import type { DataStream, WindowedStream } from './streams.ts'
import {
  checkMerging,
  describeWindows,
  parseLateness,
  refuseShift,
  type WindowSettings,
} from './window-settings.ts'

type Process<I, O> = RichProcessWindow<I, O, Key>

export class GraphWindowedStream<K extends Key, T> implements WindowedStream<K, T> {
  readonly #builder: StreamBuilder
  readonly #input: StreamInput
  readonly #settings: WindowSettings<T>
  readonly #lateTag: OutputTag<T> | null

  constructor(
    builder: StreamBuilder,
    input: StreamInput,
    settings: WindowSettings<T>,
    lateTag: OutputTag<T> | null,
  ) {
    this.#builder = builder
    this.#input = input
    this.#settings = settings
    this.#lateTag = lateTag
  }

  trigger(trigger: Trigger<T>): WindowedStream<K, T> {
    checkMerging(this.#settings.assigner, trigger)
    return this.#with({ trigger })
  }

  evictor(evictor: Evictor<T>): WindowedStream<K, T> {
    return this.#with({ evictor })
  }

  allowedLateness(lateness: Duration): WindowedStream<K, T> {
    return this.#with({ allowedLatenessMs: parseLateness(lateness) })
  }

  lateOutput(tag: OutputTag<T>): WindowedStream<K, T> {
    return new GraphWindowedStream(this.#builder, this.#input, this.#settings, tag)
  }

  reduce<O = T>(
    fn: ReduceFunction<T>,
    second?: WindowAggregateOptions<O> | ProcessWindowFunction<T, O, K>,
    third?: OperatorOptions<O>,
  ): DataStream<O> {
    const { process, options } = readArguments(second, third)
    refuseAsync('reduce', fn, process?.process)
    const reduce = typeof fn === 'function' ? fn : (a: T, b: T) => fn.reduce(a, b)
    const type = this.#input.type as Type<T>
    const outputType = options.type ?? ((process === null ? type : t.any) as Type<O>)
    return this.#fold('reduce', reduceFolding(reduce, type), process, options, outputType)
  }

  aggregate<A, R, O = R>(
    fn: AggregateFunction<T, A, R, K>,
    second?: WindowAggregateOptions<O> | ProcessWindowFunction<R, O, K>,
    third?: OperatorOptions<O>,
  ): DataStream<O> {
    const { process, options } = readArguments(second, third)
    refuseAsync('aggregate', fn.createAccumulator, fn.add, fn.getResult, fn.merge, process?.process)
    if (this.#settings.assigner.isMerging && fn.merge === undefined) {
      throw new SluiceError(
        'GRAPH_INVALID',
        `${this.#settings.assigner.name} windows merge, but the aggregate function has no merge method`,
      )
    }
    const folding = aggregateFolding(
      fn as AggregateFunction<T, A, R, never>,
      fn.accumulatorType ?? (t.any as Type<A>),
    )
    return this.#fold('aggregate', folding, process, options, options.type ?? (t.any as Type<O>))
  }

  process<O>(fn: ProcessWindowFunction<T, O, K>, options: OperatorOptions<O> = {}): DataStream<O> {
    const { process } = readArguments(fn, undefined)
    refuseAsync('process', process?.process)
    const type = this.#input.type as Type<T>
    const { evictor } = this.#settings
    const contents =
      evictor === null
        ? bufferedContents<T, O>(type, process as Process<T, O>)
        : evictingContents<T, O>(type, evictor, { kind: 'process', process: process as Process<T, O> })
    const create = () => this.#newWindowOperator(contents as WindowContents<T, unknown, O>)
    return this.#add('process', options, options.type ?? (t.any as Type<O>), create)
  }

  #fold<A, R, O>(
    operation: string,
    folding: Folding<T, A, R>,
    process: Process<R, O> | null,
    options: WindowAggregateOptions<O>,
    outputType: Type<O>,
  ): DataStream<O> {
    if (options.twoPhase === true) this.#checkTwoPhase(operation, folding, process)
    const { assigner, trigger, evictor, allowedLatenessMs } = this.#settings
    const isPlain = evictor === null && trigger === null && process === null
    if (isPlain && isAligned(assigner) && isSliceable(assigner, folding)) {
      return this.#slice(operation, assigner, folding as unknown as Folding<T, A, O>, options, outputType)
    }
    if (isPlain && allowedLatenessMs === 0 && isEventTimeSession(assigner)) {
      const settings = { assigner, folding: folding as unknown as Folding<T, A, O>, lateTag: this.#lateTag }
      return this.#add(operation, options, outputType, () => new SessionWindowOperator(settings))
    }
    const type = this.#input.type as Type<T>
    const contents =
      evictor === null
        ? foldedContents(folding, process)
        : evictingContents<T, O>(type, evictor, {
            kind: 'fold',
            folding: folding as Folding<T, unknown, unknown>,
            process: process as Process<unknown, O> | null,
          })
    const create = () => this.#newWindowOperator(contents as WindowContents<T, unknown, O>)
    return this.#add(operation, options, outputType, create)
  }

  #slice<A, O>(
    operation: string,
    assigner: AlignedWindows<T>,
    folding: Folding<T, A, O>,
    options: WindowAggregateOptions<O>,
    outputType: Type<O>,
  ): DataStream<O> {
    const { allowedLatenessMs } = this.#settings
    const lateTag = this.#lateTag
    // Late records one by one, and a result anew for each: then every one of them must come.
    const nobodyCanTell = folding.merge !== null && lateTag === null && allowedLatenessMs === 0
    if (!(options.twoPhase ?? (this.#isSingle && nobodyCanTell))) {
      const create = () => new SliceWindowOperator({ assigner, folding, allowedLatenessMs, lateTag })
      return this.#add(operation, options, outputType, create)
    }
    const partials = this.#preAggregated(assigner, folding)
    const ofPartials = assigner as unknown as AlignedWindows<PartialAggregate<A>>
    const create = () =>
      new SliceWindowOperator({
        assigner: ofPartials,
        folding: partialFolding(folding),
        allowedLatenessMs,
        lateTag: null,
        recordCountOf: ({ count }) => count,
      })
    return this.#add(operation, options, outputType, create, partials)
  }

  /** The stream, aggregated by slices (and keys) where its records are, on its way to the windows. */
  #preAggregated<A>(assigner: AlignedWindows<T>, folding: Folding<T, A, unknown>): StreamInput {
    const { origins, keyOf } = this.#input
    const ownKeyOf = this.#isSingle ? null : (keyOf as (value: T) => Key)
    const stream = this.#builder.add({
      operation: `pre-aggregate(${assigner.name})`,
      inputs: [
        { ...this.#input, keyOf: null, origins: origins.map((each) => ({ ...each, partitioner: null })) },
      ],
      options: { name: 'pre-aggregate', parallelism: origins[0]!.node.parallelism },
      outputType: partialType(folding.type, ownKeyOf !== null),
      create: () => new PreAggregateOperator(new SliceGrid(assigner), folding, ownKeyOf),
    })
    if (ownKeyOf === null) return partitioned(inputOf(stream), origins[0]!.partitioner!, keyOf)
    const keyOfPartial = ((partial: PartialAggregate<A>) => partial.key!) as KeyOf
    return partitioned(inputOf(stream), { kind: 'hash', keyOf: keyOfPartial }, keyOfPartial)
  }

  /** Why the first phase cannot do its part of these windows; throws if there is a reason. */
  #checkTwoPhase(operation: string, { merge }: { readonly merge: unknown }, process: unknown): void {
    const { assigner, trigger, evictor } = this.#settings
    const reasons = [
      merge === null && 'the aggregate function has no merge method',
      process !== null && 'with a process function windows have other contents; map the results instead',
      trigger !== null && 'a trigger has to see every record',
      evictor !== null && 'an evictor has to see every record',
      this.#lateTag !== null && 'lateOutput has to be given every late record',
      (!isAligned(assigner) || !isSliceable(assigner, { merge: true })) &&
        `it takes tumbling or sliding windows of event time, not ${assigner.name}`,
    ]
    const reason = reasons.find((each) => each !== false)
    if (reason === undefined) return
    throw new SluiceError('GRAPH_INVALID', `${operation}: twoPhase is not possible here: ${reason}`)
  }

  get #isSingle(): boolean {
    return this.#input.origins.every(({ partitioner }) => partitioner?.kind === 'global')
  }

  #newWindowOperator<O>(contents: WindowContents<T, unknown, O>): StreamOperator<unknown> {
    const { assigner, trigger, allowedLatenessMs } = this.#settings
    return new WindowOperator({
      assigner,
      trigger: trigger ?? assigner.defaultTrigger(),
      contents,
      allowedLatenessMs,
      lateTag: this.#lateTag,
    })
  }

  #add<O>(
    operation: string,
    options: OperatorOptions<O>,
    outputType: Type<O>,
    create: () => StreamOperator<unknown>,
    input = this.#input,
  ): DataStream<O> {
    const isSingle = this.#isSingle
    const description = `${isSingle ? 'windowAll' : 'window'}(${describeWindows(this.#settings)}).${operation}`
    refuseShift(description, options)
    return this.#builder.add({
      operation: description,
      inputs: [input],
      options,
      outputType,
      isSingle,
      create,
    })
  }

  #with(changes: Partial<WindowSettings<T>>): WindowedStream<K, T> {
    return new GraphWindowedStream(
      this.#builder,
      this.#input,
      { ...this.#settings, ...changes },
      this.#lateTag,
    )
  }
}

function isAligned<T>(assigner: WindowAssigner<T>): assigner is AlignedWindows<T> {
  return 'sizeMs' in assigner && 'slideMs' in assigner && 'offsetMs' in assigner
}

/** The optional process function and the options, in the forms the overloads allow. */
function readArguments<R, O, K extends Key>(
  second: OperatorOptions<O> | ProcessWindowFunction<R, O, K> | undefined,
  third: OperatorOptions<O> | undefined,
): { process: Process<R, O> | null; options: OperatorOptions<O> } {
  if (typeof second === 'function') {
    return { process: { process: second } as unknown as Process<R, O>, options: third ?? {} }
  }
  if (second !== undefined && 'process' in second) {
    return { process: second as unknown as Process<R, O>, options: third ?? {} }
  }
  return { process: null, options: (second as OperatorOptions<O> | undefined) ?? {} }
}
