/**
 * One measurement of one Nexmark query, in a process of its own: the query, or the loop it is measured against.
 *
 *     node --import tsx bench/nexmark-measure.ts q5 sluice --events 2000000 --parallelism 1
 *
 * Prints a line of JSON. Seconds are those of the job, from its submission to its end; a shorter one, for the
 * compiler, comes before it.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { NexmarkGenerator } from '../examples/nexmark/generator.ts'
import { systemClock } from '../lib/base/clock.ts'
import type { JobDescription } from '../lib/protocol/job-submission.ts'
import { type Backend, NEXMARK_JOBS } from './nexmark-arguments.ts'
import { BARE_QUERIES, feed } from './nexmark-bare.ts'
import {
  backendSettings,
  clusterRunner,
  type JobRunner,
  localRunner,
  threadsRunner,
} from './nexmark-cluster.ts'
import { sinkMetric } from './nexmark-metrics.ts'

export interface Measured {
  readonly seconds: number
  /** Of all threads of the process, garbage collection and compiler included. */
  readonly cpuSeconds: number
  /** Resident; of all nodes together. */
  readonly peakMb: number
  readonly rows: number
  /** How long after an event was due its results came, over the quickest; null unless events come at a pace. */
  readonly lagMs: Lag | null
}

interface Lag {
  readonly p50: number
  readonly p99: number
  readonly p999: number
}

const WARM_UP_EVENTS = 300_000
const SEED = 7

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    events: { type: 'string', default: '2000000' },
    rate: { type: 'string', default: '10000' },
    parallelism: { type: 'string', default: '1' },
    backend: { type: 'string', default: 'heap' },
    'checkpoint-interval': { type: 'string' },
    nodes: { type: 'string', default: '0' },
    /** Events per second of the clock, and of event time: for lags. */
    pace: { type: 'string' },
  },
})
const [query, side] = positionals as [string, 'sluice' | 'bare']

interface Subject {
  run(events: number): Promise<Pick<Measured, 'seconds' | 'rows' | 'lagMs'>>
  /** Processor seconds so far. */
  cpuSeconds(): number
  peakMb(): number
  close(): Promise<void>
}

function openBare(): Subject {
  return {
    async run(events) {
      const startedMs = systemClock.monotonic()
      const rows = bare(events)
      return { seconds: (systemClock.monotonic() - startedMs) / 1000, rows, lagMs: null }
    },
    ...ownProcess,
    close: async () => {},
  }
}

const ownProcess = {
  cpuSeconds() {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  },
  peakMb: () => process.resourceUsage().maxRSS / 1024,
}

function processes(pids: readonly number[]) {
  const sum = (read: (pid: number) => number) => pids.reduce((total, pid) => total + read(pid), 0)
  return {
    cpuSeconds: () => sum(cpuSecondsOf),
    peakMb: () => sum(peakMbOf),
  }
}

/** Linux tells it in hundredths, after a name in parentheses that may contain anything. */
function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

function peakMbOf(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
}

function bare(events: number): number {
  const generator = new NexmarkGenerator({ seed: SEED, rate: Number(values.rate) })
  let rows = 0
  let last: object | null = null
  const loop = BARE_QUERIES[query]!((row) => {
    rows++
    // Somebody has to look at the row, or it need not be made.
    last = row
  })
  for (let n = 0; n < events; n++) feed(loop, generator.event(n))
  loop.end?.()
  return last === null ? 0 : rows
}

async function openSluice(): Promise<Subject> {
  const directory = mkdtempSync(join(tmpdir(), 'nexmark-measure-'))
  const interval = values['checkpoint-interval']
  const settings = {
    ...(interval === undefined ? {} : { 'checkpoint.interval': interval }),
    ...backendSettings(values.backend as Backend),
  }
  const [parallelism, nodes] = [Number(values.parallelism), Number(values.nodes)]
  const { signal } = new AbortController()
  const size = { nodes, slotsPerNode: Math.ceil(parallelism / Math.max(1, nodes)) }
  const cluster = nodes === 0 ? null : await clusterRunner(size, settings, signal)
  const runner = cluster ?? (await ownRunner(parallelism, settings, directory, signal))
  const file = new URL(`${query}.ts`, NEXMARK_JOBS)
  return {
    async run(events) {
      const args = [`--events=${events}`, `--seed=${SEED}`, '--sink=blackhole', ...timeArguments()]
      const description = await runner.run({ file, parallelism, args })
      const rows = sinkMetric(description, 'records_dropped_on_purpose_total').reduce((a, b) => a + b, 0)
      const seconds = (description.endedMs! - description.submittedMs) / 1000
      return { seconds, rows, lagMs: values.pace === undefined ? null : lagOf(description) }
    },
    ...(cluster === null ? ownProcess : processes(cluster.nodePids)),
    async close() {
      await runner.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** Whatever the parallelism, the measured job finds all as the warm-up has left it: compiled, and threads started. */
function ownRunner(parallelism: number, ...rest: Parameters<typeof localRunner>): Promise<JobRunner> {
  return parallelism === 1 ? localRunner(...rest) : threadsRunner(parallelism, ...rest)
}

/** At a pace, event time is that of the clock, but for the time it takes until the first event is made. */
function timeArguments(): string[] {
  if (values.pace === undefined) return [`--rate=${values.rate}`]
  return [`--rate=${values.pace}`, `--pace=${values.pace}`, `--base-time=${systemClock.now()}`]
}

/** Of several subtasks, of the slowest. */
function lagOf(description: JobDescription): Lag {
  const lag = (name: string) => Math.max(...sinkMetric(description, `event_time_lag_ms_${name}`))
  const quickest = Math.min(...sinkMetric(description, 'event_time_lag_ms_min'))
  return { p50: lag('p50') - quickest, p99: lag('p99') - quickest, p999: lag('p999') - quickest }
}

async function measure(subject: Subject, events: number): Promise<Measured> {
  await subject.run(WARM_UP_EVENTS)
  const cpuBefore = subject.cpuSeconds()
  const results = await subject.run(events)
  return { cpuSeconds: subject.cpuSeconds() - cpuBefore, peakMb: subject.peakMb(), ...results }
}

const subject = side === 'bare' ? openBare() : await openSluice()
try {
  process.stdout.write(`${JSON.stringify(await measure(subject, Number(values.events)))}\n`)
} finally {
  await subject.close()
}
