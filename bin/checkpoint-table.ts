/** Checkpoints as lines for people. */
import { formatBytes, formatDuration } from '../lib/base/units.ts'
import type {
  CheckpointRecord,
  CheckpointSummary,
  DetailedCheckpoint,
} from '../lib/checkpoint/checkpoint-history.ts'
import type { JobGraph } from '../lib/graph/job-graph.ts'
import { textTable } from './text-table.ts'

const HEAD = [
  'ID',
  'TYPE',
  'STATUS',
  'TRIGGERED',
  'TOOK',
  'SIZE',
  'SUBTASKS',
  'ALIGNMENT',
  'SYNC',
  'ASYNC',
  'WHERE',
]

/** One line each; the durations of subtasks are those of the slowest. */
export function checkpointTable(records: readonly CheckpointRecord[]): string {
  const rows = records.map((record) => [
    String(record.checkpointId),
    record.isUnaligned ? `${record.type}, unaligned` : record.type,
    record.status,
    record.triggeredMs === null ? '-' : new Date(record.triggeredMs).toISOString(),
    record.durationMs === null ? '-' : formatDuration(record.durationMs),
    formatBytes(record.totalBytes),
    `${record.acknowledged}/${record.subtaskCount}`,
    formatDuration(record.alignmentMs),
    formatDuration(record.syncMs),
    formatDuration(record.asyncMs),
    record.failure ?? (record.isDiscarded ? 'deleted' : record.uri),
  ])
  return textTable(HEAD, rows)
}

/** One line per subtask, by vertex. */
export function subtaskTable({ subtasks }: DetailedCheckpoint, { vertices }: JobGraph): string {
  const rows = vertices.flatMap(({ id, name, parallelism }) =>
    Array.from({ length: parallelism }, (_, index) => {
      const subtask = subtasks.find(({ task }) => task === `${id}/${index}`)
      if (subtask === undefined) return [name, String(index), '-', '-', '-', '-', '-']
      return [
        name,
        String(index),
        formatDuration(subtask.endToEndMs),
        formatBytes(subtask.totalBytes),
        formatDuration(subtask.alignmentMs),
        formatDuration(subtask.syncMs),
        formatDuration(subtask.asyncMs),
      ]
    }),
  )
  return textTable(['VERTEX', 'SUBTASK', 'END TO END', 'SIZE', 'ALIGNMENT', 'SYNC', 'ASYNC'], rows)
}

/** `12 completed, 1 failed, 1 pending`. */
export function describeCounts({ counts }: CheckpointSummary): string {
  const { completed, failed, pending } = counts
  return `${completed} completed, ${failed} failed, ${pending} pending`
}
