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

/** No record follows on this channel, ever. */
export interface EndOfInput {
  readonly kind: 'end'
}

export type StreamEvent =
  | { readonly kind: 'watermark'; readonly timestamp: number }
  | { readonly kind: 'status'; readonly isIdle: boolean }
  | CheckpointBarrier
  | EndOfInput

/** What is sent at once, with all that came before it, and so is the last thing in its batch and frame. */
export type ClosingEvent = CheckpointBarrier | EndOfInput

export const END_OF_INPUT: EndOfInput = { kind: 'end' }

export function isClosing(event: StreamEvent | undefined): event is ClosingEvent {
  return event?.kind === 'barrier' || event?.kind === 'end'
}

/** Whether nothing that follows `event` on its channel was sent before the sender's snapshot for the checkpoint. */
export function isBoundary(event: ClosingEvent | null, checkpointId: number): boolean {
  return event !== null && (event.kind === 'end' || event.checkpointId >= checkpointId)
}
