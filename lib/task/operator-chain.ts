/**
 * The operators of one subtask, wired together. The chain carries records by generated code (chain-code); everything
 * else, which is rare, it carries here: watermarks, idleness, opening, finishing, snapshots.
 *
 * C1. Operators are opened from last to first, so that one can emit as soon as it is open; finished from first to
 *     last, so that what one still emits finds the next open; closed in any case, each once: one that is being opened
 *     when the chain is closed as soon as it is open.
 * C2. While an operator is paused in the middle of a watermark, nothing is given to the chain but `resume`. What
 *     others emit to it meanwhile waits until it has gone on: watermarks and idleness keep their order.
 * C3. Errors thrown here name the operator they came from.
 */
import { asError, SluiceError } from '../base/errors.ts'
import type { RecordWriter } from '../network/record-writer.ts'
import type { OperatorContext, Output, StreamOperator } from '../operator/stream-operator.ts'
import {
  type BatchFunction,
  type ChainInput,
  type ChainLink,
  ChainOutput,
  compileChain,
  type KeyFunction,
  operatorInStack,
} from './chain-code.ts'

export interface ChainedOperator extends Omit<ChainLink, 'operator'> {
  readonly operator: StreamOperator<unknown>
  readonly context: OperatorContext
}

/** What an operator has to be told once it has gone on. Its first one is the watermark it paused in. */
interface Held {
  readonly index: number
  readonly event:
    | { readonly kind: 'watermark'; readonly timestamp: number }
    | { readonly kind: 'status'; readonly isIdle: boolean }
}

export class OperatorChain {
  readonly operators: readonly ChainedOperator[]
  readonly inputs: readonly BatchFunction[]
  readonly setKeys: readonly (KeyFunction | null)[]
  readonly #watermark: readonly ((timestamp: number) => boolean)[]
  /** For operators that have not finished a watermark yet, in the order they are to go on. */
  readonly #held: Held[] = []
  readonly #attributed = new WeakSet<Error>()
  #openFrom: number
  #isClosed = false

  constructor(operators: readonly ChainedOperator[], inputs: readonly ChainInput[], time: Float64Array) {
    this.operators = operators
    this.#openFrom = operators.length
    const outputs = operators.map(() => new ChainOutput())
    for (const [k, { operator, context }] of operators.entries()) {
      operator.setup(context, outputs[k] as Output<unknown>)
    }
    const compiled = compileChain(operators, inputs, time)
    this.inputs = compiled.inputs
    this.setKeys = compiled.setKeys
    this.#watermark = compiled.watermark
    for (const [k, output] of outputs.entries()) {
      this.#wire(output, k, compiled.collect[k]!, compiled.collectSide[k]!)
    }
  }

  get head(): StreamOperator<unknown> {
    return this.operators[0]!.operator
  }

  get isPaused(): boolean {
    return this.#held.length > 0
  }

  get isSnapshotSafe(): boolean {
    return this.operators.every(({ operator }) => operator.isSnapshotSafe)
  }

  /** Whether an operator has output that is real only after a checkpoint. */
  get isAwaitingCheckpoint(): boolean {
    return this.operators.some(({ operator }) => operator.isAwaitingCheckpoint)
  }

  async open(): Promise<void> {
    for (let k = this.operators.length - 1; k >= 0 && !this.#isClosed; k--) await this.#open(k)
  }

  /** Event time at the head of the chain moves. */
  processWatermark(timestamp: number): void {
    this.#tell(0, { kind: 'watermark', timestamp })
  }

  processStatus(isIdle: boolean): void {
    this.#tell(0, { kind: 'status', isIdle })
  }

  /** Goes on with paused watermarks; true when none is left. */
  resume(): boolean {
    while (this.#held.length > 0) {
      if (!this.#process(this.#held[0]!)) return false
      this.#held.shift()
    }
    return true
  }

  /** Resolves when every operator may be given records again; undefined if all may now. */
  whenReady(): Promise<void> | undefined {
    for (let k = 0; k < this.operators.length; k++) {
      const ready = this.operators[k]!.operator.whenReady()
      if (ready === undefined) continue
      return ready.catch((error) => {
        throw this.attribute(error, 'while writing', k)
      })
    }
    return undefined
  }

  async finish(): Promise<void> {
    await this.#each('while finishing', (operator) => operator.finish())
  }

  async prepareSnapshot(checkpointId: number): Promise<void> {
    await this.#each('while preparing a snapshot', (operator) => operator.prepareSnapshot(checkpointId))
  }

  async checkpointCompleted(checkpointId: number): Promise<void> {
    await this.#each('while committing', (operator) => operator.checkpointCompleted(checkpointId))
  }

  /** Closes what was opened; the first error is thrown when all have been tried. */
  async close(): Promise<void> {
    this.#isClosed = true
    const errors: unknown[] = []
    const from = this.#openFrom
    this.#openFrom = this.operators.length
    for (let k = from; k < this.operators.length; k++) {
      try {
        await this.operators[k]!.operator.close()
      } catch (error) {
        errors.push(this.attribute(error, 'while closing', k))
      }
    }
    if (errors.length > 0) throw errors[0]
  }

  /** Calls back on behalf of operator k. */
  call(k: number, callback: () => void, where = 'in a timer'): void {
    try {
      callback()
    } catch (error) {
      throw this.attribute(error, where, k)
    }
  }

  /**
   * Says which operator an error came from: the innermost one in its stack, else operator `k` if that is known. `where`
   * names the record. The user's error stays as the cause.
   */
  attribute(thrown: unknown, where: string, k?: number): SluiceError {
    const error = asError(thrown)
    if (error instanceof SluiceError && this.#attributed.has(error)) return error
    const index = operatorInStack(error.stack ?? '') ?? k ?? (this.operators.length === 1 ? 0 : null)
    const operator = index === null ? undefined : this.operators[index]?.context
    const { subtaskIndex, parallelism } = this.operators[0]!.context
    const name =
      operator === undefined
        ? `one of the operators ${this.operators.map(({ context }) => `"${context.operatorName}"`).join(', ')}`
        : `operator "${operator.operatorName}" (uid ${operator.uid})`
    const code = error instanceof SluiceError ? error.code : 'USER_FUNCTION_FAILED'
    const place = `${name}, subtask ${subtaskIndex + 1} of ${parallelism}, ${where}`
    const attributed = new SluiceError(code, `${place}: ${error.message}`, {
      cause: error,
      details: {
        ...(operator === undefined ? {} : { operator: operator.operatorName, uid: operator.uid }),
        subtask: subtaskIndex,
      },
    })
    this.#attributed.add(attributed)
    return attributed
  }

  async #open(k: number): Promise<void> {
    const { operator } = this.operators[k]!
    try {
      await operator.open()
    } catch (error) {
      throw this.attribute(error, 'while opening', k)
    } finally {
      if (this.#isClosed) await operator.close()
      else this.#openFrom = k
    }
  }

  async #each(
    where: string,
    call: (operator: StreamOperator<unknown>) => void | Promise<void>,
  ): Promise<void> {
    for (const [k, { operator }] of this.operators.entries()) {
      try {
        await call(operator)
      } catch (error) {
        throw this.attribute(error, where, k)
      }
    }
  }

  #tell(index: number, event: Held['event']): void {
    const held = { index, event }
    const isWaiting = this.#held.length > 0 && this.#held.some((each) => each.index === index)
    if (isWaiting || !this.#process(held)) this.#held.push(held)
  }

  /** False: the operator has paused. */
  #process({ index, event }: Held): boolean {
    if (event.kind === 'watermark') return this.#watermark[index]!(event.timestamp)
    this.operators[index]!.operator.processStatus(event.isIdle)
    return true
  }

  #wire(
    output: ChainOutput,
    k: number,
    collect: (value: unknown) => void,
    collectSide: (tag: string, value: unknown) => void,
  ): void {
    const { main, sides } = this.operators[k]!
    const targets = [main, ...sides.values()]
    const next = targets.flatMap(({ operators }) => operators)
    const writers: RecordWriter[] = targets.flatMap((target) => target.writers)
    output.collect = collect
    output.collectSide = collectSide
    output.emitWatermark = (timestamp) => {
      for (const index of next) this.#tell(index, { kind: 'watermark', timestamp })
      for (const writer of writers) writer.event({ kind: 'watermark', timestamp })
    }
    output.emitStatus = (isIdle) => {
      for (const index of next) this.#tell(index, { kind: 'status', isIdle })
      for (const writer of writers) writer.event({ kind: 'status', isIdle })
    }
  }
}
