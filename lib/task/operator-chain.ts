/**
 * The operators of one subtask, wired together. The chain carries records by generated code (chain-code); everything
 * else, which is rare, it carries here: watermarks, idleness, opening, finishing, snapshots.
 *
 * C1. Operators are opened from last to first, so that one can emit as soon as it is open; finished from first to
 *     last, so that what one still emits finds the next open; closed in any case, each once.
 * C2. While an operator is paused in the middle of a watermark, nothing is given to the chain but `resume`.
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
  operatorInStack,
} from './chain-code.ts'

export interface ChainedOperator extends Omit<ChainLink, 'operator'> {
  readonly operator: StreamOperator<unknown>
  readonly context: OperatorContext
}

export class OperatorChain {
  readonly operators: readonly ChainedOperator[]
  readonly inputs: readonly BatchFunction[]
  readonly #watermark: readonly ((timestamp: number) => boolean)[]
  /** Operators that have not finished a watermark yet, in the order they are to go on. */
  readonly #paused: { readonly index: number; readonly timestamp: number }[] = []
  #openFrom: number

  constructor(operators: readonly ChainedOperator[], inputs: readonly ChainInput[], time: Float64Array) {
    this.operators = operators
    this.#openFrom = operators.length
    const outputs = operators.map(() => new ChainOutput())
    for (const [k, { operator, context }] of operators.entries()) {
      operator.setup(context, outputs[k] as Output<unknown>)
    }
    const compiled = compileChain(operators, inputs, time)
    this.inputs = compiled.inputs
    this.#watermark = compiled.watermark
    for (const [k, output] of outputs.entries()) {
      this.#wire(output, k, compiled.collect[k]!, compiled.collectSide[k]!)
    }
  }

  get head(): StreamOperator<unknown> {
    return this.operators[0]!.operator
  }

  get isPaused(): boolean {
    return this.#paused.length > 0
  }

  get isSnapshotSafe(): boolean {
    return this.operators.every(({ operator }) => operator.isSnapshotSafe)
  }

  async open(): Promise<void> {
    for (let k = this.operators.length - 1; k >= 0; k--) {
      this.#openFrom = k
      await this.operators[k]!.operator.open()
    }
  }

  /** Event time at the head of the chain moves. */
  processWatermark(timestamp: number): void {
    this.#advance(0, timestamp)
  }

  processStatus(isIdle: boolean): void {
    this.head.processStatus(isIdle)
  }

  /** Goes on with paused watermarks; true when none is left. */
  resume(): boolean {
    while (this.#paused.length > 0) {
      const { index, timestamp } = this.#paused[0]!
      if (!this.#watermark[index]!(timestamp)) return false
      this.#paused.shift()
    }
    return true
  }

  /** Resolves when every operator may be given records again; undefined if all may now. */
  whenReady(): Promise<void> | undefined {
    for (const { operator } of this.operators) {
      const ready = operator.whenReady()
      if (ready !== undefined) return ready
    }
    return undefined
  }

  async finish(): Promise<void> {
    for (const { operator } of this.operators) await operator.finish()
  }

  async prepareSnapshot(checkpointId: number): Promise<void> {
    for (const { operator } of this.operators) await operator.prepareSnapshot(checkpointId)
  }

  async checkpointCompleted(checkpointId: number): Promise<void> {
    for (const { operator } of this.operators) await operator.checkpointCompleted(checkpointId)
  }

  /** Closes what was opened; the first error is thrown when all have been tried. */
  async close(): Promise<void> {
    const errors: unknown[] = []
    for (let k = this.#openFrom; k < this.operators.length; k++) {
      try {
        await this.operators[k]!.operator.close()
      } catch (error) {
        errors.push(error)
      }
    }
    this.#openFrom = this.operators.length
    if (errors.length > 0) throw errors[0]
  }

  /** Says which operator an error came from; `where` names the record. The user's error stays as the cause. */
  attribute(thrown: unknown, where: string): SluiceError {
    const error = asError(thrown)
    const index = operatorInStack(error.stack ?? '')
    const { context } = this.operators[index ?? 0]!
    const { operatorName, uid, subtaskIndex, parallelism } = context
    const place = `operator "${operatorName}" (uid ${uid}), subtask ${subtaskIndex + 1} of ${parallelism}, ${where}`
    const code = error instanceof SluiceError ? error.code : 'USER_FUNCTION_FAILED'
    return new SluiceError(code, `${place}: ${error.message}`, {
      cause: error,
      details: { operator: operatorName, uid, subtask: subtaskIndex },
    })
  }

  #advance(index: number, timestamp: number): void {
    if (!this.#watermark[index]!(timestamp)) this.#paused.push({ index, timestamp })
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
      for (const index of next) this.#advance(index, timestamp)
      for (const writer of writers) writer.event({ kind: 'watermark', timestamp })
    }
    output.emitStatus = (isIdle) => {
      for (const index of next) this.operators[index]!.operator.processStatus(isIdle)
      for (const writer of writers) writer.event({ kind: 'status', isIdle })
    }
  }
}
