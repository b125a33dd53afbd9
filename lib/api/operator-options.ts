/** What can be said about any operator, by its last argument. */
import { SluiceError } from '../base/errors.ts'
import type { ChainingStrategy } from '../graph/stream-graph.ts'
import type { StateOptions } from '../state/state-descriptor.ts'
import type { TimersOnRestore } from '../time/restored-timers.ts'
import type { Type } from '../types/type.ts'

export interface OperatorOptions<O = unknown> {
  /** Shown in graphs, logs and errors; default: what the operator does. */
  readonly name?: string
  /**
   * Identifies the operator across versions of the job, which is how its state is found again. Unique in the job; 1
   * to 64 characters out of letters, digits, `_`, `-`. Default: a hash of the operator's place in the graph.
   */
  readonly uid?: string
  /** Type of the results; default: `t.any`, which carries most things, slower. */
  readonly type?: Type<O>
  /** Number of subtasks; default: that of the job. */
  readonly parallelism?: number
  /** Upper bound of the parallelism for ever, since it fixes the key groups; default: derived, at least 128. */
  readonly maxParallelism?: number
  /** Subtasks of different groups never share a slot; default: `default`. */
  readonly slotSharingGroup?: string
  /**
   * What happens, when the job goes on from a checkpoint or savepoint, with processing-time timers that came due while
   * it was down. `fire` (the default): they fire at once, all together. `skip`: they never fire; a window that ended
   * meanwhile gives no result. `shift`: every processing-time timer is put off by as long as the job was down, as if
   * the clock had stood still; `onTimer` is given the later time. Not for windows, whose ends are fixed.
   */
  readonly timersOnRestore?: TimersOnRestore
  /** Begin a new chain with this operator. */
  readonly startNewChain?: boolean
  /** Keep this operator out of any chain. */
  readonly disableChaining?: boolean
}

/** Of operators that keep state of their own per key; with `ttl` they forget it after a while. */
export interface StatefulOptions<O = unknown> extends OperatorOptions<O>, StateOptions {}

/** Of windows with an incremental function. */
export interface WindowAggregateOptions<O = unknown> extends OperatorOptions<O> {
  /**
   * True: every subtask first aggregates its own records by key and slice of time, and sends on one partial accumulator
   * instead of all of them, when the watermark is about to pass the slice. Results are the same, and a key that most
   * records have no longer keeps one subtask busy and the others idle. Worth it where many records of a key fall into
   * a slice; where few do it costs more than it saves. Flink's two-phase (local-global) aggregation.
   *
   * It takes `tumbling` or `sliding` windows of event time, a function that can be merged, and no trigger, evictor,
   * process function or `lateOutput`: GRAPH_INVALID otherwise. Default: of keyed windows false, of `windowAll` true
   * where the results cannot tell.
   */
  readonly twoPhase?: boolean
}

export interface JoinStreamOptions<A, B, O> extends StatefulOptions<O> {
  /** The stream with at most one record per key. Another one replaces it for what comes after. Default: neither. */
  readonly unique?: 'first' | 'second'
  /** Pairs for which it is false are left out, before `fn` sees them. */
  readonly where?: (a: A, b: B) => boolean
  /**
   * Records of the first stream for which it is false join nothing and are not kept. If that stream is `unique` it is
   * kept that they have come, so that what would have met them need not wait.
   */
  readonly whereFirst?: (a: A) => boolean
  /** The same for the second stream. */
  readonly whereSecond?: (b: B) => boolean
}

export function chainingOf(options: OperatorOptions<never>): ChainingStrategy {
  if (options.disableChaining === true) return 'never'
  return options.startNewChain === true ? 'head' : 'always'
}

export function stateOptionsOf({ ttl }: StateOptions): StateOptions {
  return ttl === undefined ? {} : { ttl }
}

const AsyncFunction = (async () => {}).constructor

/**
 * Refuses `async` functions where records must not overtake each other; TypeScript has refused them before. A function
 * object is looked at for its method of the operation's name.
 */
export function refuseAsync(operation: string, ...fns: unknown[]): void {
  for (const fn of fns) {
    const called = typeof fn === 'object' && fn !== null ? (fn as Record<string, unknown>)[operation] : fn
    if (!(called instanceof AsyncFunction)) continue
    throw new SluiceError(
      'GRAPH_INVALID',
      `the function of ${operation} is asynchronous; it must return its result, not a promise (mapAsync is for asynchronous calls)`,
    )
  }
}
