/** Pair cases of state that is dealt out among another number of subtasks. */
import { redistributeKeyGroups, redistributeList } from '../../lib/checkpoint/state-redistribution.ts'
import type { KeyGroupRange } from '../../lib/state/key-group.ts'
import type { RedistributionMode } from '../../lib/state/operator-state.ts'
import { CaseError, checkFields, type Json, type JsonObject, numberOf } from './case.ts'
import { functionsAdapter } from './pair-functions.ts'

const MODES: readonly string[] = ['split', 'union', 'broadcast']

export const redistributionAdapter = functionsAdapter({
  'redistribute-list': (config) => {
    checkFields(config, 'config', ['fn', 'mode'])
    if (!MODES.includes(String(config.mode)))
      throw new CaseError(`unknown mode ${JSON.stringify(config.mode)}`)
    return (input: JsonObject) =>
      redistributeList(
        config.mode as RedistributionMode,
        input.subtasks as Json[][],
        numberOf(input, 'newParallelism'),
      )
  },
  'redistribute-key-groups': (config) => {
    checkFields(config, 'config', ['fn'])
    return (input: JsonObject) => {
      const { range, sources } = redistributeKeyGroups(
        numberOf(input, 'maxParallelism'),
        numberOf(input, 'oldParallelism'),
        numberOf(input, 'newParallelism'),
        numberOf(input, 'index'),
      )
      const pair = ({ first, last }: KeyGroupRange) => [first, last]
      return { range: pair(range), sources: sources.map(({ from, range }) => ({ from, range: pair(range) })) }
    }
  },
})
