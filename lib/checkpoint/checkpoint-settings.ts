/** How a job takes checkpoints. Plain data, in base units; part of a submission. */

export interface CheckpointSettings {
  /** Where they are kept; see openBlobStore. Reachable from the coordinator and from every node. */
  readonly storageUri: string
  /** Between the starts of periodic checkpoints; null: only when asked for. */
  readonly intervalMs: number | null
  /** `at-least-once`: no channel waits for another, records may be processed twice after a failure. */
  readonly mode: 'exactly-once' | 'at-least-once'
  readonly timeoutMs: number
  /** Between the completion of one and the start of the next. */
  readonly pauseMinMs: number
  readonly concurrentMax: number
  /** Failures in a row that are accepted; one more fails the job. */
  readonly tolerableFailures: number
  /** Completed ones that are kept. */
  readonly retained: number
}
