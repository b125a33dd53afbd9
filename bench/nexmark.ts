/**
 * Runs a Nexmark query and says how fast it was and, if asked, what came out; see `--help`.
 *
 *     node --import tsx bench/nexmark.ts --query q5 --events 100000 --seed 7 --rate 1000 --digest
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runLocal } from '../actors/run-local.ts'
import { asError, SluiceError } from '../lib/base/errors.ts'
import type { JobDescription } from '../lib/protocol/job-submission.ts'
import { NEXMARK_JOBS, NEXMARK_USAGE, type NexmarkRun, readCommandLine } from './nexmark-arguments.ts'
import { canonicalRows, digestOf, readRows } from './nexmark-results.ts'

interface Outcome {
  readonly seconds: number
  readonly rows: number
  /** Null: nobody asked for the rows. */
  readonly canonical: readonly string[] | null
}

async function main(args: readonly string[]): Promise<void> {
  const run = readCommandLine(args)
  if (run === null) {
    process.stdout.write(NEXMARK_USAGE)
    return
  }
  const { query, events, parallelism, backend, out, isDigestWanted } = run
  const { seconds, rows, canonical } = await (out !== null || isDigestWanted
    ? runForRows(run)
    : runForSpeed(run))
  if (out !== null) writeFileSync(out, canonical!.map((row) => `${row}\n`).join(''))
  const report = {
    query,
    events,
    parallelism,
    backend,
    nodes: 0,
    seconds,
    eventsPerSecond: Math.round(events / seconds),
    rows,
    ...(isDigestWanted ? { sha256: digestOf(canonical!) } : {}),
  }
  process.stdout.write(`${JSON.stringify(report)}\n`)
}

async function runForSpeed(run: NexmarkRun): Promise<Outcome> {
  const description = await runJob(run, ['--sink=blackhole'])
  return { seconds: secondsOf(description), rows: droppedRows(description), canonical: null }
}

async function runForRows(run: NexmarkRun): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), 'nexmark-'))
  try {
    const description = await runJob(run, ['--sink=files', `--path=${directory}`])
    const canonical = canonicalRows(run.query, readRows(directory))
    return { seconds: secondsOf(description), rows: canonical.length, canonical }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function runJob(
  { query, parallelism, jobArguments }: NexmarkRun,
  sink: readonly string[],
): Promise<JobDescription> {
  return runLocal(new URL(`${query}.ts`, NEXMARK_JOBS), { parallelism, args: [...jobArguments, ...sink] })
}

function secondsOf({ submittedMs, endedMs }: JobDescription): number {
  return (endedMs! - submittedMs) / 1000
}

/** What the black hole swallowed. */
function droppedRows({ vertices }: JobDescription): number {
  let rows = 0
  for (const { metrics } of vertices.flatMap(({ subtasks }) => subtasks)) {
    rows += metrics?.operators['results.records_dropped_on_purpose_total'] ?? 0
  }
  return rows
}

main(process.argv.slice(2)).catch((thrown: unknown) => {
  const error = asError(thrown)
  process.stderr.write(`${error instanceof SluiceError ? error.message : error.stack}\n`)
  process.exitCode = error instanceof SluiceError ? error.exitCode : 1
})
