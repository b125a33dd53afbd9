/** An adapter out of named functions: what `config.fn` of a pair case picks one of. */
import { CaseError, type Json, type JsonObject } from './case.ts'
import type { Adapter } from './run-case.ts'

/** Makes the function for one case, which may keep state between the pairs of that case. */
export type PairFunction = (config: JsonObject) => (input: never) => unknown

export function functionsAdapter(functions: Readonly<Record<string, PairFunction>>): Adapter {
  return {
    pairFunction: (config) => {
      const name = String(config.fn)
      if (!Object.hasOwn(functions, name)) {
        throw new CaseError(`unknown function ${name}, expected one of ${Object.keys(functions).join(', ')}`)
      }
      return functions[name]!(config) as (input: Json) => unknown
    },
  }
}
