/** What rides between records, in the same sequence: progress of time, checkpoints, the end. */

export interface CheckpointBarrier {
  readonly kind: 'barrier'
  readonly checkpointId: number
  /** When the checkpoint was triggered, ms since the epoch. */
  readonly timestamp: number
  /** Savepoints are always aligned. */
  readonly isSavepoint: boolean
  /** Overtakes what is queued; what it overtakes belongs to the checkpoint. */
  readonly isUnaligned: boolean
  /** Ms after which a channel that waits for this barrier turns unaligned; Infinity: never. */
  readonly alignmentTimeoutMs: number
}

export type StreamEvent =
  | { readonly kind: 'watermark'; readonly timestamp: number }
  | { readonly kind: 'status'; readonly isIdle: boolean }
  | CheckpointBarrier
  /** No record follows on this channel, ever. */
  | { readonly kind: 'end' }

export const END_OF_INPUT: StreamEvent = { kind: 'end' }
