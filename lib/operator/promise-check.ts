/**
 * Functions that return promises where they must not: `async` ones are refused when the graph is built, those that
 * merely return what an asynchronous call gave them only show when they are called.
 */
import { SluiceError } from '../base/errors.ts'
import type { OperatorContext } from './stream-operator.ts'

/** Throws USER_FUNCTION_FAILED if `returned` is a promise. */
export function refusePromise(returned: unknown, method: string, { operatorName }: OperatorContext): void {
  if (!(returned instanceof Promise)) return
  // What it may reject with is of no interest any more, and must not end the process.
  returned.catch(() => {})
  throw new SluiceError(
    'USER_FUNCTION_FAILED',
    `the ${method} function of "${operatorName}" returned a promise; it must be synchronous (mapAsync is for asynchronous calls)`,
  )
}
