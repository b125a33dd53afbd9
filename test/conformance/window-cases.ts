/**
 * Window cases. Each is run in every way the public API offers for its function; an aggregation that the API gives to
 * the slice operator is run by the general window operator as well, which naming the default trigger brings about.
 */
import type { DataStream, WindowedStream } from '../../lib/api/streams.ts'
import type { AggregateFunction } from '../../lib/function/functions.ts'
import { outputTag } from '../../lib/function/output-tag.ts'
import type { StreamNode } from '../../lib/graph/stream-graph.ts'
import { SliceWindowOperator } from '../../lib/operator/slice-window-operator.ts'
import { CaseError, checkFields, type Json, type JsonObject, numberOf, objectOf, stringOf } from './case.ts'
import { nodesOf, openOperator, openPair } from './operator-subject.ts'
import type { Adapter, Variant } from './run-case.ts'
import { type CaseFunction, functionOf, type OfTotals, type Totals } from './window-functions.ts'
import { assignerOf, type Element, evictorOf, triggerOf } from './window-parts.ts'

const CONFIG_FIELDS = ['op', 'keyBy', 'assigner', 'trigger', 'evictor', 'allowedLateness', 'lateTag', 'fn']

export const windowAdapter: Adapter = { variants }

type Stream = WindowedStream<string, Element>
interface Form {
  readonly name: string
  add(windows: Stream): unknown
}

function variants(config: JsonObject): Variant[] {
  checkFields(config, 'config', CONFIG_FIELDS)
  if (config.op !== 'window') throw new CaseError(`unknown op ${JSON.stringify(config.op)}`)
  const fn = functionOf(objectOf(config, 'fn'))
  const keyOf = keyNameOf(config)
  return (fn.isIncremental ? incrementalForms(fn, keyOf) : [buffered(fn, keyOf)]).flatMap((form) =>
    variantsOf(config, form),
  )
}

/** The form as the API runs it and, if that is by slices, by the general operator too. */
function variantsOf(config: JsonObject, { name, add }: Form): Variant[] {
  const newNodes = (isGeneral: boolean) =>
    nodesOf((newStream) => void add(windowsOf(newStream(), config, isGeneral)))
  const variant = (nodes: readonly StreamNode[], suffix: string): Variant => ({
    name: name + suffix,
    open: () => (nodes.length === 2 ? openPair(nodes[0]!, nodes[1]!) : openOperator(nodes[0]!)),
  })
  const nodes = newNodes(false)
  if (!(nodes.at(-1)!.newOperator() instanceof SliceWindowOperator)) return [variant(nodes, '')]
  const suffix = nodes.length === 2 ? ', pre-aggregated and sliced' : ', sliced'
  return [variant(nodes, suffix), variant(newNodes(true), ', not sliced')]
}

function windowsOf(stream: DataStream<Json>, config: JsonObject, isTriggerNamed: boolean): Stream {
  const elements = stream as unknown as DataStream<Element>
  const assigner = assignerOf(objectOf(config, 'assigner'))
  const windows =
    config.keyBy === 'none' ? elements.windowAll(assigner) : elements.keyBy(([key]) => key).window(assigner)
  let result = windows as Stream
  if (config.trigger !== undefined) result = result.trigger(triggerOf(objectOf(config, 'trigger')))
  else if (isTriggerNamed) result = result.trigger(assigner.defaultTrigger())
  if (config.evictor !== undefined) result = result.evictor(evictorOf(objectOf(config, 'evictor')))
  if (config.lateTag !== undefined) result = result.lateOutput(outputTag(stringOf(config, 'lateTag')))
  return result.allowedLateness(
    config.allowedLateness === undefined ? 0 : numberOf(config, 'allowedLateness'),
  )
}

/** What results call a window's key. */
function keyNameOf({ keyBy }: JsonObject): (key: unknown) => string {
  if (keyBy === 'f0') return (key) => key as string
  if (keyBy === 'none') return () => 'all'
  throw new CaseError(`unknown keyBy ${JSON.stringify(keyBy)}`)
}

function buffered(fn: CaseFunction, keyOf: (key: unknown) => string): Form {
  return {
    name: '',
    add: (windows) =>
      windows.process((key, { window }, elements, out) => {
        for (const result of fn.results(keyOf(key), [...elements], window)) out.collect(result)
      }),
  }
}

/** As an aggregation with and without a process function; sums as reductions too. */
function incrementalForms(fn: CaseFunction, keyOf: (key: unknown) => string): Form[] {
  const processed: Form = {
    name: 'aggregate and process',
    add: (windows) =>
      windows.aggregate(collecting, (key, { window }, [elements], out) => {
        for (const result of fn.results(keyOf(key), elements!, window)) out.collect(result)
      }),
  }
  return [
    processed,
    ...(fn.ofTotals === null ? [] : [aggregated(fn.ofTotals, keyOf)]),
    ...reductions(fn, keyOf),
  ]
}

const collecting: AggregateFunction<Element, Element[], readonly Element[]> = {
  createAccumulator: () => [],
  add: (element, elements) => [...elements, element],
  getResult: (elements) => elements,
  merge: (a, b) => [...a, ...b],
}

function aggregated(ofTotals: OfTotals, keyOf: (key: unknown) => string): Form {
  const aggregate: AggregateFunction<Element, Totals, unknown> = {
    createAccumulator: () => ({ count: 0, sum: 0 }),
    add: ([, value], { count, sum }) => ({ count: count + 1, sum: sum + value }),
    getResult: (totals, window) => ofTotals(keyOf(window.key), totals, window),
    merge: (a, b) => ({ count: a.count + b.count, sum: a.sum + b.sum }),
  }
  return { name: 'aggregate', add: (windows) => windows.aggregate(aggregate) }
}

function reductions(fn: CaseFunction, keyOf: (key: unknown) => string): Form[] {
  const { ofTotals } = fn
  if (ofTotals === null || !fn.type.startsWith('sum')) return []
  const reduce = ([key, a]: Element, [, b]: Element): Element => [key, a + b]
  const processed: Form = {
    name: 'reduce and process',
    add: (windows) =>
      windows.reduce(reduce, (key, { window }, [total], out) =>
        out.collect(ofTotals(keyOf(key), { count: Number.NaN, sum: total![1] }, window)),
      ),
  }
  const isResult = fn.type === 'sum' && keyOf('a') === 'a'
  return isResult ? [processed, { name: 'reduce', add: (windows) => windows.reduce(reduce) }] : [processed]
}
