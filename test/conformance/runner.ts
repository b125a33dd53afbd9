/**
 * Runs conformance cases: every suite file of a directory, one line each and state backend, what failed or was skipped
 * below it, then the sum. Exit code 0 if nothing failed, 1 if something did, 2 if the arguments or the files are wrong.
 */
import { parseArgs } from 'node:util'
import type { StateBackend } from '../../lib/state/state-home.ts'
import { readSuites, type Suite, UsageError } from './case.ts'
import { backendsOf, type CaseResult, describeRun, runOrSkip, suiteSkipReason } from './suites.ts'

const USAGE = 'usage: run.ts DIR [--suite NAME] [--case SUBSTRING]'

interface Arguments {
  readonly directory: string
  readonly suite: string | null
  readonly caseText: string
}

interface Counts {
  passed: number
  failed: number
}

function parseArguments(args: string[]): Arguments {
  try {
    const options = { suite: { type: 'string' }, case: { type: 'string' } } as const
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
    const [directory, ...more] = positionals
    if (directory === undefined || more.length > 0) throw new UsageError(USAGE)
    return { directory, suite: values.suite ?? null, caseText: values.case ?? '' }
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`${(error as Error).message}\n${USAGE}`)
  }
}

function select({ directory, suite, caseText }: Arguments): Suite[] {
  const suites = readSuites(directory)
  const named = suite === null ? suites : suites.filter(({ name }) => name === suite)
  if (named.length === 0) throw new UsageError(`no suite ${suite} in ${directory}`)
  return named.map(({ name, cases }) => ({
    name,
    cases: cases.filter((each) => each.name.includes(caseText)),
  }))
}

async function runSuite(
  { name, cases }: Suite,
  backend: StateBackend,
  print: (line: string) => void,
): Promise<Counts> {
  const reason = suiteSkipReason(name)
  const counts = { passed: 0, failed: 0 }
  if (reason !== null) {
    print(`${name}  skipped: ${reason}`)
    return counts
  }
  const details: string[] = []
  let skipped = 0
  for (const each of cases) {
    const result = await runOrSkip(each, backend)
    if (result.kind === 'skipped') skipped++
    else counts[result.kind]++
    details.push(...describe(each.name, result))
  }
  print(
    `${describeRun(name, backend)}  ${counts.passed} passed, ${counts.failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
  )
  for (const line of details) print(line)
  return counts
}

function describe(name: string, result: CaseResult): string[] {
  switch (result.kind) {
    case 'passed':
      return []
    case 'skipped':
      return [`  skipped "${name}": ${result.reason}`]
    case 'failed':
      return [`  FAILED "${name}"`, ...result.complaints.map((complaint) => `    ${complaint}`)]
  }
}

/** Runs what the arguments say, printing line by line; returns the exit code. */
export async function runConformance(args: string[], print: (line: string) => void): Promise<number> {
  try {
    const total = { passed: 0, failed: 0 }
    for (const suite of select(parseArguments(args))) {
      for (const backend of backendsOf(suite.name)) {
        const { passed, failed } = await runSuite(suite, backend, print)
        total.passed += passed
        total.failed += failed
      }
    }
    print(`${total.passed} passed, ${total.failed} failed`)
    return total.failed === 0 ? 0 : 1
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    print(error.message)
    return 2
  }
}
