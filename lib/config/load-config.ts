/** The configuration of this process: gathers flags, environment and file, and lets `resolveConfig` decide. */
import { homedir, hostname } from 'node:os'
import { readConfigFile } from './config-file.ts'
import { type FlagValue, type LoadedConfig, resolveConfig } from './resolve-config.ts'

export interface LoadConfigOptions {
  readonly flags?: readonly FlagValue[]
  /** Instead of `sluice.config.{ts,mts,js,mjs,json}` in the directory. */
  readonly file?: string | undefined
  /** Default: the working directory. */
  readonly directory?: string
  /** Default: that of the process. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** Throws CONFIG_UNKNOWN_KEY, or CONFIG_INVALID naming option, origin, what was expected and what was found. */
export async function loadConfig(options: LoadConfigOptions = {}): Promise<LoadedConfig> {
  const { flags = [], directory = process.cwd(), env = process.env } = options
  return resolveConfig({
    flags,
    env,
    file: await readConfigFile(directory, options.file),
    host: { hostname: hostname(), pid: process.pid, home: homedir() },
  })
}
