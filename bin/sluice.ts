/** The command line: understands what is asked, does it, and turns what came of it into words and an exit code. */
import { systemClock } from '../lib/base/clock.ts'
import { EXIT, SluiceError } from '../lib/base/errors.ts'
import { createLogger, type LogLevel, stderrSink } from '../lib/base/logger.ts'
import { systemRandom } from '../lib/base/prng.ts'
import { parseDuration } from '../lib/base/units.ts'
import { loadConfig } from '../lib/config/load-config.ts'
import { VERBS } from './commands/verbs.ts'
import { errorObject, exitCodeOf, explainError } from './explain-error.ts'
import { Interrupts } from './interrupts.ts'
import { Output } from './output.ts'
import { configFlags, type Invocation, parseCommandLine } from './program.ts'
import type { CommandContext, Configured, Globals } from './verb.ts'

/** The frames of operators lie below those of a deep user stack. */
const STACK_TRACE_LIMIT = 60
/** What may still be open when all is done, such as a timer of a job module, is not waited for longer than this. */
const LINGER_MS = 500

/** Resolves with the exit code. Prints everything there is to say, errors included. */
export async function main(argv: readonly string[]): Promise<number> {
  Error.stackTraceLimit = STACK_TRACE_LIMIT
  const split = argv.indexOf('--')
  const own = split < 0 ? argv : argv.slice(0, split)
  const jobArgs = split < 0 ? [] : argv.slice(split + 1)
  const interrupts = new Interrupts()
  let globals = guessGlobals(own)
  const report = (error: unknown) => reportError(error, globals, own, interrupts)
  process.on('uncaughtException', (error) => process.exit(report(error)))
  // Whoever reads our output, `head` say, has enough.
  process.stdout.on('error', () => process.exit(EXIT.ok))
  let code: number
  try {
    const invocation = await parseCommandLine(own, VERBS)
    if (invocation === null) return EXIT.ok
    globals = globalsOf(invocation)
    code = await runVerb(invocation, globals, interrupts, jobArgs)
  } catch (error) {
    code = report(error)
  }
  setTimeout(() => process.exit(), LINGER_MS).unref()
  return interrupts.exitCode ?? code
}

async function runVerb(
  invocation: Invocation,
  globals: Globals,
  interrupts: Interrupts,
  jobArgs: readonly string[],
): Promise<number> {
  const { verb, command, args } = invocation
  if (jobArgs.length > 0 && verb.hasJobArgs !== true) {
    throw new SluiceError('USAGE', `unexpected arguments after --: ${jobArgs.join(' ')}; only jobs take any`)
  }
  const context: CommandContext = {
    globals,
    out: new Output({ ...globals, hasColor: hasColor(command.optsWithGlobals().color) }),
    interrupts,
    clock: systemClock,
    random: systemRandom(),
    configure: () => configure(invocation, globals),
  }
  return (await verb.run!(context, { args, options: command.opts(), jobArgs })) ?? EXIT.ok
}

async function configure({ verb, command }: Invocation, globals: Globals): Promise<Configured> {
  const loaded = await loadConfig({ flags: configFlags(command), file: command.optsWithGlobals().config })
  const { config, origins } = loaded
  const isGiven = origins['log.level'].kind !== 'default'
  const spoken: LogLevel = globals.isVerbose
    ? 'debug'
    : globals.isQuiet
      ? 'error'
      : verb.isService === true
        ? 'info'
        : 'warn'
  const level = isGiven && !globals.isVerbose && !globals.isQuiet ? config['log.level'] : spoken
  const isText = (process.stderr.isTTY || verb.isService !== true) && !globals.isJson
  const logFormat = config['log.format'] === 'auto' ? (isText ? 'text' : 'json') : config['log.format']
  const log = createLogger(systemClock, level, stderrSink(logFormat))
  return { ...loaded, config: { ...config, 'log.level': level }, log, logFormat }
}

function globalsOf({ command }: Invocation): Globals {
  const { json, quiet, verbose, timeout } = command.optsWithGlobals()
  return {
    isJson: json === true,
    isQuiet: quiet === true,
    isVerbose: verbose === true,
    timeoutMs: timeout === undefined ? undefined : timeoutOf(timeout),
  }
}

/** Before the command line has been understood, and if it cannot be. */
function guessGlobals(argv: readonly string[]): Globals {
  const has = (...names: string[]) => names.some((name) => argv.includes(name))
  return { isJson: has('--json'), isQuiet: false, isVerbose: has('-v', '--verbose'), timeoutMs: undefined }
}

function timeoutOf(text: string): number {
  try {
    return parseDuration(text)
  } catch (error) {
    throw new SluiceError('USAGE', `--timeout: ${(error as Error).message}`)
  }
}

/** Returns the exit code. A job that was cancelled because somebody pressed Ctrl-C is no error. */
function reportError(
  error: unknown,
  globals: Globals,
  argv: readonly string[],
  interrupts: Interrupts,
): number {
  const isExpected =
    interrupts.exitCode !== null && error instanceof SluiceError && error.code === 'JOB_CANCELLED'
  if (!isExpected) {
    const options = { isVerbose: globals.isVerbose, hasColor: hasColor(!argv.includes('--no-color')) }
    const text = globals.isJson ? JSON.stringify(errorObject(error, options)) : explainError(error, options)
    process.stderr.write(`${text}\n`)
  }
  return interrupts.exitCode ?? exitCodeOf(error)
}

function hasColor(isWanted: boolean): boolean {
  return isWanted && process.stderr.isTTY && (process.env.NO_COLOR ?? '') === ''
}
