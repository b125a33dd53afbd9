/**
 * Command lines of programs for developers: an option that does not exist is refused and the nearest one named,
 * `--help` prints the usage, and what is wrong with an argument is one line on stderr and exit code 2.
 */
import { parseArgs } from 'node:util'
import { SluiceError } from '../lib/base/errors.ts'
import { didYouMean } from '../lib/base/nearest-name.ts'

type Options = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>['options']>
type Parsed<O extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: O; allowPositionals: true }>
>

/** Throws USAGE. */
export function readOptions<const O extends Options>(
  args: readonly string[],
  options: O,
  allowPositionals = false,
): Parsed<O> {
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true })
  const names = Object.keys(options)
  for (const token of tokens) {
    if (token.kind === 'positional' && !allowPositionals)
      throw usageError(`expected options only, found "${token.value}"`)
    if (token.kind !== 'option' || names.includes(token.name)) continue
    throw usageError(
      `there is no option ${token.rawName}.${didYouMean(token.name, names).replace('"', '"--')}`,
    )
  }
  return asUsage(() => parseArgs({ args: [...args], options, allowPositionals }) as Parsed<O>)
}

/** A whole number in decimal. Throws USAGE. */
export function readCount(option: string, text: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
  if (/^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max) return Number(text)
  const range = max === Number.MAX_SAFE_INTEGER ? `${min} on` : `${min} to ${max}`
  throw usageError(`--${option}: expected an integer from ${range}, found "${text}"`)
}

/** Throws USAGE for any error of `read`. */
export function asUsage<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw usageError((error as Error).message)
  }
}

export function usageError(message: string): SluiceError {
  return new SluiceError('USAGE', message)
}

/** The whole of a program: `run` is given what stands behind its name. */
export async function runCommand(
  usage: string,
  run: (args: readonly string[]) => void | Promise<void>,
): Promise<void> {
  const args = process.argv.slice(2)
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(usage)
    return
  }
  try {
    await run(args)
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'USAGE') throw error
    process.stderr.write(`${error.message}\n\n${usage}`)
    process.exitCode = error.exitCode
  }
}
