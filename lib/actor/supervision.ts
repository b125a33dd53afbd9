/**
 * What happens to an actor that throws. Restarting with exponential back-off and an intensity limit follows
 * OTP's supervisors and Pekko's BackoffSupervisor; as in Pekko the strategy belongs to the actor, not its parent.
 */
import { assert } from '../base/assert.ts'
import type { Random } from '../base/prng.ts'

export type Supervision =
  /** The actor stops; its parent is told. */
  | { readonly kind: 'stop' }
  /** A fresh behaviour takes over address and mailbox; after too many restarts the actor stops. */
  | RestartStrategy
  /** The actor stops and its parent fails with the same error; without a parent, the system is told. */
  | { readonly kind: 'escalate' }

export interface RestartStrategy {
  readonly kind: 'restart'
  /** First delay, greatest delay, and the fraction (0 to 1) of it that is added at random. */
  readonly backoff: { readonly minMs: number; readonly maxMs: number; readonly jitter: number }
  /** More than this many restarts within `withinMs` stop the actor. */
  readonly restartsMax: number
  readonly withinMs: number
}

/** Counts the restarts of one actor. */
export class RestartBudget {
  readonly #strategy: RestartStrategy
  /** Times of the restarts that still count, oldest first; never more than `restartsMax`. */
  #restartsAtMs: number[] = []

  constructor(strategy: RestartStrategy) {
    const { minMs, maxMs, jitter } = strategy.backoff
    assert(
      minMs >= 0 && maxMs >= minMs && jitter >= 0 && jitter <= 1,
      '0 <= minMs <= maxMs, 0 <= jitter <= 1',
    )
    this.#strategy = strategy
  }

  /** The delay before the next restart, or undefined when the actor has had its chances. */
  next(nowMs: number, random: Random): number | undefined {
    const { backoff, restartsMax, withinMs } = this.#strategy
    this.#restartsAtMs = this.#restartsAtMs.filter((atMs) => atMs > nowMs - withinMs)
    const recent = this.#restartsAtMs.length
    if (recent >= restartsMax) return undefined
    this.#restartsAtMs.push(nowMs)
    const delayMs = Math.min(backoff.maxMs, backoff.minMs * 2 ** recent)
    return delayMs * (1 + backoff.jitter * random.nextFloat())
  }
}
