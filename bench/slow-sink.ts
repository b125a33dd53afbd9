/**
 * Resident memory of a local run whose sink takes 1 % of what the source could give (slow-sink-job.ts): how far it
 * rises, from any moment after the warm-up to any later one, in MB, to the 64 MB it may. Without credits the source
 * would fill hundreds of MB per second. Also checked: that the sink really was that slow, and never stood still.
 *
 *     node --import tsx bench/slow-sink.ts [--seconds 60]
 */
import { parseArgs } from 'node:util'
import { runLocal, SluiceError } from '../lib/index.ts'
import type { JobDescription } from '../lib/protocol/job-submission.ts'
import { printMeasurement } from './measurement.ts'

const RISE_MB_MAX = 64
/** The free phase of the sink, and as much again for the garbage of it to go. */
const WARM_UP_MS = 8000
const SAMPLE_MS = 250
const MB = 1024 * 1024

interface Sample {
  readonly atMs: number
  readonly rssMb: number
  readonly received: number
}

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } })
const measuredMs = Number(values.seconds) * 1000
const samples: Sample[] = []
let received = 0
let startedMs: number | null = null
const stop = new AbortController()

function onProgress({ vertices }: JobDescription): void {
  const sinkVertex = vertices.at(-1)!
  received = sinkVertex.subtasks.reduce((sum, { metrics }) => sum + (metrics?.recordsIn ?? 0), 0)
  if (received > 0) startedMs ??= performance.now()
}

const sampler = setInterval(() => {
  if (startedMs === null) return
  const atMs = performance.now() - startedMs
  samples.push({ atMs, rssMb: process.memoryUsage.rss() / MB, received })
  if (atMs > WARM_UP_MS + measuredMs) stop.abort()
}, SAMPLE_MS)

await runLocal(new URL('slow-sink-job.ts', import.meta.url), { onProgress, signal: stop.signal }).catch(
  (error) => {
    if (!(error instanceof SluiceError && error.code === 'JOB_CANCELLED')) throw error
  },
)
clearInterval(sampler)

const measured = samples.filter(({ atMs }) => atMs >= WARM_UP_MS)
const free = samples.filter(({ atMs }) => atMs < WARM_UP_MS)
const freePerSecond = Math.max(...free.slice(4).map((sample, i) => rate(free[i]!, sample)))
const slowPerSecond = rate(measured[0]!, measured.at(-1)!)
process.stderr.write(
  `  sink ${Math.round(freePerSecond)} records/s, then ${Math.round(slowPerSecond)}; ` +
    `resident ${Math.round(measured[0]!.rssMb)} MB, then up to ${Math.round(Math.max(...measured.map((s) => s.rssMb)))} MB\n`,
)
if (slowPerSecond === 0 || slowPerSecond > freePerSecond / 30)
  throw new Error(`the sink was not slow: ${slowPerSecond} of ${freePerSecond} records/s`)
const sluice = rise(measured.map(({ rssMb }) => rssMb))
printMeasurement({ sluice, bare: RISE_MB_MAX, unit: 'MB', ratio: sluice / RISE_MB_MAX })

function rate(from: Sample, to: Sample): number {
  return ((to.received - from.received) / (to.atMs - from.atMs)) * 1000
}

/** The largest difference between a value and one before it. */
function rise(values: readonly number[]): number {
  let lowest = Number.POSITIVE_INFINITY
  let largest = 0
  for (const value of values) {
    lowest = Math.min(lowest, value)
    largest = Math.max(largest, value - lowest)
  }
  return largest
}
