/**
 * Fills the disk of a directory under a job that keeps its checkpoints there, or its state. What comes of it is
 * printed: one line of JSON. The directory is to be a file system of its own, and a small one.
 *
 *     node --import tsx test/actors/full-disk-job.ts <directory> tolerant|strict|state
 */
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { runLocal } from '../../actors/run-local.ts'
import { job } from '../../lib/api/job.ts'
import { toErrorRecord } from '../../lib/base/errors.ts'
import { checkpointSettings, taskSettings } from '../../lib/config/config-settings.ts'
import { defaultConfig } from '../../lib/config/resolve-config.ts'
import { collectSink } from '../../lib/connectors/collect.ts'
import { generator } from '../../lib/connectors/generator.ts'
import type { JobDescription } from '../../lib/protocol/job-submission.ts'
import { t as type } from '../../lib/types/t.ts'

type Scenario = 'tolerant' | 'strict' | 'state'

const COUNT = 12_000
const KEYS = 4000
const [directory = '', scenario = ''] = process.argv.slice(2) as [string, Scenario]
const filler = join(directory, 'filler')

function fill(): void {
  const file = openSync(filler, 'w')
  try {
    for (const bytes of [65_536, 512, 1])
      try {
        for (;;) writeSync(file, Buffer.alloc(bytes))
      } catch {}
  } finally {
    closeSync(file)
  }
}

const rows = collectSink<number>()
const counting = job('counting', (env) => {
  const numbers = generator({ count: COUNT, ratePerSecond: 3000, generate: (i) => i, type: type.int32 })
  env
    .source(numbers)
    .keyBy((i) => i % KEYS)
    .reduce((a, b) => a + b)
    .sinkTo(rows)
})

/** Full from the second checkpoint on; in the tolerant case until three have failed. */
const marks = { full: 0, freed: 0 }
function onProgress({ checkpoints }: JobDescription): void {
  const { completed, failed } = checkpoints!.counts
  if (marks.full === 0 && completed >= 2) {
    fill()
    marks.full = completed
  }
  if (scenario === 'tolerant' && marks.freed === 0 && failed >= 3) {
    rmSync(filler)
    marks.freed = completed
  }
}

const config = defaultConfig()
if (scenario === 'state') fill()
const storageUri = scenario === 'state' ? 'memory:' : `file://${directory}/checkpoints`
try {
  const { state, restarts, checkpoints } = await runLocal(counting, {
    threads: 'never',
    checkpoint: {
      ...checkpointSettings(config, storageUri),
      intervalMs: 100,
      timeoutMs: 60_000,
      tolerableFailures: scenario === 'strict' ? 1 : 1000,
    },
    stateDirectory: directory,
    task: {
      ...taskSettings(config),
      state: {
        ...taskSettings(config).state,
        ...(scenario === 'state' ? { backend: 'leveldb' as const } : {}),
      },
    },
    onProgress,
  })
  const sum = rows.items.reduce((a, b) => a + b, 0)
  const { counts } = checkpoints!
  process.stdout.write(
    `${JSON.stringify({ state, restarts, counts, marks, rows: rows.items.length, sum })}\n`,
  )
} catch (error) {
  const { code, message, cause } = toErrorRecord(error)
  process.stdout.write(`${JSON.stringify({ code, message, cause: cause?.message, marks })}\n`)
}
