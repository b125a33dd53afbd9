/**
 * How fast the Nexmark queries are, each next to a loop without an engine that gives the same rows (nexmark-bare.ts).
 *
 *     npm run bench:nexmark                           all queries, heap, without checkpoints and with one every second
 *     npm run bench:nexmark -- --query q5,q9          some
 *     npm run bench:nexmark -- --help
 *
 * Each figure is that of a process started for it. The loop runs before and after the query, since what else the
 * machine does changes: ratios of neighbours mean something, absolute figures of a shared machine little.
 */
import { writeFileSync } from 'node:fs'
import { formatCount, textTable } from '../bin/text-table.ts'
import { startBench } from './child-process.ts'
import { readCount, readOptions, runCommand } from './command-line.ts'
import { BACKENDS, type Backend, nexmarkQueries, readQueries } from './nexmark-arguments.ts'
import { type BarGroup, barChart } from './nexmark-chart.ts'
import { flameGraph, newestProfile } from './nexmark-flame.ts'
import type { Measured } from './nexmark-measure.ts'

const USAGE = `Usage: npm run bench:nexmark -- [options]

Events per second of each query, events per second of processor time, latency, peak memory, and the ratio to a loop
without an engine; lowest, median and highest over fresh processes. Ends with 1 if a ratio misses its target.

  --query Q,...       default all
  --runs N            processes per figure (3)
  --events N          in each of them (2000000; with --scaling 8000000)
  --parallelism P     subtasks of each operator (1); the loop has one thread whatever this is
  --nodes N           on a cluster of its own; without it in one process
  --backend B,...     heap, leveldb (both)
  --checkpoints LIST  intervals, "none" for without (none,1s)
  --latency R         in place of throughput: time from when an event was due to its result at the sink, at R events
                      per second; with --nodes 2 and --parallelism 2 half of them cross the server
  --scaling P         in place of throughput: how many times as fast P subtasks are as one, what the generator takes
                      being taken out of both; nothing else may be running
  --profile DIR       in place of figures: a CPU profile and a flame graph of each query, into DIR
  --json FILE         every run
  --svg FILE          a chart of the ratios (default: none)
`

const STATELESS = ['q0', 'q1', 'q2', 'q14', 'q21', 'q22']
/** Of the loop's events per second; heap, one subtask, no checkpoints. */
const targetOf = (query: string): number => (STATELESS.includes(query) ? 0.6 : 0.35)
const MEASURE = 'nexmark-measure.ts'
const EVENTS = 2_000_000
/** What the query takes besides its events is a difference, which needs long runs. */
const SCALING_EVENTS = 8_000_000

interface Variant {
  readonly backend: Backend
  /** Between checkpoints; null: none. */
  readonly interval: string | null
}

interface Figures {
  readonly query: string
  readonly variant: Variant
  /** By their ratio. */
  readonly runs: readonly Run[]
}

interface Run {
  readonly sluice: Measured
  readonly bare: Measured
  /** Of events per second. */
  readonly ratio: number
  /** Of events per second of processor time: what is left of the ratio where others take the processors away. */
  readonly cpuRatio: number
}

const OPTIONS = {
  query: { type: 'string', default: nexmarkQueries().join() },
  runs: { type: 'string', default: '3' },
  events: { type: 'string' },
  parallelism: { type: 'string', default: '1' },
  nodes: { type: 'string', default: '0' },
  backend: { type: 'string', default: BACKENDS.join() },
  checkpoints: { type: 'string', default: 'none,1s' },
  latency: { type: 'string' },
  scaling: { type: 'string' },
  profile: { type: 'string' },
  json: { type: 'string' },
  svg: { type: 'string' },
} as const

let values: ReturnType<typeof readOptions<typeof OPTIONS>>['values']
let queries: readonly string[]
let events: number

async function measure(
  query: string,
  subject: 'sluice' | 'bare',
  more: readonly string[],
): Promise<Measured> {
  const child = startBench(MEASURE, [query, subject, '--events', String(events), ...more])
  try {
    const [measured] = await child.lines<Measured>('seconds')
    await child.finished
    return measured!
  } finally {
    await child.stop()
  }
}

function argumentsOf({ backend, interval }: Variant): string[] {
  const checkpoints = interval === null ? [] : ['--checkpoint-interval', interval]
  return [...placeArguments(), '--backend', backend, ...checkpoints]
}

function placeArguments(): string[] {
  return ['--parallelism', values.parallelism, '--nodes', values.nodes]
}

async function throughput(query: string, variant: Variant): Promise<Figures> {
  const runs: Run[] = []
  for (let i = 0; i < Number(values.runs); i++) {
    const before = await measure(query, 'bare', [])
    const sluice = await measure(query, 'sluice', argumentsOf(variant))
    const after = await measure(query, 'bare', [])
    const bare = {
      ...after,
      seconds: (before.seconds + after.seconds) / 2,
      cpuSeconds: (before.cpuSeconds + after.cpuSeconds) / 2,
    }
    const ratio = bare.seconds / sluice.seconds
    runs.push({ sluice, bare, ratio, cpuRatio: bare.cpuSeconds / sluice.cpuSeconds })
    say(`${query}, ${nameOf(variant)}: ${runs.at(-1)!.ratio.toFixed(2)} of the loop`)
  }
  return { query, variant, runs: runs.sort((a, b) => a.ratio - b.ratio) }
}

function nameOf({ backend, interval }: Variant): string {
  return interval === null ? backend : `${backend}, checkpoints every ${interval}`
}

/** The target only holds where it was set. */
function isMissed({ query, variant, runs }: Figures): boolean {
  const isMeant = variant.backend === 'heap' && variant.interval === null && values.parallelism === '1'
  return isMeant && values.nodes === '0' && middle(runs).ratio < targetOf(query)
}

function middle<T>(sorted: readonly T[]): T {
  return sorted[Math.floor(sorted.length / 2)]!
}

function tableOf(all: readonly Figures[]): string {
  const head = [
    'QUERY',
    'STATE',
    'EVENTS/S',
    'PER CORE',
    'PEAK MB',
    'LOOP EVENTS/S',
    'RATIO',
    'BY CPU',
    'TARGET',
  ]
  const rows = all.map((figures) => {
    const { query, variant, runs } = figures
    const { sluice, bare } = middle(runs)
    const ratios = [runs[0]!, middle(runs), runs.at(-1)!].map(({ ratio }) => ratio.toFixed(2))
    return [
      query,
      nameOf(variant),
      formatCount(Math.round(events / sluice.seconds)),
      formatCount(Math.round(events / sluice.cpuSeconds)),
      sluice.peakMb.toFixed(0),
      formatCount(Math.round(events / bare.seconds)),
      ratios.join(' / '),
      middle([...runs].sort((a, b) => a.cpuRatio - b.cpuRatio)).cpuRatio.toFixed(2),
      isMissed(figures) ? `MISSED ${targetOf(query)}` : '',
    ]
  })
  return textTable(head, rows)
}

function chartOf(all: readonly Figures[]): string {
  const groups: BarGroup[] = queries.map((query) => ({
    name: query,
    bars: all
      .filter((figures) => figures.query === query)
      .map(({ variant, runs }) => ({
        series: nameOf(variant),
        low: runs[0]!.ratio,
        value: middle(runs).ratio,
        high: runs.at(-1)!.ratio,
      })),
    mark: targetOf(query),
  }))
  return barChart('Nexmark: events per second, as a share of a loop without an engine', groups)
}

async function latency(rate: string): Promise<void> {
  const rows: string[][] = []
  for (const query of queries) {
    const { lagMs } = await measure(query, 'sluice', [...placeArguments(), '--pace', rate])
    if (lagMs === null) continue
    rows.push([query, ...[lagMs.p50, lagMs.p99, lagMs.p999].map((ms) => ms.toFixed(1))])
    say(`${query}: p99 ${lagMs.p99.toFixed(1)} ms`)
  }
  process.stdout.write(`${textTable(['QUERY', 'P50 MS', 'P99 MS', 'P99.9 MS'], rows)}\n`)
}

/** The job that only makes events. */
const GENERATOR = 'events'

async function scaling(parallelism: number): Promise<void> {
  const rows: string[][] = []
  for (const query of queries) {
    const factors: number[] = []
    for (let i = 0; i < Number(values.runs); i++) {
      const [one, several] = [await beyondGenerator(query, 1), await beyondGenerator(query, parallelism)]
      factors.push(one / several)
      say(`${query}: ${one.toFixed(2)} s in one subtask, ${several.toFixed(2)} s in ${parallelism}`)
    }
    factors.sort((a, b) => a - b)
    rows.push([query, [factors[0]!, middle(factors), factors.at(-1)!].map((f) => f.toFixed(2)).join(' / ')])
  }
  process.stdout.write(`${textTable(['QUERY', `TIMES AS FAST IN ${parallelism}`], rows)}\n`)
}

/** Seconds that a query takes longer than its events; measured one after the other. */
async function beyondGenerator(query: string, parallelism: number): Promise<number> {
  const more = ['--parallelism', String(parallelism)]
  const events = await measure(GENERATOR, 'sluice', more)
  return (await measure(query, 'sluice', more)).seconds - events.seconds
}

async function profile(directory: string): Promise<void> {
  for (const query of queries) {
    const path = `${directory}/${query}`
    const child = startBench(
      MEASURE,
      [query, 'sluice', '--events', String(events)],
      ['--cpu-prof', `--cpu-prof-dir=${path}`],
    )
    await child.finished
    writeFileSync(`${path}.svg`, flameGraph(`${query}, ${formatCount(events)} events`, newestProfile(path)))
    say(`${path}.svg`)
  }
}

async function compare(): Promise<number> {
  const backends = values.backend.split(',') as Backend[]
  const intervals = values.checkpoints.split(',').map((text) => (text === 'none' ? null : text))
  const variants = backends.flatMap((backend) => intervals.map((interval) => ({ backend, interval })))
  const all: Figures[] = []
  for (const query of queries) for (const variant of variants) all.push(await throughput(query, variant))
  process.stdout.write(`${tableOf(all)}\n`)
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(all)}\n`)
  if (values.svg !== undefined) writeFileSync(values.svg, chartOf(all))
  return all.some(isMissed) ? 1 : 0
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

await runCommand(USAGE, async (args) => {
  values = readOptions(args, OPTIONS).values
  queries = readQueries(values.query)
  const unlessSaid = values.scaling === undefined ? EVENTS : SCALING_EVENTS
  events = values.events === undefined ? unlessSaid : readCount('events', values.events, 1)
  if (values.profile !== undefined) await profile(values.profile)
  else if (values.latency !== undefined) await latency(values.latency)
  else if (values.scaling !== undefined) await scaling(readCount('scaling', values.scaling, 2))
  else process.exitCode = await compare()
})
