/**
 * What has become of the checkpoints and savepoints of one job, for the people who run it: the last so many in
 * detail, all of them as counts. Told by `actors/job-checkpoints.ts` what the coordinator has decided; decides nothing
 * itself. Flink's CheckpointStatsTracker.
 *
 * H1. The newest `recordsMax` records are kept, and the newest completed checkpoint, which a restart begins with.
 * H2. A record that has ended changes no more, but for being discarded.
 */
import type { SnapshotStats } from './checkpoint-files.ts'

export interface SubtaskRecord extends SnapshotStats {
  /** See taskId. */
  readonly task: string
  /** From the trigger to the acknowledgement. */
  readonly endToEndMs: number
}

export interface CheckpointRecord {
  readonly checkpointId: number
  readonly type: 'checkpoint' | 'savepoint'
  readonly status: 'pending' | 'completed' | 'failed'
  /** Why it failed; null if it has not. */
  readonly failure: string | null
  /** When it was triggered, ms since the epoch; null: under a leader before this one, and no more is known of it. */
  readonly triggeredMs: number | null
  /** From the trigger to the end; null while it is pending. */
  readonly durationMs: number | null
  /** Of all subtasks together; `channelBytes` of it is data in flight. */
  readonly totalBytes: number
  readonly channelBytes: number
  /** Some subtask's barriers overtook data. */
  readonly isUnaligned: boolean
  readonly acknowledged: number
  readonly subtaskCount: number
  /** The longest of all subtasks, in milliseconds. */
  readonly alignmentMs: number
  readonly syncMs: number
  readonly asyncMs: number
  /** Where it is, or was to be. */
  readonly uri: string
  /** It has been deleted, because newer ones have taken its place or the job has ended. */
  readonly isDiscarded: boolean
}

/** A checkpoint with all its subtasks, in the order in which they acknowledged. */
export interface DetailedCheckpoint extends CheckpointRecord {
  readonly subtasks: readonly SubtaskRecord[]
}

export interface CheckpointCounts {
  readonly pending: number
  readonly completed: number
  readonly failed: number
}

export interface CheckpointSummary {
  /** Savepoints included. Of those under a leader before this one, only the checkpoints it kept are counted. */
  readonly counts: CheckpointCounts
  readonly lastCompleted: CheckpointRecord | null
  readonly lastSavepoint: CheckpointRecord | null
  readonly lastFailed: CheckpointRecord | null
}

export type TriggeredCheckpoint = Pick<
  CheckpointRecord,
  'checkpointId' | 'type' | 'triggeredMs' | 'subtaskCount' | 'uri'
>

interface Entry extends TriggeredCheckpoint {
  /** On the monotonic clock. */
  readonly startedMs: number
  readonly subtasks: SubtaskRecord[]
  status: CheckpointRecord['status']
  failure: string | null
  /** What a subtask said when it declined. */
  reason: string | null
  durationMs: number | null
  isDiscarded: boolean
}

export class CheckpointHistory {
  readonly #recordsMax: number
  /** Oldest first. */
  readonly #entries = new Map<number, Entry>()
  readonly #counts = { completed: 0, failed: 0 }
  #lastCompleted: Entry | null = null
  #lastSavepoint: Entry | null = null
  #lastFailed: Entry | null = null

  constructor(recordsMax: number) {
    this.#recordsMax = recordsMax
  }

  triggered(checkpoint: TriggeredCheckpoint, nowMs: number): void {
    this.#entries.set(checkpoint.checkpointId, {
      ...checkpoint,
      startedMs: nowMs,
      subtasks: [],
      status: 'pending',
      failure: null,
      reason: null,
      durationMs: null,
      isDiscarded: false,
    })
    for (const [id, { status }] of this.#entries) {
      if (this.#entries.size <= this.#recordsMax) break
      if (status !== 'pending') this.#entries.delete(id)
    }
  }

  /** A leader before this one has completed it. */
  adopted(checkpoint: Pick<TriggeredCheckpoint, 'checkpointId' | 'subtaskCount' | 'uri'>): void {
    const { checkpointId } = checkpoint
    this.triggered({ ...checkpoint, type: 'checkpoint', triggeredMs: null }, 0)
    this.completed(checkpointId, 0)
    this.#entries.get(checkpointId)!.durationMs = null
  }

  acknowledged(checkpointId: number, task: string, stats: SnapshotStats, nowMs: number): void {
    const entry = this.#pending(checkpointId)
    if (entry === undefined || entry.subtasks.some((other) => other.task === task)) return
    entry.subtasks.push({ task, ...stats, endToEndMs: nowMs - entry.startedMs })
  }

  /** Why a task declines, or storage cannot be written; the failure of the checkpoint, should it come, names it. */
  declined(checkpointId: number, reason: string): void {
    const entry = this.#pending(checkpointId)
    if (entry !== undefined) entry.reason ??= reason
  }

  completed(checkpointId: number, nowMs: number): void {
    const entry = this.#end(checkpointId, 'completed', nowMs)
    if (entry?.type === 'checkpoint') this.#lastCompleted = entry
    else if (entry !== undefined) this.#lastSavepoint = entry
  }

  failed(checkpointId: number, failure: string, nowMs: number): void {
    const entry = this.#end(checkpointId, 'failed', nowMs)
    if (entry === undefined) return
    entry.failure = entry.reason === null ? failure : `${failure}: ${entry.reason}`
    this.#lastFailed = entry
  }

  discarded(checkpointId: number): void {
    const entry = this.#entries.get(checkpointId)
    if (entry !== undefined) entry.isDiscarded = true
    if (this.#lastCompleted?.checkpointId === checkpointId) this.#lastCompleted.isDiscarded = true
  }

  get summary(): CheckpointSummary {
    const pending = [...this.#entries.values()].filter(({ status }) => status === 'pending').length
    return {
      counts: { pending, ...this.#counts },
      lastCompleted: recordOrNull(this.#lastCompleted),
      lastSavepoint: recordOrNull(this.#lastSavepoint),
      lastFailed: recordOrNull(this.#lastFailed),
    }
  }

  /** Newest first. */
  get records(): CheckpointRecord[] {
    return [...this.#entries.values()].map(recordOf).reverse()
  }

  /** Undefined if there was none, or it is forgotten. */
  detail(checkpointId: number): DetailedCheckpoint | undefined {
    const known = this.#entries.get(checkpointId)
    const entry = known ?? (this.#lastCompleted?.checkpointId === checkpointId ? this.#lastCompleted : null)
    return entry === null ? undefined : { ...recordOf(entry), subtasks: [...entry.subtasks] }
  }

  #pending(checkpointId: number): Entry | undefined {
    const entry = this.#entries.get(checkpointId)
    return entry?.status === 'pending' ? entry : undefined
  }

  #end(checkpointId: number, status: 'completed' | 'failed', nowMs: number): Entry | undefined {
    const entry = this.#pending(checkpointId)
    if (entry === undefined) return undefined
    entry.status = status
    entry.durationMs = nowMs - entry.startedMs
    this.#counts[status]++
    return entry
  }
}

function recordOrNull(entry: Entry | null): CheckpointRecord | null {
  return entry === null ? null : recordOf(entry)
}

function recordOf(entry: Entry): CheckpointRecord {
  const { startedMs: _started, reason: _reason, subtasks, ...record } = entry
  const longest = (field: 'alignmentMs' | 'syncMs' | 'asyncMs'): number =>
    subtasks.reduce((most, subtask) => Math.max(most, subtask[field]), 0)
  return {
    ...record,
    totalBytes: subtasks.reduce((sum, subtask) => sum + subtask.totalBytes, 0),
    channelBytes: subtasks.reduce((sum, subtask) => sum + subtask.channelBytes, 0),
    isUnaligned: subtasks.some((subtask) => subtask.isUnaligned),
    acknowledged: subtasks.length,
    alignmentMs: longest('alignmentMs'),
    syncMs: longest('syncMs'),
    asyncMs: longest('asyncMs'),
  }
}
