/**
 * Decides the value of every option: flag before environment before file before default. Pure. What nobody knows and
 * what does not fit is an error that says where it was given: a typing error must not become a default.
 */
import { SluiceError } from '../base/errors.ts'
import { didYouMean } from '../base/nearest-name.ts'
import type { ConfigFileValues } from './config-file.ts'
import type { DefaultPlace, Option } from './option.ts'
import { type Config, environmentName, isOptionKey, OPTION_KEYS, OPTIONS, type OptionKey } from './options.ts'

/** Something said on the command line: `{ key: 'nats.url', value: 'nats://x', name: '--nats' }`. */
export interface FlagValue {
  readonly key: string
  readonly value: string
  readonly name: string
}

/** Who said what an option is; `name` is the flag, the variable or the file. */
export type Origin =
  | { readonly kind: 'default' }
  | { readonly kind: 'flag' | 'environment' | 'file'; readonly name: string }

export interface ConfigSources {
  /** The last of several for one key counts. */
  readonly flags: readonly FlagValue[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly file: ConfigFileValues | null
  readonly host: Omit<DefaultPlace, 'cluster' | 'env'>
}

export interface LoadedConfig {
  readonly config: Config
  readonly origins: Readonly<Record<OptionKey, Origin>>
}

/** Variables that begin like options and belong to others: the search for nats-server, config/nats/permissions.conf. */
const OTHER_VARIABLES = [
  'SLUICE_NATS_SERVER_BIN',
  'SLUICE_NODE_PASSWORD',
  'SLUICE_OPERATOR_PASSWORD',
  'SLUICE_VIEWER_PASSWORD',
  'SLUICE_QUERY_PASSWORD',
]
/** Kubernetes and Docker tell containers of a service named `sluice-...` in this way. */
const SERVICE_VARIABLE =
  /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/

/** Throws CONFIG_UNKNOWN_KEY or CONFIG_INVALID. */
export function resolveConfig(sources: ConfigSources): LoadedConfig {
  refuseUnknown(sources)
  const place = { ...sources.host, env: sources.env, cluster: '' }
  const values: Record<string, unknown> = {}
  const origins = {} as Record<OptionKey, Origin>
  for (const key of OPTION_KEYS) {
    const given = findGiven(key, sources)
    const option: Option<unknown> = OPTIONS[key]
    values[key] = given === null ? option.defaultValue(place) : parse(key, given.value, given.origin)
    origins[key] = given === null ? { kind: 'default' } : given.origin
    if (key === 'cluster') place.cluster = String(values[key])
  }
  return { config: Object.freeze(values) as Config, origins: Object.freeze(origins) }
}

/** What holds where nobody has said anything: for runs that take no configuration. */
export function defaultConfig(): Config {
  return resolveConfig({ flags: [], env: {}, file: null, host: { hostname: '', pid: 0, home: '' } }).config
}

/** `--nats`, `environment variable NATS_URL`, the path of the file, `default`. */
export function describeOrigin(origin: Origin): string {
  if (origin.kind === 'default') return 'default'
  return origin.kind === 'environment' ? `environment variable ${origin.name}` : origin.name
}

function findGiven(
  key: OptionKey,
  { flags, env, file }: ConfigSources,
): { value: unknown; origin: Origin } | null {
  const flag = flags.filter((each) => each.key === key).at(-1)
  if (flag !== undefined) return { value: flag.value, origin: { kind: 'flag', name: flag.name } }
  for (const name of [environmentName(key), ...OPTIONS[key].environment]) {
    // An empty variable is how shells and container files unset one.
    if (env[name]) return { value: env[name], origin: { kind: 'environment', name } }
  }
  if (file === null || !file.values.has(key)) return null
  return { value: file.values.get(key), origin: { kind: 'file', name: file.path } }
}

function parse(key: OptionKey, value: unknown, origin: Origin): unknown {
  const option: Option<unknown> = OPTIONS[key]
  const parsed = option.parse(value)
  if (parsed !== undefined) return parsed
  const found = option.isSecret ? 'something else' : JSON.stringify(value)
  throw new SluiceError(
    'CONFIG_INVALID',
    `option ${key}, given by ${describeOrigin(origin)}: expected ${option.expected}, found ${found}`,
    { details: { option: key } },
  )
}

function refuseUnknown({ flags, env, file }: ConfigSources): void {
  for (const { key, name } of flags) if (!isOptionKey(key)) throw unknown(key, name, OPTION_KEYS)
  const variables = OPTION_KEYS.map(environmentName)
  for (const name of Object.keys(env)) {
    if (!name.startsWith('SLUICE_') || !env[name] || SERVICE_VARIABLE.test(name)) continue
    if (![...variables, ...OTHER_VARIABLES].includes(name)) throw unknown(name, 'the environment', variables)
  }
  for (const key of file?.values.keys() ?? [])
    if (!isOptionKey(key)) throw unknown(key, file!.path, OPTION_KEYS)
}

function unknown(key: string, where: string, known: readonly string[]): SluiceError {
  return new SluiceError(
    'CONFIG_UNKNOWN_KEY',
    `there is no option "${key}", given by ${where}.${didYouMean(key, known)}`,
    {
      details: { option: key },
    },
  )
}
