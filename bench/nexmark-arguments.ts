/** The command line of the Nexmark runner. */
import { readdirSync } from 'node:fs'
import { type NexmarkArguments, readArguments } from '../examples/nexmark/nexmark.ts'
import { didYouMean } from '../lib/base/nearest-name.ts'
import { parseDuration } from '../lib/base/units.ts'
import { asUsage, readCount, readOptions, usageError } from './command-line.ts'
import type { VerifyPlan } from './nexmark-verify.ts'

export const NEXMARK_JOBS = new URL('../examples/nexmark/', import.meta.url)

export const NEXMARK_USAGE = `Usage: npm run nexmark -- [options]

Runs Nexmark queries, compares the digests of their results with the known ones (test/nexmark/golden*.tsv), and prints a
table; progress goes to stderr. Seconds count from the job's start to its end. Ends with 0 if every query has finished
and no digest differs. A digest is unknown if there is none for these events.

  --query Q,...             default all: ${nexmarkQueries().join(' ')}
  --all                     all of them, and the results as JSON in nexmark.json too
  --parallelism P,...       subtasks of each operator (1); each query runs with each of them
  --events N                how many events are generated (100000); a multiple of --ooo
  --seed S                  which ones (1)
  --rate R                  events per second of event time (10000)
  --ooo G                   events change places within groups of G (1)
  --nodes N                 on a cluster: a nats-server, a coordinator and N node processes of its own; without it
                            everything runs in this process
  --blackhole               count results and drop them: to measure without files; there is no digest then
  --digest                  as --json: the line has the sha256 of the canonical rows
  --out FILE                write the canonical rows of a single run, sorted
  --json                    on stdout one line of JSON per run, in place of the table: {query, events, parallelism,
                            backend, nodes, seconds, eventsPerSecond, rows, sha256, digest}
  --backend heap|leveldb    where state is kept (heap)
  --state-memory SIZE       of the leveldb backend, per slot (256mb)
  --checkpoint-interval D   take checkpoints this often, such as 500ms
  --report FILE             write the results as JSON; with --all: nexmark.json
  --verify                  every known digest on every path: rates, disorder, parallelisms, backends, local and on two
                            nodes, a node killed and the parallelism changed on the way, into files and JetStream; the
                            last line on stdout is "N passed, N failed". Of the other options only --query, --minutes
                            and --path go with it
  --minutes M               no case of --verify begins after so long (30); what was left out is said
  --path NAME               of --verify only this path, named as its progress names it
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
  'state-memory': { type: 'string', default: '256mb' },
  nodes: { type: 'string' },
  'checkpoint-interval': { type: 'string' },
  all: { type: 'boolean', default: false },
  report: { type: 'string' },
  verify: { type: 'boolean', default: false },
  minutes: { type: 'string' },
  path: { type: 'string' },
  blackhole: { type: 'boolean', default: false },
  out: { type: 'string' },
  digest: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

/** What of it goes to the job. */
const JOB_OPTIONS = ['events', 'seed', 'rate', 'ooo'] as const

/** All of them are on this machine, each subtask a thread and each node a process. */
const PARALLELISM_MAX = 64
const NODES_MAX = 16

const MINUTES = 30
const MINUTES_MAX = 600
/** Where `--all` reports to, unless another file is named. */
const REPORT = 'nexmark.json'

export const BACKENDS = ['heap', 'leveldb'] as const
export type Backend = (typeof BACKENDS)[number]

export interface NexmarkPlan {
  readonly queries: readonly string[]
  readonly parallelisms: readonly number[]
  readonly events: Pick<NexmarkArguments, 'events' | 'seed' | 'rate' | 'ooo'>
  readonly backend: Backend
  /** As `state.memory` has it. */
  readonly stateMemory: string
  /** Between two checkpoints, as it was given; null: none are taken. */
  readonly checkpointInterval: string | null
  /** Node processes; 0: everything in this one. */
  readonly nodes: number
  /** Whether results are dropped. */
  readonly isBlackhole: boolean
  /** Where the canonical rows go; null: nowhere. */
  readonly out: string | null
  /** Where all results go as JSON at the end; null: nowhere. */
  readonly report: string | null
  /** Null: nothing is verified, these runs are made. */
  readonly verify: Pick<VerifyPlan, 'path' | 'minutes'> | null
  /** A line of JSON per run in place of the table. */
  readonly isJson: boolean
  /** Arguments of the jobs, without their sink. */
  readonly jobArguments: readonly string[]
}

/** Null: help is wanted. Throws USAGE. */
export function readCommandLine(args: readonly string[]): NexmarkPlan | null {
  const values = readOptions(args, OPTIONS).values
  if (values.help) return null
  const { out, blackhole, 'checkpoint-interval': interval } = values
  if (values.all && values.query !== undefined) throw usageError('--all and --query exclude each other')
  if (!values.verify && (values.minutes !== undefined || values.path !== undefined))
    throw usageError('--minutes and --path go with --verify')
  const jobArguments = JOB_OPTIONS.flatMap((name) =>
    values[name] === undefined ? [] : [`--${name}=${values[name]}`],
  )
  const { events, seed, rate, ooo } = asUsage(() => readArguments(jobArguments))
  const plan = {
    queries: readQueries(values.query),
    parallelisms: readList('parallelism', values.parallelism, PARALLELISM_MAX),
    events: { events, seed, rate, ooo },
    backend: readBackend(values.backend),
    stateMemory: values['state-memory'],
    checkpointInterval: interval === undefined ? null : asUsage(() => readInterval(interval)),
    nodes: values.nodes === undefined ? 0 : readCount('nodes', values.nodes, 1, NODES_MAX),
    isBlackhole: blackhole,
    out: out ?? null,
    report: values.report ?? (values.all ? REPORT : null),
    verify: values.verify
      ? {
          path: values.path ?? null,
          minutes: readCount('minutes', values.minutes ?? `${MINUTES}`, 1, MINUTES_MAX),
        }
      : null,
    isJson: values.json || values.digest,
    jobArguments,
  } as const
  if (out !== undefined && (plan.queries.length > 1 || plan.parallelisms.length > 1)) {
    throw usageError('--out takes the rows of one run: name one --query and one --parallelism')
  }
  if (blackhole && (out !== undefined || values.digest)) {
    throw usageError(`--blackhole leaves no rows for ${out === undefined ? '--digest' : '--out'}`)
  }
  return plan
}

/** The names of the queries there are, in the order of their numbers. */
export function nexmarkQueries(): string[] {
  const queries = readdirSync(NEXMARK_JOBS).flatMap((file) => /^(q\d+)\.ts$/.exec(file)?.[1] ?? [])
  return queries.sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)))
}

function readBackend(name: string): Backend {
  const backend = BACKENDS.find((each) => each === name)
  if (backend === undefined) throw usageError(`--backend: expected heap or leveldb, found "${name}"`)
  return backend
}

function readInterval(text: string): string {
  if (parseDuration(text) > 0) return text
  throw new Error('--checkpoint-interval: expected more than 0')
}

/** Names separated by commas; undefined: all. Throws USAGE. */
export function readQueries(text: string | undefined): readonly string[] {
  const known = nexmarkQueries()
  if (text === undefined) return known
  const names = text.split(',')
  for (const name of names) {
    if (known.includes(name)) continue
    throw usageError(`there is no query "${name}".${didYouMean(name, known)} There are ${known.join(' ')}`)
  }
  return [...new Set(names)]
}

function readList(option: string, text: string, max: number): readonly number[] {
  return [...new Set(text.split(',').map((each) => readCount(option, each, 1, max)))]
}
