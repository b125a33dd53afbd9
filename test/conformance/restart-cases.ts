/** Cases of restart strategies. */
import { SeededRandom } from '../../lib/base/prng.ts'
import {
  newRestartStrategy,
  type RestartSettings,
  type RestartVerdict,
} from '../../lib/scheduler/restart-strategy.ts'
import { CaseError, checkFields, type Json, type JsonObject, numberOf } from './case.ts'
import type { Adapter, Subject } from './run-case.ts'

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  none: [],
  'fixed-delay': ['attempts', 'delay'],
  'failure-rate': ['maxFailures', 'interval', 'delay'],
  'exponential-delay': ['initial', 'max', 'multiplier', 'resetThreshold', 'attempts', 'jitter'],
}

export const restartAdapter: Adapter = {
  variants: (config) => {
    if (config.op !== 'restart-strategy') throw new CaseError(`unknown op ${JSON.stringify(config.op)}`)
    const settings = settingsOf(config)
    return [{ name: '', open: () => openStrategy(settings) }]
  },
}

function settingsOf(config: JsonObject): RestartSettings {
  const fields = FIELDS[String(config.type)]
  if (fields === undefined) throw new CaseError(`unknown strategy ${JSON.stringify(config.type)}`)
  checkFields(config, 'config', ['op', 'type', ...fields])
  const number = (field: string) => numberOf(config, field)
  switch (config.type) {
    case 'fixed-delay':
      return { kind: 'fixed-delay', attempts: number('attempts'), delayMs: number('delay') }
    case 'failure-rate':
      return {
        kind: 'failure-rate',
        failuresMax: number('maxFailures'),
        intervalMs: number('interval'),
        delayMs: number('delay'),
      }
    case 'exponential-delay':
      return {
        kind: 'exponential-delay',
        initialMs: number('initial'),
        maxMs: number('max'),
        multiplier: number('multiplier'),
        resetAfterMs: number('resetThreshold'),
        attempts: config.attempts === undefined ? Number.POSITIVE_INFINITY : number('attempts'),
        jitter: config.jitter === undefined ? 0 : number('jitter'),
      }
    default:
      return { kind: 'none' }
  }
}

function openStrategy(settings: RestartSettings): Subject {
  const strategy = newRestartStrategy(settings, new SeededRandom(1))
  return {
    step(step) {
      checkFields(step, 'step', ['failure', 'at'])
      const nowMs = numberOf(step, 'at')
      if (step.failure !== true) return [verdict(strategy.peek(nowMs))]
      const found = strategy.onFailure(nowMs)
      return [{ newAttempt: found.isNewAttempt, ...verdict(found) }]
    },
  }
}

function verdict({ canRestart, backoffMs }: RestartVerdict): { readonly [key: string]: Json } {
  return { canRestart, backoff: backoffMs }
}
