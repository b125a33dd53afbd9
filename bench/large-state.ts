/**
 * Checkpoints of 1 GiB of keyed state of which 1 % changes between two of them (large-state-job.ts), from the trigger
 * to the completion, to `file:` storage: the 99th percentile in ms, to the second it may take. The first one, which
 * holds everything, does not count; the foldings of old deltas do.
 *
 *     node --import tsx bench/large-state.ts [--checkpoints 150]
 *
 * Takes about two minutes, 3 GB of memory and as much of disk. LARGE_STATE_DIR: where to, if not the system's directory
 * for temporary files.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { MiniCluster } from '../actors/mini-cluster.ts'
import { buildJob, graphSettings } from '../lib/api/job.ts'
import { systemClock } from '../lib/base/clock.ts'
import { silentLogger } from '../lib/base/logger.ts'
import { systemRandom } from '../lib/base/prng.ts'
import { checkpointSettings, taskSettings } from '../lib/config/config-settings.ts'
import { defaultConfig } from '../lib/config/resolve-config.ts'
import largeState, { INTERVAL_MS, KEYS, VALUE_BYTES } from './large-state-job.ts'
import { printMeasurement } from './measurement.ts'

const MS_MAX = 1000
const POLL_MS = 200
const MB = 2 ** 20

const { values } = parseArgs({ options: { checkpoints: { type: 'string', default: '150' } } })
const wanted = Number(values.checkpoints)
const directory = await mkdtemp(join(process.env.LARGE_STATE_DIR ?? tmpdir(), 'sluice-large-state-'))
const options = { clock: systemClock, random: systemRandom(), log: silentLogger }
const cluster = await MiniCluster.start({ ...options, slotCount: 1, hasThreads: true })
let rssMb = 0
try {
  const graph = graphSettings(largeState, { parallelism: 1 })
  await cluster.client.submit({
    jobId: 'large-state',
    module: { kind: 'file', url: new URL('large-state-job.ts', import.meta.url).href },
    graph: buildJob(largeState, graph).graph,
    settings: {
      graph,
      task: taskSettings(defaultConfig()),
      restart: { kind: 'none' },
      checkpoint: {
        ...checkpointSettings(defaultConfig(), pathToFileURL(directory).href),
        intervalMs: INTERVAL_MS,
        historyMax: wanted + 10,
      },
      restore: null,
      slotRequestTimeoutMs: 30_000,
    },
  })
  const checkpoints = await measured()
  const durations = checkpoints.map(({ durationMs }) => durationMs!).sort((a, b) => a - b)
  const at = (share: number) =>
    durations[Math.min(durations.length - 1, Math.floor(durations.length * share))]!
  const bytes = checkpoints.map(({ totalBytes }) => totalBytes / MB).sort((a, b) => a - b)
  process.stderr.write(
    `  ${durations.length} checkpoints of ${((KEYS * VALUE_BYTES) / MB).toFixed(0)} MiB: p50 ${at(0.5)} ms, ` +
      `p99 ${at(0.99)} ms, at most ${durations.at(-1)} ms; stored ${bytes[0]!.toFixed(1)} to ` +
      `${bytes.at(-1)!.toFixed(1)} MiB each; resident ${rssMb.toFixed(0)} MB\n`,
  )
  printMeasurement({ sluice: at(0.99), bare: MS_MAX, unit: 'ms', ratio: at(0.99) / MS_MAX })
  await cluster.client.cancel('large-state')
  await cluster.client.waitForEnd('large-state')
} finally {
  await cluster.close()
  await rm(directory, { recursive: true, force: true })
}

/** Those that began with all state there, and stored. */
async function measured() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    rssMb = Math.max(rssMb, process.memoryUsage.rss() / MB)
    const job = await cluster.client.describe('large-state')
    if (job.error !== undefined) throw new Error(job.error.message)
    const { records } = await cluster.client.checkpoints('large-state')
    const completed = records
      .filter(({ status }) => status === 'completed')
      .sort((a, b) => a.checkpointId - b.checkpointId)
    const later = completed.slice(filledAfter(completed.map(({ totalBytes }) => totalBytes)))
    if (later.length >= wanted) return later.slice(0, wanted)
  }
}

/** How many checkpoints it has taken until all state was stored, and one more: that one may have had to wait. */
function filledAfter(byteLengths: readonly number[]): number {
  let bytes = 0
  const last = byteLengths.findIndex((byteLength) => {
    bytes += byteLength
    return bytes >= KEYS * VALUE_BYTES
  })
  return last < 0 ? byteLengths.length : last + 2
}
