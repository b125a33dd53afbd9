/** Shows the configuration that is in force, and where each value comes from. */
import type { Option } from '../../lib/config/option.ts'
import { environmentName, OPTION_KEYS, OPTIONS, type OptionKey } from '../../lib/config/options.ts'
import { describeOrigin, type LoadedConfig } from '../../lib/config/resolve-config.ts'
import { textTable } from '../text-table.ts'
import type { VerbSpec } from '../verb.ts'

export const configVerb: VerbSpec = {
  description:
    'A flag counts before the environment (SLUICE_ and the key in upper snake case), that before the file ' +
    'sluice.config.{ts,mts,js,mjs,json}, that before the default. Secrets are hidden.',
  examples: [
    ['sluice config', 'what is in force here, for commands that run until stopped'],
    ['sluice config -D restart.strategy=fixed-delay', 'what it would be with that flag'],
  ],
  isService: true,
  async run(context) {
    const loaded = await context.configure()
    const options = OPTION_KEYS.map((key) => describeOption(key, loaded))
    const rows = options.map(({ key, shown, origin, doc }) => [key, shown === '' ? '-' : shown, origin, doc])
    context.out.data(
      { options: options.map(({ shown: _, ...option }) => option) },
      textTable(['OPTION', 'VALUE', 'FROM', 'WHAT IT IS'], rows),
    )
    return undefined
  },
}

function describeOption(key: OptionKey, { config, origins }: LoadedConfig) {
  const option: Option<unknown> = OPTIONS[key]
  const value = config[key]
  const shown = value === undefined ? '' : option.show(value)
  return {
    key,
    // What is shown in another form than it is kept in may hide something.
    value: value === undefined ? null : option.kind === 'string' ? shown : value,
    shown,
    origin: describeOrigin(origins[key]),
    kind: option.kind,
    environment: [environmentName(key), ...option.environment],
    doc: option.doc,
  }
}
