/** The command of chaos: one run against real processes, and what came of it. */
import { readCount, readOptions, runCommand, usageError } from '../../bench/command-line.ts'
import { formatCount, textTable } from '../../bin/text-table.ts'
import { SeededRandom } from '../../lib/base/prng.ts'
import { ChaosCluster } from './chaos-cluster.ts'
import { ChaosJobs } from './chaos-jobs.ts'
import { type ChaosReport, chaosRun } from './chaos-run.ts'
import { FAULT_KINDS, type FaultKind, planFaults } from './fault-plan.ts'
import { quantile } from './output-gaps.ts'

const COORDINATORS = 2
const NODES = 3
/** Two nodes are enough for all jobs: a third may be missing at any time. */
const SLOTS_PER_NODE = 3
const FLAGS = ['heartbeat.interval=200ms', 'heartbeat.timeout=1s', 'log.level=warn'].flatMap((flag) => [
  '-D',
  flag,
])

const USAGE = `Usage: npm run chaos -- [options]

Chaos on the real thing: a nats-server, ${COORDINATORS} coordinators and ${NODES} nodes with two exactly-once jobs and
a pulse, and processes that are killed or stopped in the middle. Results must be those of a run that nothing disturbed.
Ends with 1 if they are not.

  --seconds N      how long the jobs run (120)
  --seed N         what goes wrong when (1)
  --kinds K,...    of faults; default all: ${FAULT_KINDS.join(' ')}
  -D, --define K=V an option of the jobs, such as slot.standby=1; may be repeated
  --json           the report as JSON on stdout
  --help
`

const OPTIONS = {
  seconds: { type: 'string', default: '120' },
  seed: { type: 'string', default: '1' },
  kinds: { type: 'string', default: FAULT_KINDS.join(',') },
  define: { type: 'string', short: 'D', multiple: true },
  json: { type: 'boolean', default: false },
} as const

const say = (line: string) => process.stderr.write(`${line}\n`)

function readKinds(text: string): FaultKind[] {
  return text.split(',').map((name) => {
    const kind = FAULT_KINDS.find((each) => each === name)
    if (kind === undefined) throw usageError(`--kinds: expected ${FAULT_KINDS.join(', ')}, found "${name}"`)
    return kind
  })
}

function readDefinition(text: string): [string, string] {
  const [, key, value] = /^([^=]+)=(.*)$/.exec(text) ?? []
  if (key === undefined || value === undefined)
    throw usageError(`--define: expected key=value, found "${text}"`)
  return [key, value]
}

const ms = (value: number | undefined): string =>
  value === undefined || Number.isNaN(value) ? '-' : `${formatCount(Math.round(value))} ms`

function print(report: ChaosReport): void {
  const { faults, jobs, beats, calmGapMs, problems } = report
  const gaps = faults.map(({ gapMs }) => gapMs)
  const kinds = [...new Set(faults.map(({ kind }) => kind))].map((kind) => {
    const of = faults.filter((fault) => fault.kind === kind).map(({ gapMs }) => gapMs)
    return [kind, `${of.length}`, ms(quantile(of, 0.5)), ms(Math.max(...of))]
  })
  const lines = [
    textTable(['FAULT', 'COUNT', 'OUTPUT GAP P50', 'LONGEST'], kinds),
    '',
    textTable(
      ['JOB', 'RESTARTS', 'CHECKPOINTS', 'FAILED', 'ROWS', 'DIGEST'],
      jobs.map(({ name, restarts, completed, failed, rows, isSame }) => [
        name,
        `${restarts}`,
        `${completed}`,
        `${failed}`,
        rows === null ? '-' : formatCount(rows),
        isSame === null ? '-' : isSame ? 'as undisturbed' : 'DIFFERS',
      ]),
    ),
    '',
    `output gap of ${faults.length} faults: p50 ${ms(quantile(gaps, 0.5))}, p99 ${ms(quantile(gaps, 0.99))}; ` +
      `without faults: longest ${ms(calmGapMs)} between ${formatCount(beats)} messages`,
    ...problems.map((problem) => `PROBLEM: ${problem}`),
    problems.length === 0 ? 'chaos: ok' : 'chaos: FAILED',
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

async function run(args: readonly string[]): Promise<void> {
  const { values } = readOptions(args, OPTIONS)
  const seconds = readCount('seconds', values.seconds, 20)
  const seed = readCount('seed', values.seed, 0)
  const plan = planFaults(new SeededRandom(seed), seconds, readKinds(values.kinds))
  const jobFlags = Object.fromEntries((values.define ?? []).map(readDefinition))
  say(`starting a nats-server, ${COORDINATORS} coordinators and ${NODES} nodes of ${SLOTS_PER_NODE} slots`)
  const options = { coordinators: COORDINATORS, nodes: NODES, slotsPerNode: SLOTS_PER_NODE, flags: FLAGS }
  const cluster = await ChaosCluster.start(options)
  const jobs = await ChaosJobs.open(cluster.url, cluster.directory, seconds, seed)
  try {
    const report = await chaosRun({ cluster, jobs, plan, seed, jobFlags, say })
    if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`)
    else print(report)
    if (report.problems.length > 0) process.exitCode = 1
  } finally {
    await jobs.close()
    await cluster.stop()
  }
}

await runCommand(USAGE, run)
