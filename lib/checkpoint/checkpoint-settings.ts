/** How a job takes checkpoints. Plain data, in base units; part of a submission. */
import type { CheckpointBarrier } from '../network/stream-event.ts'

/**
 * Whose a checkpoint or savepoint is that a job begins from. `no-claim`: the user's; the job never touches it, and
 * nothing it writes refers to it. `claim`: the job's, as if it had written it: deleted when newer checkpoints have
 * taken its place, and when the job finishes. `legacy`: the user's, but the job's first checkpoints may refer to it, so
 * that it must be kept as long as they are. Flink's RestoreMode.
 */
export type ClaimMode = (typeof CLAIM_MODES)[number]

export const CLAIM_MODES = ['no-claim', 'claim', 'legacy'] as const

export interface CheckpointSettings {
  /** Where they are kept; see openBlobStore. Reachable from the coordinator and from every node. */
  readonly storageUri: string
  /** Between the starts of periodic checkpoints; null: only when asked for. */
  readonly intervalMs: number | null
  /** `at-least-once`: no channel waits for another, records may be processed twice after a failure. */
  readonly mode: 'exactly-once' | 'at-least-once'
  /**
   * How long channels wait for each other at a barrier before those that are late turn unaligned; 0: the barrier
   * overtakes at once; null: they wait as long as it takes. Of no effect in at-least-once mode and for savepoints.
   */
  readonly alignmentTimeoutMs: number | null
  readonly timeoutMs: number
  /** Between the completion of one and the start of the next. */
  readonly pauseMinMs: number
  readonly concurrentMax: number
  /** Failures in a row that are accepted; one more fails the job. */
  readonly tolerableFailures: number
  /** Completed ones that are kept while the job lives. */
  readonly retained: number
  /** Whether they are kept when the job is cancelled, or finishes; those of a job that fails always are. */
  readonly retainOnCancel: boolean
  readonly retainOnFinish: boolean
  /** Of how many the history tells. */
  readonly historyMax: number
  /** Whether a subtask stores what has changed since its last snapshot, or everything. */
  readonly isIncremental: boolean
  /** Deltas that are kept one upon the other before they are folded. */
  readonly deltasMax: number
  /**
   * Local recovery: how much of what it has stored a slot keeps a copy of on its own disk, in bytes, to read from when
   * the job restarts there; null: it keeps none. Flink's LocalRecoveryConfig.
   */
  readonly localBytesMax: number | null
}

/** The barrier that a checkpoint begins with. Savepoints are portable, and so hold nothing that is in flight. */
export function newBarrier(
  settings: Pick<CheckpointSettings, 'mode' | 'alignmentTimeoutMs'> | null,
  checkpoint: Pick<CheckpointBarrier, 'checkpointId' | 'timestamp' | 'isSavepoint'>,
): CheckpointBarrier {
  const isAligned = settings === null || settings.mode === 'at-least-once' || checkpoint.isSavepoint
  const timeoutMs = isAligned ? null : settings.alignmentTimeoutMs
  return {
    kind: 'barrier',
    ...checkpoint,
    isUnaligned: timeoutMs === 0,
    alignmentTimeoutMs: timeoutMs ?? Number.POSITIVE_INFINITY,
  }
}
