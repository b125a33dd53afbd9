/** The verbs as a parser with help. What is wrong with a command line becomes a USAGE error that names it. */
import { Command, CommanderError, Option } from 'commander'
import { SluiceError } from '../lib/base/errors.ts'
import type { ListedVerb } from './commands/verbs.ts'
import { PACKAGE_VERSION } from './package-version.ts'
import { ConfigOption, type VerbSpec, type VerbTitle } from './verb.ts'

/** What the user has asked for. */
export interface Invocation {
  readonly verb: VerbSpec
  readonly command: Command
  readonly args: readonly string[]
}

const EXIT_CODES = `
Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 not found, 4 cannot connect, 5 timeout,
6 incompatible state, 7 no nats-server program, 130 Ctrl-C, 143 SIGTERM`

/** Null: help or the version was asked for, and has been printed. Throws USAGE. */
export async function parseCommandLine(
  argv: readonly string[],
  verbs: readonly ListedVerb[],
): Promise<Invocation | null> {
  let invocation: Invocation | null = null
  const program = buildProgram(await loadNamed(argv, verbs), (found) => {
    invocation = found
  })
  if (argv.length === 0) {
    program.outputHelp()
    return null
  }
  try {
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) return null
    throw error
  }
  return invocation
}

type Verb = VerbTitle & VerbSpec

/** What is not named is in the list of verbs, and no more. */
function loadNamed(argv: readonly string[], verbs: readonly ListedVerb[]): Promise<Verb[]> {
  return Promise.all(
    verbs.map(async ({ usage, summary, load }) => {
      const isNamed = argv.includes(usage.split(' ')[0]!)
      return { usage, summary, ...(isNamed ? await load() : {}) }
    }),
  )
}

/** Every value given by a flag that sets a configuration option, those of `-D` included. */
export function configFlags(command: Command): { key: string; value: string; name: string }[] {
  const flags = []
  for (let each: Command | null = command; each !== null; each = each.parent) {
    for (const option of each.options) {
      const value: unknown = each.getOptionValue(option.attributeName())
      if (option instanceof ConfigOption && value !== undefined) {
        flags.push({ key: option.key, value: String(value), name: option.long! })
      }
    }
  }
  return [...flags, ...definitions(command.optsWithGlobals().define ?? [])]
}

function definitions(given: readonly string[]): { key: string; value: string; name: string }[] {
  return given.map((text) => {
    const at = text.indexOf('=')
    if (at > 0) return { key: text.slice(0, at), value: text.slice(at + 1), name: `-D ${text.slice(0, at)}` }
    throw new SluiceError('USAGE', `expected -D key=value, found -D ${text}`)
  })
}

function buildProgram(verbs: readonly Verb[], onFound: (invocation: Invocation) => void): Command {
  const program = quiet(new Command('sluice'))
    .description('Sluice: a stateful stream processor for TypeScript on NATS')
    .usage('<verb> [options]')
    .version(PACKAGE_VERSION, '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .option('--json', 'results as JSON on stdout, errors as JSON on stderr')
    .addOption(new Option('-q, --quiet', 'no progress, no remarks').conflicts('verbose'))
    .option('-v, --verbose', 'debug log; whole stacks of errors')
    .option('--no-color', 'no colours; NO_COLOR does the same')
    .option('--config <file>', 'configuration file, instead of sluice.config.{ts,mts,js,mjs,json} here')
    .addOption(new ConfigOption('--nats <url>', 'nats.url'))
    .addOption(new ConfigOption('--cluster <name>', 'cluster'))
    .option('-D, --define <key=value>', 'set any configuration option; may be repeated', collect)
    .option('--timeout <duration>', 'how long to wait for an answer of the cluster, such as 30s')
    .addHelpText(
      'after',
      `\nOptions can stand before or after the verb. \`sluice config\` lists what can be configured.\n${EXIT_CODES}`,
    )
  for (const verb of verbs) program.addCommand(buildVerb(verb, onFound))
  return program
}

function buildVerb(verb: Verb, onFound: (invocation: Invocation) => void): Command {
  const [name, ...args] = verb.usage.split(' ')
  const command = quiet(new Command(name))
    .summary(verb.summary)
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
  command.description(
    [sentence(verb.summary), verb.description].filter((text) => text !== undefined).join(' '),
  )
  command.configureHelp({ showGlobalOptions: true }).allowExcessArguments(false)
  if (verb.hasJobArgs === true) command.usage(`${args.join(' ')} [options] [-- args of the job]`)
  for (const arg of args) command.argument(arg)
  for (const option of verb.options ?? []) command.addOption(option)
  command.addHelpText('after', `${examplesOf(verb)}${EXIT_CODES}`)
  for (const inner of verb.verbs ?? []) command.addCommand(buildVerb(inner, onFound))
  if (verb.run !== undefined) command.action(() => onFound({ verb, command, args: command.args }))
  return command
}

/** Help goes where it is asked for; errors are thrown, not printed. */
function quiet(command: Command): Command {
  const refuse = (error: CommanderError) => {
    throw error.exitCode === 0 ? error : usageError(error, command)
  }
  return command.exitOverride(refuse).configureOutput({ writeErr: () => {}, outputError: () => {} })
}

function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value]
}

function sentence(summary: string): string {
  return `${summary[0]!.toUpperCase()}${summary.slice(1)}.`
}

function examplesOf({ examples = [] }: VerbSpec): string {
  if (examples.length === 0) return ''
  const width = Math.max(...examples.map(([line]) => line.length))
  const lines = examples.map(([line, effect]) => `  ${line.padEnd(width)}  ${effect}`)
  return `\nExamples:\n${lines.join('\n')}\n`
}

function usageError({ code, message }: CommanderError, command: Command): SluiceError {
  const path = [command.name()]
  for (let each = command.parent; each !== null; each = each.parent) path.unshift(each.name())
  const verbs = command.commands.map((verb) => verb.name()).join(', ')
  const text = message.replace(/^error: /, '').replace(/\n\((.*)\)$/s, '. $1')
  return new SluiceError(
    'USAGE',
    code === 'commander.help' ? `${path.join(' ')} needs a verb: ${verbs}` : text,
    {
      details: { help: `${path.join(' ')} --help` },
    },
  )
}
