/**
 * Runs Nexmark queries in this process or on a cluster of processes, checks what comes out, and says how fast it was;
 * see `--help`.
 *
 *     node --import tsx bench/nexmark.ts --query q5,q7 --parallelism 1,2 --nodes 2
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Interrupts } from '../bin/interrupts.ts'
import { formatCount, formatRate, textTable } from '../bin/text-table.ts'
import { asError, EXIT, SluiceError } from '../lib/base/errors.ts'
import type { JobDescription } from '../lib/protocol/job-submission.ts'
import { NEXMARK_JOBS, NEXMARK_USAGE, type NexmarkPlan, readCommandLine } from './nexmark-arguments.ts'
import { backendSettings, clusterRunner, type JobRunner, localRunner } from './nexmark-cluster.ts'
import { type DigestVerdict, GoldenDigests } from './nexmark-golden.ts'
import { sinkMetric } from './nexmark-metrics.ts'
import { canonicalRows, digestOf, readRows } from './nexmark-results.ts'
import { verify } from './nexmark-verify.ts'

interface Run {
  readonly query: string
  readonly parallelism: number
}

interface Outcome extends Run {
  readonly seconds: number
  readonly eventsPerSecond: number
  readonly rows: number
  /** Absent: results were dropped. */
  readonly sha256?: string
  readonly digest?: DigestVerdict
}

interface Failure extends Run {
  readonly error: SluiceError
}

const HINT = 'npm run nexmark -- --help shows what there is'

/** Resolves with the exit code. */
async function main(args: readonly string[], interrupts: Interrupts): Promise<number> {
  const plan = readCommandLine(args)
  if (plan === null) {
    process.stdout.write(NEXMARK_USAGE)
    return EXIT.ok
  }
  const signal = interrupts.listen(() => say('stopping; once more to stop at once'))
  if (plan.verify !== null) {
    const { passed, failed } = await verify({ queries: plan.queries, ...plan.verify }, signal, say)
    process.stdout.write(`${passed} passed, ${failed} failed\n`)
    return failed === 0 ? EXIT.ok : EXIT.failed
  }
  const directory = mkdtempSync(join(tmpdir(), 'nexmark-'))
  const remove = () => rmSync(directory, { recursive: true, force: true })
  process.once('exit', remove)
  const runner = await startRunner(plan, directory, signal)
  const results: (Outcome | Failure)[] = []
  try {
    await runAll(plan, runner, directory, signal, (result) => {
      results.push(result)
      report(plan, result)
    })
  } finally {
    await runner.close()
    remove()
    if (plan.report !== null)
      writeFileSync(plan.report, `${JSON.stringify(results.map((each) => lineOf(plan, each)))}\n`)
    if (!plan.isJson && results.length > 0) process.stdout.write(`${tableOf(plan, results)}\n`)
  }
  return results.every(isGood) ? EXIT.ok : EXIT.failed
}

async function startRunner(
  { nodes, parallelisms, checkpointInterval, backend, stateMemory }: NexmarkPlan,
  directory: string,
  signal: AbortSignal,
): Promise<JobRunner> {
  const settings = {
    ...(checkpointInterval === null ? {} : { 'checkpoint.interval': checkpointInterval }),
    ...backendSettings(backend),
    'state.memory': stateMemory,
  }
  if (nodes === 0) return await localRunner(settings, join(directory, 'checkpoints'), signal)
  // Every query has one slot sharing group, so it needs as many slots as its parallelism.
  const slotsPerNode = Math.ceil(Math.max(...parallelisms) / nodes)
  say(
    `starting a nats-server, a coordinator and ${count(nodes, 'node')} with ${count(slotsPerNode, 'slot')} each`,
  )
  return await clusterRunner({ nodes, slotsPerNode }, settings, signal)
}

async function runAll(
  plan: NexmarkPlan,
  runner: JobRunner,
  directory: string,
  signal: AbortSignal,
  onResult: (result: Outcome | Failure) => void,
): Promise<void> {
  const golden = new GoldenDigests()
  const runs = plan.queries.flatMap((query) =>
    plan.parallelisms.map((parallelism) => ({ query, parallelism })),
  )
  for (const run of runs) {
    const path = join(directory, `${run.query}-${run.parallelism}`)
    const result = await runOne(plan, run, runner, path, golden).catch((error: unknown): Failure => {
      // A query that fails does not keep the others from running; without a cluster, none can.
      if (signal.aborted || !(error instanceof SluiceError)) throw error
      return { ...run, error }
    })
    onResult(result)
  }
}

async function runOne(
  plan: NexmarkPlan,
  { query, parallelism }: Run,
  runner: JobRunner,
  path: string,
  golden: GoldenDigests,
): Promise<Outcome> {
  const sink = plan.isBlackhole ? ['--sink=blackhole'] : ['--sink=files', `--path=${path}`]
  const args = [...plan.jobArguments, ...sink]
  const description = await runner.run({ file: new URL(`${query}.ts`, NEXMARK_JOBS), parallelism, args })
  const seconds = (description.endedMs! - description.submittedMs) / 1000
  const eventsPerSecond = Math.round(plan.events.events / seconds)
  const outcome = { query, parallelism, seconds, eventsPerSecond }
  if (plan.isBlackhole) return { ...outcome, rows: droppedRows(description) }
  // A job without results makes no directory.
  mkdirSync(path, { recursive: true })
  const canonical = canonicalRows(query, readRows(path))
  rmSync(path, { recursive: true })
  if (plan.out !== null) writeFileSync(plan.out, canonical.map((row) => `${row}\n`).join(''))
  const sha256 = digestOf(canonical)
  return { ...outcome, rows: canonical.length, sha256, digest: golden.judge(query, plan.events, sha256) }
}

/** What the black hole swallowed. */
function droppedRows(description: JobDescription): number {
  return sinkMetric(description, 'records_dropped_on_purpose_total').reduce((a, b) => a + b, 0)
}

function isGood(result: Outcome | Failure): boolean {
  return !('error' in result) && result.digest !== 'differs'
}

function report(plan: NexmarkPlan, result: Outcome | Failure): void {
  const { query, parallelism } = result
  if ('error' in result) {
    say(`${query} at parallelism ${parallelism} failed: ${result.error.message}`)
  } else {
    const { seconds, eventsPerSecond, digest } = result
    const verdict = digest === undefined ? '' : `, digest ${digest}`
    say(
      `${query} at parallelism ${parallelism}: ${seconds} s, ${formatRate(eventsPerSecond)} events/s${verdict}`,
    )
  }
  if (plan.isJson) process.stdout.write(`${JSON.stringify(lineOf(plan, result))}\n`)
}

function lineOf({ events, nodes, backend }: NexmarkPlan, result: Outcome | Failure): object {
  const { query, parallelism, ...rest } = result
  const outcome = 'error' in result ? { error: result.error.message, code: result.error.code } : rest
  return { query, events: events.events, parallelism, backend, nodes, ...outcome }
}

function tableOf({ events, nodes }: NexmarkPlan, results: readonly (Outcome | Failure)[]): string {
  const head = ['QUERY', 'PARALLELISM', 'NODES', 'EVENTS', 'SECONDS', 'EVENTS/S', 'ROWS', 'DIGEST']
  const rows = results.map((result) => {
    const { query, parallelism } = result
    const about = [query, `${parallelism}`, nodes === 0 ? 'local' : `${nodes}`, formatCount(events.events)]
    if ('error' in result) return [...about, '-', '-', '-', 'failed']
    const { seconds, eventsPerSecond, rows, digest = '-' } = result
    return [...about, seconds.toFixed(3), formatCount(eventsPerSecond), formatCount(rows), digest]
  })
  return textTable(head, rows)
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

const interrupts = new Interrupts()
main(process.argv.slice(2), interrupts)
  .catch((thrown: unknown) => {
    const error = asError(thrown)
    if (interrupts.exitCode === null) say(error instanceof SluiceError ? error.message : `${error.stack}`)
    if (!(error instanceof SluiceError)) return EXIT.failed
    if (error.code === 'USAGE') say(HINT)
    return error.exitCode
  })
  .then((code) => {
    process.exitCode = interrupts.exitCode ?? code
  })
