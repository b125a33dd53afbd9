/**
 * Whether and when a failed job is tried again. Pure: the time of each failure comes in, the verdict goes out. The
 * strategies and their arithmetic are Flink's.
 */
import { unreachable } from '../base/assert.ts'
import type { Random } from '../base/prng.ts'
import type { RestartScope } from '../graph/pipelined-regions.ts'

/** `scope`: what is restarted when a part of the job fails. Default: `region`. */
export type RestartSettings = RestartStrategySettings & { readonly scope?: RestartScope }

type RestartStrategySettings =
  | { readonly kind: 'none' }
  | { readonly kind: 'fixed-delay'; readonly attempts: number; readonly delayMs: number }
  | {
      readonly kind: 'failure-rate'
      /** More failures than this within the interval end the job. */
      readonly failuresMax: number
      readonly intervalMs: number
      readonly delayMs: number
    }
  | {
      readonly kind: 'exponential-delay'
      readonly initialMs: number
      readonly maxMs: number
      readonly multiplier: number
      /** After this long without a failure the delay begins anew. */
      readonly resetAfterMs: number
      /** Share of the delay by which it varies, up or down. */
      readonly jitter: number
      /** Restarts in a row; Infinity: no limit. */
      readonly attempts: number
    }

export interface RestartVerdict {
  readonly canRestart: boolean
  readonly backoffMs: number
  /** False where the failure belongs to an attempt that has failed before. */
  readonly isNewAttempt: boolean
}

export interface RestartStrategy {
  onFailure(nowMs: number): RestartVerdict
  /** The verdict as it stands, without a new failure. */
  peek(nowMs: number): RestartVerdict
}

export function newRestartStrategy(settings: RestartSettings, random: Random): RestartStrategy {
  switch (settings.kind) {
    case 'none':
      return new NoRestart()
    case 'fixed-delay':
      return new FixedDelayRestart(settings)
    case 'failure-rate':
      return new FailureRateRestart(settings)
    case 'exponential-delay':
      return new ExponentialDelayRestart(settings, random)
    default:
      return unreachable(settings)
  }
}

class NoRestart implements RestartStrategy {
  onFailure(): RestartVerdict {
    return this.peek()
  }

  peek(): RestartVerdict {
    return { canRestart: false, backoffMs: 0, isNewAttempt: true }
  }
}

type SettingsOf<K extends RestartSettings['kind']> = Extract<RestartStrategySettings, { kind: K }>

class FixedDelayRestart implements RestartStrategy {
  readonly #settings: SettingsOf<'fixed-delay'>
  #failures = 0

  constructor(settings: SettingsOf<'fixed-delay'>) {
    this.#settings = settings
  }

  onFailure(): RestartVerdict {
    this.#failures++
    return this.peek()
  }

  peek(): RestartVerdict {
    const { attempts, delayMs } = this.#settings
    return { canRestart: this.#failures <= attempts, backoffMs: delayMs, isNewAttempt: true }
  }
}

class FailureRateRestart implements RestartStrategy {
  readonly #settings: SettingsOf<'failure-rate'>
  /** Times of the last failures, at most one more than allowed. */
  readonly #failures: number[] = []

  constructor(settings: SettingsOf<'failure-rate'>) {
    this.#settings = settings
  }

  onFailure(nowMs: number): RestartVerdict {
    this.#failures.push(nowMs)
    if (this.#failures.length > this.#settings.failuresMax + 1) this.#failures.shift()
    return this.peek(nowMs)
  }

  peek(nowMs: number): RestartVerdict {
    const { failuresMax, intervalMs, delayMs } = this.#settings
    const isFull = this.#failures.length > failuresMax
    const canRestart = !isFull || nowMs - this.#failures[0]! > intervalMs
    return { canRestart, backoffMs: delayMs, isNewAttempt: true }
  }
}

class ExponentialDelayRestart implements RestartStrategy {
  readonly #settings: SettingsOf<'exponential-delay'>
  readonly #random: Random
  #attempts = 0
  /** When the restart after the last failure is due. */
  #restartAtMs = Number.NEGATIVE_INFINITY

  constructor(settings: SettingsOf<'exponential-delay'>, random: Random) {
    this.#settings = settings
    this.#random = random
  }

  /** Failures while a restart is still to come belong to the attempt that is to be restarted. */
  onFailure(nowMs: number): RestartVerdict {
    if (nowMs <= this.#restartAtMs) return { ...this.peek(nowMs), isNewAttempt: false }
    if (nowMs - this.#restartAtMs >= this.#settings.resetAfterMs) this.#attempts = 0
    this.#attempts++
    this.#restartAtMs = nowMs + this.#delayMs()
    return this.peek(nowMs)
  }

  peek(nowMs: number): RestartVerdict {
    const backoffMs = Math.max(0, this.#restartAtMs - nowMs)
    return { canRestart: this.#attempts <= this.#settings.attempts, backoffMs, isNewAttempt: true }
  }

  #delayMs(): number {
    const { initialMs, maxMs, multiplier, jitter } = this.#settings
    const delayMs = Math.min(Math.floor(initialMs * multiplier ** (this.#attempts - 1)), maxMs)
    if (jitter === 0) return delayMs
    const spread = Math.floor((this.#random.nextFloat() * 2 - 1) * jitter * delayMs)
    return Math.min(Math.max(initialMs, delayMs + spread), maxMs)
  }
}
