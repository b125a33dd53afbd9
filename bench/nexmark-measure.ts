/**
 * One measurement of one Nexmark query, in a process of its own: the query, or the loop it is measured against.
 *
 *     node --import tsx bench/nexmark-measure.ts q5 sluice --events 1000000 --parallelism 1
 *
 * Prints a line of JSON. Seconds are those of the run as a whole, with deployment and end; a shorter one, for the
 * compiler, comes before it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { NexmarkGenerator } from '../examples/nexmark/generator.ts'
import { systemClock } from '../lib/base/clock.ts'
import type { JobDescription } from '../lib/protocol/job-submission.ts'
import { type Backend, NEXMARK_JOBS } from './nexmark-arguments.ts'
import { BARE_QUERIES, feed } from './nexmark-bare.ts'
import { backendSettings, localRunner } from './nexmark-cluster.ts'
import { sinkMetric } from './nexmark-metrics.ts'

export interface Measured {
  readonly seconds: number
  /** Of all threads of the process, garbage collection and compiler included. */
  readonly cpuSeconds: number
  readonly peakMb: number
  readonly rows: number
}

const WARM_UP_EVENTS = 100_000
const SEED = 7

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    events: { type: 'string', default: '1000000' },
    rate: { type: 'string', default: '10000' },
    parallelism: { type: 'string', default: '1' },
    backend: { type: 'string', default: 'heap' },
    'checkpoint-interval': { type: 'string' },
  },
})
const [query, subject] = positionals as [string, 'sluice' | 'bare']

/** Resolves with the number of rows. */
type Run = (events: number) => Promise<number>

async function bare(events: number): Promise<number> {
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

async function openSluice(): Promise<{ run: Run; close(): Promise<void> }> {
  const directory = mkdtempSync(join(tmpdir(), 'nexmark-measure-'))
  const interval = values['checkpoint-interval']
  const settings = {
    ...(interval === undefined ? {} : { 'checkpoint.interval': interval }),
    ...backendSettings(values.backend as Backend),
  }
  const runner = await localRunner(settings, directory, new AbortController().signal)
  const file = new URL(`${query}.ts`, NEXMARK_JOBS)
  const parallelism = Number(values.parallelism)
  return {
    async run(events) {
      const args = [`--events=${events}`, `--seed=${SEED}`, `--rate=${values.rate}`, '--sink=blackhole']
      return droppedRows(await runner.run({ file, parallelism, args }))
    },
    async close() {
      await runner.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function droppedRows(description: JobDescription): number {
  return sinkMetric(description, 'records_dropped_on_purpose_total').reduce((a, b) => a + b, 0)
}

async function measure(run: Run, events: number): Promise<Measured> {
  await run(WARM_UP_EVENTS)
  const cpuBefore = process.cpuUsage()
  const startedMs = systemClock.monotonic()
  const rows = await run(events)
  const seconds = (systemClock.monotonic() - startedMs) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  return { seconds, cpuSeconds: (user + system) / 1e6, peakMb: process.resourceUsage().maxRSS / 1024, rows }
}

const { run, close } = subject === 'bare' ? { run: bare, close: async () => {} } : await openSluice()
try {
  process.stdout.write(`${JSON.stringify(await measure(run, Number(values.events)))}\n`)
} finally {
  await close()
}
