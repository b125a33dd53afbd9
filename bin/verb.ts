/** What a verb of the command line is: data for the parser and the help, and the function that does it. */
import { Option } from 'commander'
import type { Clock } from '../lib/base/clock.ts'
import type { Logger } from '../lib/base/logger.ts'
import type { Random } from '../lib/base/prng.ts'
import { type Config, OPTIONS, type OptionKey } from '../lib/config/options.ts'
import type { LoadedConfig } from '../lib/config/resolve-config.ts'
import type { Interrupts } from './interrupts.ts'
import type { Output } from './output.ts'

export interface VerbTitle {
  /** With its arguments: `describe <job>`. */
  readonly usage: string
  /** One line, in the list of verbs. */
  readonly summary: string
}

export interface VerbSpec {
  /** What the summary leaves out. */
  readonly description?: string
  readonly options?: readonly Option[]
  /** Command lines, each with what it does. */
  readonly examples?: readonly (readonly [line: string, effect: string])[]
  /** What follows `--` is the job's; for other verbs it is an error. */
  readonly hasJobArgs?: boolean
  /** Runs until told to stop: its log is its voice, so it begins at `info`. */
  readonly isService?: boolean
  /** Instead of `run`. */
  readonly verbs?: readonly (VerbTitle & VerbSpec)[]
  /** Resolves with an exit code; undefined is 0. */
  run?(context: CommandContext, input: VerbInput): Promise<number | undefined>
}

export interface VerbInput {
  readonly args: readonly string[]
  readonly options: Readonly<Record<string, unknown>>
  /** What followed `--`. */
  readonly jobArgs: readonly string[]
}

export interface Globals {
  readonly isJson: boolean
  readonly isQuiet: boolean
  readonly isVerbose: boolean
  /** How long to wait for an answer of the cluster; undefined: the verb's own. */
  readonly timeoutMs: number | undefined
}

export interface CommandContext {
  readonly globals: Globals
  readonly out: Output
  readonly interrupts: Interrupts
  readonly clock: Clock
  readonly random: Random
  /** Reads the configuration, when the verb needs it. */
  configure(): Promise<Configured>
}

export interface Configured extends LoadedConfig {
  readonly config: Config
  readonly log: Logger
  readonly logFormat: 'json' | 'text'
}

/** A flag that sets a configuration option. */
export class ConfigOption extends Option {
  readonly key: OptionKey

  constructor(flags: string, key: OptionKey) {
    super(flags, `${OPTIONS[key].doc} (${key})`)
    this.key = key
  }
}
