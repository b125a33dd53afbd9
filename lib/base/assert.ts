/**
 * Assertions for facts that only a bug in Sluice itself can falsify. What users or the network can get wrong
 * is a {@link SluiceError} instead.
 */

/** Throws when `condition` is false. The message states the fact that was expected to hold. */
export function assert(condition: boolean, fact: string): asserts condition {
  if (!condition) throw new AssertionFailure(`expected: ${fact}`)
}

/** Ends an exhaustive `switch`: the compiler proves it is never reached, the run time checks. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`unreachable case: ${String(value)}`)
}

/** Narrows away `null` and `undefined`; `what` names the thing that was expected to be there. */
export function present<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new AssertionFailure(`expected ${what} to be present`)
  return value
}

export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure'
}
