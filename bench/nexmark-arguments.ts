/** The command line of the Nexmark runner. */
import { readdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { readArguments } from '../examples/nexmark/nexmark.ts'
import { SluiceError } from '../lib/base/errors.ts'
import { didYouMean } from '../lib/base/nearest-name.ts'

export const NEXMARK_JOBS = new URL('../examples/nexmark/', import.meta.url)

export const NEXMARK_USAGE = `Usage: npm run nexmark -- --query Q [options]

Runs one Nexmark query and prints one line of JSON: {query, events, parallelism, backend, nodes, seconds,
eventsPerSecond, rows, sha256}. Seconds count from the job's start to its end. Results go into a black hole, unless
--digest or --out ask for them.

  --query Q                 ${nexmarkQueries().join(' ')}
  --events N                how many events are generated (100000); a multiple of --ooo
  --seed S                  which ones (1)
  --rate R                  events per second of event time (10000)
  --ooo G                   events change places within groups of G (1)
  --parallelism P           subtasks of each operator (1)
  --backend heap|leveldb    where state is kept (heap)
  --nodes N                 node processes; without it everything runs in this one
  --checkpoint-interval D   for example 1s
  --out FILE                write the canonical rows, sorted
  --digest                  print the sha256 of the canonical rows
  --help
`

const OPTIONS = {
  query: { type: 'string' },
  events: { type: 'string' },
  seed: { type: 'string' },
  rate: { type: 'string' },
  ooo: { type: 'string' },
  parallelism: { type: 'string', default: '1' },
  backend: { type: 'string', default: 'heap' },
  nodes: { type: 'string' },
  'checkpoint-interval': { type: 'string' },
  out: { type: 'string' },
  digest: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

/** What of it goes to the job. */
const JOB_OPTIONS = ['events', 'seed', 'rate', 'ooo'] as const

export interface NexmarkRun {
  readonly query: string
  readonly events: number
  readonly parallelism: number
  readonly backend: 'heap'
  /** Where the canonical rows go; null: nowhere. */
  readonly out: string | null
  readonly isDigestWanted: boolean
  /** Arguments of the job, without its sink. */
  readonly jobArguments: readonly string[]
}

/** Null: help is wanted. Throws USAGE. */
export function readCommandLine(args: readonly string[]): NexmarkRun | null {
  const values = parseOptions(args)
  if (values.help) return null
  const queries = nexmarkQueries()
  const { query } = values
  if (query === undefined) throw usage(`--query is missing: expected one of ${queries.join(' ')}`)
  if (!queries.includes(query)) {
    throw usage(`there is no query "${query}".${didYouMean(query, queries)} There are ${queries.join(' ')}`)
  }
  if (values.nodes !== undefined) throw notAvailable('--nodes')
  if (values['checkpoint-interval'] !== undefined) throw notAvailable('--checkpoint-interval')
  const { backend } = values
  if (backend === 'leveldb') throw notAvailable('--backend leveldb')
  if (backend !== 'heap') throw usage(`--backend: expected heap or leveldb, found "${backend}"`)
  if (!/^[1-9]\d{0,3}$/.test(values.parallelism)) {
    throw usage(`--parallelism: expected an integer from 1 to 9999, found "${values.parallelism}"`)
  }
  const jobArguments = JOB_OPTIONS.flatMap((name) =>
    values[name] === undefined ? [] : [`--${name}=${values[name]}`],
  )
  return {
    query,
    events: eventCount(jobArguments),
    parallelism: Number(values.parallelism),
    backend,
    out: values.out ?? null,
    isDigestWanted: values.digest,
    jobArguments,
  }
}

/** The names of the queries there are, in the order of their numbers. */
export function nexmarkQueries(): string[] {
  const queries = readdirSync(NEXMARK_JOBS).flatMap((file) => /^(q\d+)\.ts$/.exec(file)?.[1] ?? [])
  return queries.sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)))
}

function parseOptions(args: readonly string[]) {
  const { tokens } = parseArgs({ args: [...args], options: OPTIONS, strict: false, tokens: true })
  const names = Object.keys(OPTIONS)
  for (const token of tokens) {
    if (token.kind === 'positional') throw usage(`expected options only, found "${token.value}"`)
    if (token.kind !== 'option' || names.includes(token.name)) continue
    throw usage(`there is no option ${token.rawName}.${didYouMean(token.name, names).replace('"', '"--')}`)
  }
  return asUsage(() => parseArgs({ args: [...args], options: OPTIONS }).values)
}

function eventCount(jobArguments: readonly string[]): number {
  return asUsage(() => readArguments(jobArguments).events)
}

function asUsage<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw usage((error as Error).message)
  }
}

function notAvailable(option: string): SluiceError {
  return usage(`${option} is not available yet`)
}

function usage(message: string): SluiceError {
  return new SluiceError('USAGE', message)
}
