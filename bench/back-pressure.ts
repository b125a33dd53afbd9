/**
 * How long checkpoints take behind a sink throttled to 1 %, every channel full (back-pressure-job.ts): p99 of
 * unaligned ones from the trigger to the end, in ms, to the 2 s it may be. Also checked: that the barriers of aligned
 * ones do not get through to the sink in more than twice that time.
 *
 *     node --import tsx bench/back-pressure.ts [--seconds 30]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { CheckpointRecord } from '../lib/checkpoint/checkpoint-history.ts'
import type { CheckpointSettings } from '../lib/checkpoint/checkpoint-settings.ts'
import { checkpointSettings } from '../lib/config/config-settings.ts'
import { defaultConfig } from '../lib/config/resolve-config.ts'
import { runLocal, SluiceError } from '../lib/index.ts'
import type { JobDescription } from '../lib/protocol/job-submission.ts'
import { printMeasurement } from './measurement.ts'

const LIMIT_MS = 2000
const INTERVAL_MS = 250
/** Of aligned ones. */
const TIMEOUT_MS = 5000
/** Until all channels are full. */
const WARM_UP_MS = 3000

/** Checkpoints that were triggered after the warm-up and have ended, in `seconds` from then. */
async function run(seconds: number, settings: Partial<CheckpointSettings>): Promise<CheckpointRecord[]> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-back-pressure-'))
  const stop = new AbortController()
  const records = new Map<number, CheckpointRecord>()
  let fullMs = Number.POSITIVE_INFINITY
  const onProgress = ({ checkpoints, vertices }: JobDescription): void => {
    if (stop.signal.aborted) return
    const hasArrived = vertices.at(-1)!.subtasks.some(({ metrics }) => (metrics?.recordsIn ?? 0) > 0)
    if (hasArrived) fullMs = Math.min(fullMs, Date.now() + WARM_UP_MS)
    for (const record of [checkpoints?.lastCompleted, checkpoints?.lastFailed]) {
      if (record !== null && record !== undefined && (record.triggeredMs ?? 0) > fullMs)
        records.set(record.checkpointId, record)
    }
    if (Date.now() > fullMs + seconds * 1000) stop.abort()
  }
  const checkpoint = {
    ...checkpointSettings(defaultConfig(), pathToFileURL(directory).href),
    intervalMs: INTERVAL_MS,
    tolerableFailures: Number.MAX_SAFE_INTEGER,
    ...settings,
  }
  try {
    const job = new URL('back-pressure-job.ts', import.meta.url)
    await runLocal(job, { checkpoint, onProgress, signal: stop.signal })
  } catch (error) {
    if (!(error instanceof SluiceError && error.code === 'JOB_CANCELLED')) throw error
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  return [...records.values()]
}

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '30' } } })
const aligned = await run(3 * (TIMEOUT_MS / 1000), { alignmentTimeoutMs: null, timeoutMs: TIMEOUT_MS })
const unaligned = await run(Number(values.seconds), { alignmentTimeoutMs: 0 })

const failed = aligned.filter(({ status }) => status === 'failed')
if (failed.length === 0 || failed.length < aligned.length)
  throw new Error(`${aligned.length - failed.length} of ${aligned.length} aligned checkpoints came through`)
if (unaligned.some(({ status, isUnaligned }) => status === 'failed' || !isUnaligned))
  throw new Error('not all checkpoints were unaligned and came through')
const durations = unaligned.map(({ durationMs }) => durationMs!).sort((a, b) => a - b)
const p99 = durations[Math.ceil(durations.length * 0.99) - 1]
if (p99 === undefined) throw new Error('there was no unaligned checkpoint')
const channelKb = Math.round(Math.max(...unaligned.map(({ channelBytes }) => channelBytes)) / 1024)
process.stderr.write(
  `  ${failed.length} aligned checkpoints, all given up after ${TIMEOUT_MS} ms; ${durations.length} unaligned ones, ` +
    `median ${Math.round(durations[Math.floor(durations.length / 2)]!)} ms, with up to ${channelKb} KB in flight\n`,
)
printMeasurement({ sluice: p99, bare: LIMIT_MS, unit: 'ms', ratio: p99 / LIMIT_MS })
