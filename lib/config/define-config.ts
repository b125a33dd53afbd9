/** The type of `sluice.config.ts`: the options as a tree, by the parts of their keys. */
import type { OptionInput } from './option.ts'
import type { OPTIONS, OptionKey } from './options.ts'

type Tree<Keys extends string, Prefix extends string> = {
  readonly [Head in Keys extends `${infer First}.${string}` ? First : Keys]?:
    | (`${Prefix}${Head}` extends OptionKey
        ? OptionInput<(typeof OPTIONS)[`${Prefix}${Head}`]> | undefined
        : never)
    | (Keys extends `${Head}.${infer Rest}` ? Tree<Rest, `${Prefix}${Head}.`> : never)
}

/** `{ cluster: 'east', nats: { url: 'nats://nats:4222' } }`; what is left out or undefined keeps its default. */
export type ConfigFile = Tree<OptionKey, ''>

/**
 * Gives a configuration file its types:
 *
 *     import { defineConfig } from 'sluice'
 *     export default defineConfig({ nats: { url: 'nats://nats:4222' }, node: { slots: 4 } })
 */
export function defineConfig(config: ConfigFile): ConfigFile {
  return config
}
