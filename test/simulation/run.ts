/**
 * The command of the simulator:
 *
 *     node --import tsx test/simulation/run.ts [--seeds N] [--from K]     seeds K to K + N - 1; stops at none
 *     node --import tsx test/simulation/run.ts --seed N [--log]           one seed, with all that was logged
 */
import { parseArgs } from 'node:util'
import { planOf } from './plan.ts'
import { type Outcome, simulate } from './simulate.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    log: { type: 'boolean', default: false },
  },
})

const print = (line: string) => process.stdout.write(`${line}\n`)

function report({ plan, problems, digest, virtualMs, stats }: Outcome): void {
  print(`seed ${plan.seed}: ${problems.length === 0 ? 'ok' : 'FAILED'}, ${plan.job}, digest ${digest}`)
  print(`  ${virtualMs} virtual ms, ${JSON.stringify(stats)}`)
  for (const problem of problems) print(`  ${problem}`)
  if (problems.length > 0) print(`  again: npm run sim -- --seed ${plan.seed} --log`)
}

async function runOne(seed: number): Promise<void> {
  print(JSON.stringify(planOf(seed), null, 2))
  const outcome = await simulate(seed, values.log ? print : undefined)
  report(outcome)
  if (outcome.problems.length > 0) process.exitCode = 1
}

async function runMany(from: number, count: number): Promise<void> {
  const failed: number[] = []
  const startedMs = performance.now()
  for (let seed = from; seed < from + count; seed++) {
    const outcome = await simulate(seed)
    if (outcome.problems.length === 0) continue
    failed.push(seed)
    report(outcome)
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  print(`${count} seeds from ${from} in ${seconds} s, ${failed.length} failed: ${failed.join(' ')}`)
  if (failed.length > 0) process.exitCode = 1
}

if (values.seed !== undefined) await runOne(Number(values.seed))
else await runMany(Number(values.from), Number(values.seeds))
