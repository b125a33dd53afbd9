/** Shows one job: its state, and what each vertex does. */
import { formatBytes, formatDuration } from '../../lib/base/units.ts'
import type { CheckpointRecord } from '../../lib/checkpoint/checkpoint-history.ts'
import type { JobDescription } from '../../lib/protocol/job-submission.ts'
import { describeCounts } from '../checkpoint-table.ts'
import { withCluster } from '../connect.ts'
import { operatorMetrics } from '../operator-metrics.ts'
import { formatCount, formatShare, formatTimestamp, textTable } from '../text-table.ts'
import type { VerbSpec } from '../verb.ts'
import { type VertexTotals, vertexTotals } from '../vertex-totals.ts'

export const describeVerb: VerbSpec = {
  description: 'A job is given by its id, the beginning of its id, or its name.',
  examples: [
    ['sluice describe word-count', 'state, slots, records, event time'],
    ['sluice describe word-count --json', 'every subtask with its metrics, and the graph'],
  ],
  async run(context, { args }) {
    const configured = await context.configure()
    const job = await withCluster(context, configured, ({ client }) => client.describe(args[0]!))
    context.out.data(job, describeJob(job, context.clock.now()))
    return undefined
  },
}

function describeJob(job: JobDescription, nowMs: number): string {
  const { jobId, name, state, submittedMs, endedMs, slotsHeld, slotsNeeded, restarts, error } = job
  const lasted = formatDuration(Math.max(0, (endedMs ?? nowMs) - submittedMs))
  const head = [
    `job          ${name} (${jobId})`,
    `state        ${state}${error === undefined ? '' : `: ${error.message}`}`,
    `submitted    ${new Date(submittedMs).toISOString()}, ${endedMs === null ? `${lasted} ago` : `ended after ${lasted}`}`,
    `slots        ${slotsHeld} of ${slotsNeeded}`,
    `restarts     ${restarts}`,
    ...regionLines(job),
    ...checkpointLines(job),
    ...job.notices.map(({ atMs, text }) => `notice       ${new Date(atMs).toISOString()} ${text}`),
    '',
  ]
  const rows = job.vertices.map((vertex) => rowOf(vertexTotals(vertex)))
  return [
    ...head,
    textTable(
      ['VERTEX', 'SUBTASKS', 'IN', 'OUT', 'BYTES OUT', 'EVENT TIME', 'BUSY', 'BACK-PRESSURED', 'IDLE'],
      rows,
    ),
    ...metricLines(job),
  ].join('\n')
}

/** Late records that were dropped, for instance, and whatever functions count. */
function metricLines({ vertices }: JobDescription): string[] {
  const metrics = operatorMetrics(vertices)
  if (metrics.length === 0) return []
  const rows = metrics.map(({ uid, name, total }) => [uid, name, formatCount(total)])
  return ['', textTable(['OPERATOR', 'METRIC', 'TOTAL'], rows)]
}

/** Only where there are several: what fails and is restarted by itself. Those that are alike share a line. */
function regionLines({ regions }: JobDescription): string[] {
  if (regions.length < 2) return []
  const runs: { text: string; from: number; to: number }[] = []
  regions.forEach(({ state, attempt, subtaskCount }, region) => {
    const subtasks = `${subtaskCount} subtask${subtaskCount === 1 ? '' : 's'}`
    const restarts = attempt === 0 ? '' : `, ${attempt} restart${attempt === 1 ? '' : 's'}`
    const text = `${state}, ${subtasks}${restarts}`
    const last = runs.at(-1)
    if (last?.text === text) last.to = region
    else runs.push({ text, from: region, to: region })
  })
  return runs.map(({ text, from, to }, i) => {
    const named = from === to ? `${from}: ${text}` : `${from} to ${to}: ${text}, each`
    return `${i === 0 ? 'regions' : ''}`.padEnd(13) + named
  })
}

function checkpointLines({ checkpoints }: JobDescription): string[] {
  if (checkpoints === null) return []
  const { lastCompleted, lastSavepoint } = checkpoints
  const line = (title: string, record: CheckpointRecord | null): string[] => {
    if (record === null || record.isDiscarded) return []
    const size = formatBytes(record.totalBytes)
    return [
      `${title} ${record.checkpointId}, ${size} in ${formatDuration(record.durationMs ?? 0)}: ${record.uri}`,
    ]
  }
  return [
    `checkpoints  ${describeCounts(checkpoints)}`,
    ...line('             last', lastCompleted),
    ...line('             last savepoint', lastSavepoint),
  ]
}

function rowOf(totals: VertexTotals): string[] {
  const { name, states, recordsIn, recordsOut, bytesOut, watermark, busy, backPressured, idle } = totals
  return [
    name,
    [...states].map(([state, count]) => `${count} ${state}`).join(', '),
    formatCount(recordsIn),
    formatCount(recordsOut),
    formatBytes(bytesOut),
    formatTimestamp(watermark),
    formatShare(busy),
    formatShare(backPressured),
    formatShare(idle),
  ]
}
