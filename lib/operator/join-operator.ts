/**
 * Inner join of two keyed streams without a window: every pair of records with equal keys, whichever comes first and
 * however much later the other. Flink SQL's regular join of append-only inputs (StreamingJoinOperator).
 *
 * J1. Each pair is emitted once, when the later of the two comes.
 * J2. If one side has a single record per key, what has met it is not kept: of the other side only what waits is.
 * J3. Records that are to join nothing are not kept; of a side that has a single one per key, that they have come is.
 *
 * State is a value or a list per key and side.
 */
import type { ListState, ValueState } from '../state/state.ts'
import { listState, type StateOptions, valueState } from '../state/state-descriptor.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import { keyedBackend, type OperatorContext, type Output, TwoInputOperator } from './stream-operator.ts'

export interface JoinOptions<A, B, O> extends StateOptions {
  readonly types: readonly [Type<A>, Type<B>]
  readonly combine: (a: A, b: B) => O
  /** Pairs it does not hold for are left out; null: all are wanted. */
  readonly where: ((a: A, b: B) => boolean) | null
  /** Records of the first side it does not hold for join nothing; null: all may. */
  readonly whereFirst: ((a: A) => boolean) | null
  readonly whereSecond: ((b: B) => boolean) | null
}

/** Any number of records per key on both sides. */
export class JoinOperator<A, B, O> extends TwoInputOperator<A, B, O> {
  readonly #options: JoinOptions<A, B, O>
  #first!: ListState<A>
  #second!: ListState<B>

  constructor(options: JoinOptions<A, B, O>) {
    super()
    this.#options = options
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    const keyed = keyedBackend(context)
    const [first, second] = this.#options.types
    this.#first = keyed.state(listState('join.first', first, lifetime(this.#options)))
    this.#second = keyed.state(listState('join.second', second, lifetime(this.#options)))
  }

  override processElement1(value: A): void {
    const { whereFirst } = this.#options
    if (whereFirst !== null && !whereFirst(value)) return
    for (const other of this.#second.get()) emitPair(this.#options, value, other, this.output)
    this.#first.add(value)
  }

  override processElement2(value: B): void {
    const { whereSecond } = this.#options
    if (whereSecond !== null && !whereSecond(value)) return
    for (const other of this.#first.get()) emitPair(this.#options, other, value, this.output)
    this.#second.add(value)
  }
}

/**
 * At most one record per key on the first side. Should another one come all the same, it takes the place of the first
 * for what comes after it.
 */
export class UniqueJoinOperator<A, B, O> extends TwoInputOperator<A, B, O> {
  readonly #options: JoinOptions<A, B, O>
  /** Null: it has come and joins nothing. */
  #unique!: ValueState<A | null>
  /** What came before the record it waits for. */
  #waiting!: ListState<B>

  constructor(options: JoinOptions<A, B, O>) {
    super()
    this.#options = options
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    const keyed = keyedBackend(context)
    const { types, whereFirst } = this.#options
    const [first, second] = types
    const kept = whereFirst === null ? (first as Type<A | null>) : t.nullable(first)
    this.#unique = keyed.state(valueState('join.unique', kept, lifetime(this.#options)))
    this.#waiting = keyed.state(listState('join.waiting', second, lifetime(this.#options)))
  }

  override processElement1(value: A): void {
    const { whereFirst } = this.#options
    const isWanted = whereFirst === null || whereFirst(value)
    this.#unique.update(isWanted ? value : null)
    const waiting = this.#waiting.get()
    if (waiting.length === 0) return
    if (isWanted) for (const other of waiting) emitPair(this.#options, value, other, this.output)
    this.#waiting.clear()
  }

  override processElement2(value: B): void {
    const { whereSecond } = this.#options
    if (whereSecond !== null && !whereSecond(value)) return
    const other = this.#unique.value()
    if (other === undefined) this.#waiting.add(value)
    else if (other !== null) emitPair(this.#options, other, value, this.output)
  }
}

function emitPair<A, B, O>({ where, combine }: JoinOptions<A, B, O>, a: A, b: B, output: Output<O>): void {
  if (where === null || where(a, b)) output.collect(combine(a, b))
}

function lifetime({ ttl }: StateOptions): StateOptions {
  return ttl === undefined ? {} : { ttl }
}
