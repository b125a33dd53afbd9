/** The command of the simulator. */
import { readCount, readOptions, runCommand } from '../../bench/command-line.ts'
import { planOf } from './plan.ts'
import { type Outcome, simulate } from './simulate.ts'

const USAGE = `Usage: npm run sim -- [options]

Runs whole clusters and their faults in virtual time, one per seed, and compares what comes out with a sequential run. A
seed that fails is printed and replays identically. Ends with 1 if one does.

  --seeds N     how many (100)
  --from K      the first of them (1)
  --seed N      one only: its plan, and what became of it
  --log         with --seed: all that was logged
  --help
`

const OPTIONS = {
  seeds: { type: 'string', default: '100' },
  from: { type: 'string', default: '1' },
  seed: { type: 'string' },
  log: { type: 'boolean', default: false },
} as const

const SEED_MAX = 2 ** 31
const PROGRESS_INTERVAL_MS = 5000

const print = (line: string) => process.stdout.write(`${line}\n`)

function report({ plan, problems, digest, virtualMs, stats }: Outcome): void {
  print(`seed ${plan.seed}: ${problems.length === 0 ? 'ok' : 'FAILED'}, ${plan.job}, digest ${digest}`)
  print(`  ${virtualMs} virtual ms, ${JSON.stringify(stats)}`)
  for (const problem of problems) print(`  ${problem}`)
  if (problems.length > 0) print(`  again: npm run sim -- --seed ${plan.seed} --log`)
}

async function runOne(seed: number, hasLog: boolean): Promise<void> {
  print(JSON.stringify(planOf(seed), null, 2))
  const outcome = await simulate(seed, hasLog ? print : undefined)
  report(outcome)
  if (outcome.problems.length > 0) process.exitCode = 1
}

async function runMany(from: number, count: number): Promise<void> {
  const failed: number[] = []
  const startedMs = performance.now()
  let toldMs = startedMs
  for (let seed = from; seed < from + count; seed++) {
    const outcome = await simulate(seed)
    if (performance.now() - toldMs > PROGRESS_INTERVAL_MS) {
      toldMs = performance.now()
      process.stderr.write(`${seed - from + 1} of ${count} seeds, ${failed.length} failed\n`)
    }
    if (outcome.problems.length === 0) continue
    failed.push(seed)
    report(outcome)
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  const which = failed.length === 0 ? '' : `: ${failed.join(' ')}`
  print(`${count} seeds from ${from} in ${seconds} s, ${failed.length} failed${which}`)
  if (failed.length > 0) process.exitCode = 1
}

await runCommand(USAGE, async (args) => {
  const { values } = readOptions(args, OPTIONS)
  if (values.seed !== undefined) await runOne(readCount('seed', values.seed, 0, SEED_MAX), values.log)
  else await runMany(readCount('from', values.from, 0, SEED_MAX), readCount('seeds', values.seeds, 1))
})
