/**
 * Opens and closes a user's function object, once each. An object may serve one subtask only: its fields would be
 * shared otherwise. Where several subtasks run in one thread, an object made outside the job function is caught here.
 */
import { SluiceError } from '../base/errors.ts'
import type { RichFunction } from '../function/functions.ts'
import { type OperatorContext, toRuntimeContext } from './stream-operator.ts'

const inUse = new WeakSet<object>()

export class FunctionLifecycle {
  readonly #fn: RichFunction
  #isOpen = false

  constructor(fn: RichFunction) {
    this.#fn = fn
  }

  open(context: OperatorContext): void | Promise<void> {
    if (this.#fn.open === undefined) return
    if (inUse.has(this.#fn)) {
      throw new SluiceError(
        'GRAPH_INVALID',
        `the function object of operator "${context.operatorName}" is used by several operators or subtasks at once; create it inside the job function, one per use`,
      )
    }
    inUse.add(this.#fn)
    this.#isOpen = true
    return this.#fn.open(toRuntimeContext(context))
  }

  close(): void | Promise<void> {
    if (this.#fn.open !== undefined && !this.#isOpen) return
    inUse.delete(this.#fn)
    this.#isOpen = false
    return this.#fn.close?.()
  }
}
