/** The short forms of functions over pairs, as the general ones the operators call. */
import type { Key } from '../base/hash.ts'
import type { Collector, RichFunction } from '../function/functions.ts'
import type {
  CoGroupFunction,
  FlatJoinFunction,
  JoinFunction,
  ProcessJoinFunction,
  RichCoGroup,
  RichProcessJoin,
} from '../function/join-functions.ts'
import { lifecycleOf } from './co-process-operators.ts'

/** What is done with a pair, whoever has brought the two together. */
export interface PairFunction<L, R, O> extends RichFunction {
  meet(left: L, right: R, out: Collector<O>): void
}

export function mapPairs<L, R, O>(fn: JoinFunction<L, R, O>): PairFunction<L, R, O> {
  if (typeof fn === 'function') return { meet: (left, right, out) => out.collect(fn(left, right)) }
  return { ...lifecycleOf(fn), meet: (left, right, out) => out.collect(fn.map(left, right)) }
}

export function flatMapPairs<L, R, O>(fn: FlatJoinFunction<L, R, O>): PairFunction<L, R, O> {
  if (typeof fn === 'function') return { meet: fn }
  return { ...lifecycleOf(fn), meet: (left, right, out) => fn.flatMap(left, right, out) }
}

export function processJoin<L, R, O>(fn: ProcessJoinFunction<L, R, O>): RichProcessJoin<L, R, O> {
  return typeof fn === 'function' ? { process: fn } : fn
}

export function coGroup<L, R, O, K extends Key>(fn: CoGroupFunction<L, R, O, K>): RichCoGroup<L, R, O, K> {
  return typeof fn === 'function' ? { process: fn } : fn
}

export function pairsAsProcessJoin<L, R, O>(fn: PairFunction<L, R, O>): RichProcessJoin<L, R, O> {
  return {
    ...lifecycleOf(fn),
    process(left, right, _context, out) {
      fn.meet(left, right, out)
    },
  }
}

/** Every left record of a window with every right one, in the order they came: Flink's JoinCoGroupFunction. */
export function pairsAsCoGroup<L, R, O, K extends Key>(fn: PairFunction<L, R, O>): RichCoGroup<L, R, O, K> {
  return {
    ...lifecycleOf(fn),
    process(_key, _context, lefts, rights, out) {
      for (const left of lefts) for (const right of rights) fn.meet(left, right, out)
    },
  }
}
